"""The wing of spatial attention on one image: what does one query read, and from where?

Every member reads the same small image, which has things of two colours, for the same two queries.
Weights that decide are set by hand, so that whoever compares features compares colours; others
are drawn, and nothing is trained.
The attention g(x) is computed by the module and then held fixed, as in f(g, x): what is left is
linear in x, or nearly so, and its derivative says from where it was read.  A residual, which every
position reads at its own place, is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.spatial import (
    AsymmetricNonLocal,
    CrissCross,
    DeformableConvolution,
    FourTerms,
    GlobalContext,
    MultiHeadAttention,
    NonLocal,
    RecurrentAttention,
    ShowAttendTell,
    SpatialPyramidGraph,
    SpatialTransformer,
)

#: Rows and columns of the image.
SIDE = 16
#: Colours, in the order of the channels.
RED, GREEN, BLUE = range(3)
#: Colour of a thing, its middle, and how far its square reaches from there.
THINGS = (
    (RED, (3, 4), 1),
    (RED, (3, 12), 1),
    (RED, (11, 11), 1),
    (BLUE, (12, 3), 1),
    (BLUE, (7, 8), 1),
    (GREEN, (8, 13), 1),
)
#: Where the two queries stand: on a red thing and on a blue one.
QUERIES = ((3, 4), (12, 3))

#: (image, number of the query) -> what is read for it, with the attention held fixed.
Reader = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Member:
    """One mechanism of the wing.

    Attributes:
        stem: of its chapter.
        form: which form of it, where the chapter has several.
        of_steps: whether the two maps are two steps, and not two queries.
        reader: makes what reads.
    """

    stem: str
    form: str
    of_steps: bool
    reader: Callable[[], Reader]


def image() -> Tensor:
    """The image, (1, 3, 16, 16) in float64: grey, with things of three colours."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    x = torch.full((1, 3, SIDE, SIDE), 0.15, dtype=torch.float64)
    for colour, (row, column), radius in THINGS:
        inside = (rows - row).abs().maximum((columns - column).abs()) <= radius
        x[0, :, inside] = 0.0
        x[0, colour, inside] = 1.0
    return x


def passing(layer: nn.Module, gain: float = 1.0) -> None:
    """Let a layer hand its input on, ``gain`` times as large."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    with torch.no_grad():
        weight.copy_(gain * torch.eye(*weight.shape[:2]).view_as(weight))
        if isinstance(bias, Tensor):
            bias.zero_()


def at_query(y: Tensor, number: int) -> Tensor:
    """Features at the place of a query."""
    row, column = QUERIES[number]
    return y[0, :, row, column]


def _block(module: Attention, *, residual: bool = True) -> Reader:
    """A module of the form f(g(x), x), for each position its own answer."""
    module = module.double().eval()

    def read(x: Tensor, number: int) -> Tensor:
        with torch.no_grad():
            weights = module.g(x)
        y = module.f(weights, x)
        return at_query(y - x if residual else y, number)

    return read


def glimpses() -> Reader:
    """RAM: two looks of two squares; after the first one its location head says where."""
    net = RecurrentAttention(3, steps=2, glimpse=3, scales=2, features=64, width=64)
    net = net.double().eval()
    with torch.no_grad():  # the last thing that a trained head would have to learn
        net.emit.bias.copy_(torch.tensor([2 * 11.5 / SIDE - 1, 2 * 11.5 / SIDE - 1]))

    def read(x: Tensor, number: int) -> Tensor:
        with torch.no_grad():
            location = net.g(x)[:, number]
        return net.look(x, location)[0]

    return read


def contexts(*, hard: bool) -> Reader:
    """Show, Attend and Tell: the state asks for red, and at the next word for blue."""
    net = ShowAttendTell(3, hidden=3, width=3, hard=hard).double().eval()
    passing(net.key, 4)
    passing(net.query, 4)
    with torch.no_grad():
        assert net.key.bias is not None
        net.key.bias.fill_(-6)  # both, the colour and the wish for it, or nothing
        net.score.weight.fill_(4)
    states = torch.eye(3, dtype=torch.float64)[[RED, BLUE]]

    def read(x: Tensor, number: int) -> Tensor:
        values, state = x.flatten(2).mT, states[number : number + 1]
        with torch.no_grad():
            weights, _ = net.choose(net.log_weights(net.key(values), state))
        return net.context(weights, values, state)[0]

    return read


def warp() -> Reader:
    """A spatial transformer whose warp turns the image and comes closer."""
    module = SpatialTransformer(3)
    with torch.no_grad():
        module.regress.bias.copy_(torch.tensor([0.6, -0.35, 0.1, 0.35, 0.6, 0.1]))
    return _block(module, residual=False)


def taps() -> Reader:
    """A deformable convolution whose taps spread where the map is red."""
    module = DeformableConvolution(3)
    outwards = torch.tensor([-1.0, 0.0, 1.0])
    with torch.no_grad():
        for tap in range(9):
            for axis, move in enumerate((outwards[tap // 3], outwards[tap % 3])):
                module.side.weight[2 * tap + axis, RED, 1, 1] = 1.5 * move
        module.weight.copy_(torch.eye(3)[:, :, None, None].expand(3, 3, 3, 3) / 9)
    return _block(module, residual=False)


def pairs() -> Reader:
    """A non-local block that compares colours."""
    module = NonLocal(3, reduction=1, norm=False)
    for layer in module.pairwise.children():  # theta and phi
        passing(layer, 10**0.5)
    passing(module.value)
    passing(module.out)
    return _block(module)


def crosses(passes: int) -> Reader:
    """CCNet with so many passes."""
    module = CrissCross(3, reduction=1, recurrence=passes)
    for layer in (module.query, module.key):
        passing(layer, 10**0.5)
    passing(module.value)
    nn.init.ones_(module.gamma)
    return _block(module)


def one_for_all() -> Reader:
    """GCNet, whose score likes green."""
    torch.manual_seed(0)
    module = GlobalContext(3, reduction=1)
    assert module.score is not None
    assert module.add is not None
    with torch.no_grad():
        module.score.weight.zero_()
        module.score.weight[0, GREEN] = 8
        for parameter in module.add.expand.parameters():
            parameter.normal_()
    return _block(module)


def anchors() -> Reader:
    """Asymmetric non-local: keys and values are means over the cells of a pyramid."""
    module = AsymmetricNonLocal(3, reduction=1, residual=True)
    passing(module.key, 14**0.5)
    passing(module.value)
    passing(module.out)
    return _block(module)


def heads() -> Reader:
    """ViT's attention: three heads of width 1, and each compares one colour."""
    module = MultiHeadAttention(3, heads=3)
    for layer in (module.query, module.key):
        passing(layer, 10**0.5)
    passing(module.value)
    passing(module.out)
    return _block(module, residual=False)


def displacements(terms: str) -> Reader:
    """The four terms' places: red asks to the right and blue upwards, or all ask to the left."""
    module = FourTerms(3, 1, terms=terms, code_channels=16)
    assert module.rows is not None
    assert module.columns is not None
    wave = 1000.0 ** (-torch.arange(4) / 4)

    def peak(step: float) -> Tensor:
        """Sines and cosines whose sum is largest at one displacement."""
        return torch.cat([(step * wave).sin(), (step * wave).cos()])

    with torch.no_grad():
        for layer, steps in ((module.rows, (0, 0, -5)), (module.columns, (5, -2, 0))):
            layer.weight.copy_(12 * torch.stack([peak(step) for step in steps]))
    for projection in (module.query, module.value, module.out):
        if projection is not None:
            passing(projection)
    if module.place_bias is not None:
        with torch.no_grad():
            module.place_bias.copy_(torch.eye(3)[GREEN])
    nn.init.ones_(module.gamma)
    return _block(module)


def graph() -> Reader:
    """SpyGR on one level: edges between positions that have a colour in common, and no grey."""
    module = SpatialPyramidGraph(3, reduction=1, levels=1, smoothing=True, residual=True)
    passing(module.phi[0])
    with torch.no_grad():
        bias = module.phi[0].bias
        assert isinstance(bias, Tensor)
        bias.fill_(-0.3)
    passing(module.theta[0])
    return _block(module)


#: In the order of the course.
MEMBERS = (
    Member("recurrent_attention", "", True, glimpses),
    Member("show_attend_tell", "soft", True, lambda: contexts(hard=False)),
    Member("show_attend_tell", "hard", True, lambda: contexts(hard=True)),
    Member("spatial_transformer", "", False, warp),
    Member("deformable_convolution", "", False, taps),
    Member("non_local", "", False, pairs),
    Member("criss_cross", "one pass", False, lambda: crosses(1)),
    Member("criss_cross", "two passes", False, lambda: crosses(2)),
    Member("global_context", "", False, one_for_all),
    Member("asymmetric_non_local", "", False, anchors),
    Member("spatial_pyramid_graph", "", False, graph),
    Member("vision_transformer", "three heads", False, heads),
    Member("four_terms", "query and place", False, lambda: displacements("0100")),
    Member("four_terms", "place", False, lambda: displacements("0001")),
)


def read_from(reader: Reader, number: int) -> Tensor:
    """From where query ``number`` reads, (16, 16), over the largest: 1 is where it reads most.

    The norm of the derivative of what is read by the features of every position.
    """
    x = image().requires_grad_()
    read = reader(x, number)
    rows = [torch.autograd.grad(value, x, retain_graph=True)[0][0] for value in read]
    found = torch.stack(rows).square().sum((0, 1)).sqrt()
    return found / found.max()


def as_records() -> dict[str, object]:
    """Things, queries and maps, these as whole numbers from 0 to 99, for pages without torch."""

    def lines(matrix: Tensor) -> list[str]:
        return [" ".join(map(str, row)) for row in (99 * matrix).round().int().tolist()]

    members = []
    for member in MEMBERS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            reader = member.reader()
        maps = [lines(read_from(reader, number)) for number in range(len(QUERIES))]
        members.append({
            "stem": member.stem, "form": member.form, "of_steps": member.of_steps, "maps": maps,
        })  # fmt: skip
    return {
        "things": [
            {"colour": ("red", "green", "blue")[colour], "row": row, "column": column, "radius": r}
            for colour, (row, column), r in THINGS
        ],
        "side": SIDE,
        "queries": [list(place) for place in QUERIES],
        "members": members,
    }
