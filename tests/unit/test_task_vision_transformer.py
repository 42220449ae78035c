"""Missing glyphs, two names, same or different: what the tasks promise, and their rivals' nets."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.experiments.spatial.vision_transformer import one_layer_by_hand
from attncourse.experiments.spatial.vision_transformer.nets import (
    MeanMixing,
    NamesNet,
    NoSoftmax,
    Shuffled,
    glyph_vit,
    same_cnn,
)
from attncourse.tasks.missing_glyph import (
    CELL,
    MissingGlyph,
    glyphs,
    most_right_by_counting,
    right_by_counting,
)
from attncourse.tasks.same_glyph import SameGlyph
from attncourse.tasks.two_names import NAME, VARIANCE, TwoNames, explained_items
from tests.unit.of_tasks import Says, batch_of


def cells_of(x, side=4):
    """(n, cells, 6, 6), in reading order."""
    return F.unfold(x, CELL, stride=CELL).mT.unflatten(2, (CELL, CELL))


def test_the_twin_has_the_blank_s_pattern_and_the_answer():
    x, y, at = MissingGlyph(test_size=200).test_cases()
    cells, images = cells_of(x), torch.arange(200)
    blank, twin = (cells[images, at[:, k]] for k in (0, 1))
    assert torch.equal(blank[:, :3].sign(), twin[:, :3].sign())
    assert blank[:, 3:].abs().max() < 0.6
    assert torch.equal(twin[:, 3:].sign(), glyphs()[y])
    assert (at[:, 0] != at[:, 1]).all()
    same = (cells[:, :, :3].sign() == blank[:, None, :3].sign()).all(dim=(2, 3))
    assert (same.sum(dim=1) == 2).double().mean() > 0.99  # patterns hardly ever repeat by chance


def test_a_reader_of_patterns_is_always_right_and_one_of_counts_rarely():
    task = MissingGlyph(test_size=1_500)
    x, y, at = task.test_cases()
    cells, images = cells_of(x), torch.arange(len(x))
    which = torch.einsum("ncij,gij->ncg", cells[:, :, 3:], glyphs()).argmax(dim=2)
    blank = cells[:, :, 3:].abs().mean(dim=(2, 3)).argmin(dim=1)
    assert torch.equal(blank, at[:, 0])
    match = torch.einsum("nij,ncij->nc", cells[images, blank, :3], cells[:, :, :3])
    match[images, blank] = -torch.inf
    assert torch.equal(which[images, match.argmax(dim=1)], y)
    counts = F.one_hot(which, 4).double()
    counts[images, blank] = 0
    right = (counts.sum(dim=1).argmax(dim=1) == y).double().mean().item()
    assert right == pytest.approx(most_right_by_counting(), abs=0.04)
    share = right_by_counting(x, y, blank)
    alone = counts.sum(dim=1).sort(dim=1).values.diff(dim=1)[:, -1] > 0
    assert torch.equal(share[alone] == 1, (counts.sum(dim=1).argmax(dim=1) == y)[alone])
    assert share.mean().item() == pytest.approx(right, abs=0.02)
    assert {round(1 / s) for s in share.unique().tolist() if s} <= {1, 2, 3, 4}


def test_one_layer_set_by_hand_is_right_in_half_of_the_images():
    """Sums can hold what is to be compared: counting gets 39 % of these."""
    net = one_layer_by_hand().eval()
    assert len(net.blocks) == 1
    assert {n: p.shape for n, p in net.named_parameters()} == {
        n: p.shape for n, p in glyph_vit(depth=1).named_parameters()
    }
    x, y, at = MissingGlyph().draw(4_000, torch.Generator().manual_seed(11))
    with torch.no_grad():
        right = (net(x).argmax(dim=1) == y).double().mean().item()
    assert right > 0.5 > 0.1 + right_by_counting(x, y, at[:, 0]).mean().item()
    maps, images = net.maps(x[:200])[0], torch.arange(200)
    assert maps[images, 0, 0, 1 + at[:200, 0]].min() > 0.99  # head 0 of the class token: the blank


def test_a_linear_layer_on_counts_tells_same_from_different_in_two_thirds_at_most():
    """Where 2 a and 2 b lie beyond a bound, so does a + b; and two of four get two thirds."""
    pairs = torch.combinations(torch.arange(4))
    w = torch.randn(3_000, 4, generator=torch.Generator().manual_seed(12))
    w[0] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    same, different = 2 * w, w[:, pairs].sum(dim=2)
    bound = torch.cat([same, different], dim=1)[:, :, None] - 1e-6
    accepted = (same[:, None] > bound).double().mean(dim=2)
    wrongly = (different[:, None] > bound).double().mean(dim=2)
    best = (0.5 + (accepted - wrongly).abs() / 2).max().item()
    assert best == pytest.approx(2 / 3)


def test_counting_is_right_in_as_many_cases_as_counts_say():
    """Two cells: one visible glyph. Three visible ones of four kinds, written out."""
    assert most_right_by_counting(2) == pytest.approx(1.0)
    assert most_right_by_counting(4) == pytest.approx((4 * 3 + 36 * 2 + 24 * 1) / 64 / 3)


@pytest.mark.parametrize("task", [MissingGlyph(), SameGlyph(), TwoNames()])
def test_batches_are_a_function_of_seed_and_step(task):
    x, y = batch_of(task)
    assert len(x) == len(y) == 16
    assert x.dtype == torch.float32


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="side=1 must be at least 2"):
        MissingGlyph(side=1)
    with pytest.raises(ValueError, match="tokens=2 must be at least 3"):
        TwoNames(tokens=2)


def test_every_token_asks_two_others_and_is_asked_twice():
    x, y, asked = TwoNames(test_size=64).test_cases()
    names, wanted = x[..., : 2 * NAME], x[..., 2 * NAME : 4 * NAME]
    for colour in (0, 1):
        part = slice(colour * NAME, (colour + 1) * NAME)
        match = torch.einsum("nid,njd->nij", wanted[..., part], names[..., part]).argmax(dim=2)
        assert torch.equal(match, asked[:, colour])
        assert torch.equal(asked[:, colour].sort(dim=1).values, torch.arange(16).expand(64, -1))
        assert (asked[:, colour] != torch.arange(16)).all()
    assert (asked[:, 0] != asked[:, 1]).all()
    number = x[..., -1]
    assert torch.equal(y[..., 0], number.gather(1, asked[:, 0]) - number.gather(1, asked[:, 1]))


def test_the_variance_of_the_answers_is_two():
    x, y = TwoNames(test_size=2_000).test_set()
    assert y.var().item() == pytest.approx(VARIANCE, abs=0.06)
    knows = explained_items(Says(lambda x: y[: len(x)]), x, y)
    assert torch.equal(knows, torch.ones(2_000, dtype=torch.float64))
    silent = explained_items(Says(lambda x: torch.zeros_like(x[..., :1])), x, y)
    assert silent.mean().item() == pytest.approx(0, abs=0.03)


def test_one_convex_read_explains_half():
    """By weights of the names: all on the red one, or shared, whatever stands behind them."""
    x, y, asked = TwoNames(test_size=2_000).test_cases()
    number = x[..., -1]
    of = [number.gather(1, asked[:, colour])[..., None] for colour in (0, 1)]
    for share, best in ((1.0, 0.5), (0.75, 0.2), (0.5, 0.0)):
        read = share * of[0] + (1 - share) * of[1]
        factor = (read * y).mean() / (read * read).mean()
        explained = explained_items(Says(lambda x, f=factor, r=read: f * r), x, y).mean().item()
        assert explained == pytest.approx(best, abs=0.03)


def test_same_glyphs_are_the_same():
    x, y = SameGlyph(test_size=400).test_set()
    cells = F.unfold(x, 4, stride=4).mT
    loud = cells.abs().mean(dim=2).topk(2, dim=1).indices
    first, second = (cells[torch.arange(400), loud[:, k]] for k in (0, 1))
    alike = (first.sign() == second.sign()).double().mean(dim=1) > 0.85
    assert torch.equal(alike, y == 1)
    assert 0.4 < y.double().mean() < 0.6


def test_rivals_read_as_they_say():
    torch.manual_seed(0)
    z = torch.randn(2, 5, 8)
    mean = MeanMixing(8, 2)
    torch.testing.assert_close(
        mean.of_tokens(z), mean.out(mean.value(z).mean(dim=1, keepdim=True)).expand_as(z)
    )
    bare = NoSoftmax(8, 1)
    products = bare.query(z) @ bare.key(z).mT / (5 * 8**0.5)
    torch.testing.assert_close(bare.of_tokens(z), bare.out(products @ bare.value(z)))
    x = torch.rand(3, 1, 8, 8)
    shuffled = Shuffled(torch.nn.Identity())(x)
    assert not torch.equal(shuffled, 2 * x - 1)
    torch.testing.assert_close(shuffled.flatten(1).sort().values, (2 * x - 1).flatten(1).sort()[0])
    assert torch.equal(Shuffled(torch.nn.Identity(), shuffle=False)(x), 2 * x - 1)
    assert NamesNet(2, before=4, after=4)(torch.randn(2, 16, 33)).shape == (2, 16, 1)
    assert glyph_vit()(torch.randn(2, 1, 24, 24)).shape == (2, 4)
    assert same_cnn(48)(torch.randn(2, 1, 16, 16)).shape == (2, 2)


def test_one_head_and_two_have_the_same_parameters():
    count = [sum(p.numel() for p in NamesNet(heads).parameters()) for heads in (1, 2)]
    assert count[0] == count[1]
