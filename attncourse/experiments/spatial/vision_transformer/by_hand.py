"""A transformer of one layer whose weights are set by hand, for the missing glyph.

No token can ask for the twin in one layer, but sums can hold what is to be compared.  The class
token's first head reads the blank, the other three the cells with glyph 1, 2 and 3.  It then holds
eight projections of the blank's pattern and of the mean pattern of each of these three groups,
and the MLP takes the products of the blank's with each of the three means.  The twin's pattern is
in the mean of its group, so its product is larger than the others are by chance.
"""

from __future__ import annotations

import torch
from torch import nn

from attncourse.experiments.spatial.vision_transformer.nets import glyph_vit
from attncourse.spatial.vision_transformer import MultiHeadAttention, VisionTransformer
from attncourse.spatial.vision_transformer.encoder import EncoderBlock
from attncourse.tasks.base import seeded
from attncourse.tasks.missing_glyph import GLYPHS, glyphs

_WIDTH, _KEPT, _PIXELS = 32, 8, 18
_NEGATIVE = _WIDTH // 2  # numbers 16 to 31 are the first sixteen with the other sign: mean zero
_LOUD, _MARK = 14, 15  # numbers of a token that keep its norm even, and that mark the class token
_NORM = 30.0  # of the loud one: what else a patch holds is small beside it
_SLOPE, _GAIN, _FOURTH = 0.5, 1_000.0, 500.0  # the last one chosen on 10,000 other images


@torch.no_grad()
def one_layer_by_hand() -> VisionTransformer:
    """The network called *one layer*, ``glyph_vit(depth=1)``, with other weights."""
    net = glyph_vit(depth=1)
    for p in net.parameters():
        p.zero_()
    block = net.blocks[0]
    assert isinstance(block, EncoderBlock)
    for norm in (block.norm1, block.norm2, net.norm):
        norm.weight.fill_(1)
    _embed(net)
    _ask(block.attention)
    _multiply(block.mlp[0], block.mlp[2])
    net.head.weight[:, :GLYPHS] = torch.eye(GLYPHS)
    return net


def _embed(net: VisionTransformer) -> None:
    """Eight projections of the pattern, and which glyph it is: all zero for the blank."""
    kept = torch.linalg.qr(torch.randn(_PIXELS, _PIXELS, generator=seeded(3)))[0][:, :_KEPT]
    pixels = torch.zeros(_WIDTH, 2 * _PIXELS)
    pixels[:_KEPT, :_PIXELS] = kept.T * (_PIXELS / _KEPT) ** 0.5
    pixels[_KEPT : _KEPT + GLYPHS, _PIXELS:] = torch.linalg.pinv(glyphs().flatten(1)).T
    pixels[_NEGATIVE:] = -pixels[:_NEGATIVE]
    net.embed.weight.copy_(pixels.view_as(net.embed.weight))
    assert net.embed.bias is not None
    assert net.positions is not None
    for sign, at in ((1, 0), (-1, _NEGATIVE)):
        net.embed.bias[at + _LOUD] = sign * _NORM
        net.positions[0, 0, at + _MARK] = sign


def _ask(attention: MultiHeadAttention) -> None:
    """Head 0 reads the blank, head h the cells with glyph h; nobody reads the class token."""
    spread = _NORM * (2 / _WIDTH) ** 0.5  # what the layer normalisation divides a patch by
    attention.query.weight[:, _MARK] = 1
    for head in range(GLYPHS):
        first = _KEPT * head
        if head:
            attention.key.weight[first, _KEPT + head - 1] = 20 * spread
        else:
            attention.key.weight[first, _KEPT : _KEPT + GLYPHS] = -20 * spread
        attention.key.weight[first, _MARK] = -1_000
        attention.value.weight[first : first + _KEPT, :_KEPT] = spread * torch.eye(_KEPT)
    attention.out.weight.copy_(torch.eye(_WIDTH))
    attention.out.bias[_MARK], attention.out.bias[_NEGATIVE + _MARK] = -1, 1


def _multiply(first: nn.Module, last: nn.Module) -> None:
    """For glyphs 1 to 3 the product of the blank's numbers with the mean of its group.

    GELU is z/2 and a square near zero: GELU(a + s) - GELU(a - s) is s and a product, and two more
    units for each glyph take the sum of all s away.
    """
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    unit = 0
    for glyph in range(GLYPHS - 1):
        group = _KEPT * (glyph + 1)
        for j in range(_KEPT):
            for sign in (1, -1):
                first.weight[unit, j] = _SLOPE
                first.weight[unit, group + j] = sign * _SLOPE
                last.weight[glyph, unit] = sign * _GAIN
                unit += 1
        for sign in (1, -1):
            first.weight[unit, group : group + _KEPT] = sign * _SLOPE
            last.weight[glyph, unit] = -sign * _GAIN
            unit += 1
    last.bias[GLYPHS - 1] = _FOURTH
