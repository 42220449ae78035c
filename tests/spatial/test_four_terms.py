"""What only the four terms promise, and the mistakes that must be noticed."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.branch.conditional_convolution import shares
from attncourse.measure import peak_bytes
from attncourse.precision import softmax
from attncourse.spatial import DeformableConvolution, FourTerms
from attncourse.spatial.four_terms import (
    CARD,
    NAMES,
    Lines,
    conv_as_heads,
    four_terms_reference,
    heads_as_conv,
    parameter_count,
    places_as_weights,
    read_by_heads,
    relative_code,
    shares_as_weights,
)
from attncourse.spatial.four_terms.frame import lattice_places
from attncourse.spatial.four_terms.functional import line
from benchmarks.spatial.four_terms import encodings, released
from tests.contract.specimen import Specimen, built, close, outcomes_agree

ARGUMENTS = {"channels": 6, "heads": 2}
EVERY = tuple("".join(bits) for bits in itertools.product("01", repeat=4))


def example(seed=0, b=2, c=6, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


# ---------------------------------------------------------------- promises


def golden_values(make):
    """One channel, three positions in a row: every term alone by hand, and all four together."""
    x = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64).view(1, 1, 1, 3)
    # Displacements -1, 0, 1: sine and cosine of the columns and 1 of the row, over the root of 2.
    code = [(1 + math.sin(step) + math.cos(step)) / 2**0.5 for step in (-1, 0, 1)]
    wanted = {
        # i = 1 asks with 1: products 0, 1, 2.
        "1000": [math.exp(0), math.exp(1), math.exp(2)],
        "0100": [math.exp(r) for r in code],
        "0010": [math.exp(0), math.exp(0.5), math.exp(1)],
        "0001": [math.exp(2 * r) for r in code],
    }
    wanted["1111"] = [math.prod(p) for p in zip(*wanted.values(), strict=True)]
    for terms, powers in wanted.items():
        module = make(1, 1, terms=terms).double()
        with torch.no_grad():
            for name, p in module.named_parameters():
                p.fill_({"content_bias": 0.5, "place_bias": 2.0, "out.bias": 0.0}.get(name, 1.0))
        read = sum(p * v for p, v in zip(powers, (0, 1, 2), strict=True)) / sum(powers)
        found = module(x)[0, 0, 0, 1]
        close(found, torch.tensor(1 + read, dtype=torch.float64))


def is_the_identity_at_the_start(make):
    """Bit for bit, and gamma alone learns at first."""
    x, upstream = example(), example(seed=5)
    module = make(**ARGUMENTS).double()
    y = module(x)
    assert torch.equal(y, x)
    y.backward(upstream)
    assert {n for n, p in module.named_parameters() if p.grad.abs().sum() > 0} == {"gamma"}


def scores_add_up(make):
    """What all terms say together is the sum of what each says alone, with the same weights."""
    x, whole = example(), built(make, ARGUMENTS)
    logits, total = whole.g(x).log(), 0
    for n, name in enumerate(NAMES):
        alone = make(**ARGUMENTS, terms="".join("01"[n == k] for k in range(4))).double()
        state = whole.state_dict()
        alone.load_state_dict({key: state[key] for key in alone.state_dict()})
        (energy,) = alone.energies(x).values()
        close(energy, whole.energies(x)[name])
        total = total + energy
    close(logits, total.log_softmax(dim=3))


def rows_add_up_to_one(make):
    """For every choice of terms."""
    for terms in EVERY:
        for stride in (1, 2):
            weights = built(make, ARGUMENTS, terms=terms, stride=stride).g(example())
            assert weights.shape == (2, 2, 12, 12 if stride == 1 else 4)
            close(weights.sum(dim=3), torch.ones_like(weights[..., 0]))


def no_term_is_the_mean(make):
    """Every weight is 1 / m, and what is added is one vector."""
    module, x = built(make, ARGUMENTS, terms="0000"), example()
    close(module.g(x), torch.full((2, 2, 12, 12), 1 / 12, dtype=torch.float64))
    mean = module.value(x).mean(dim=(2, 3), keepdim=True)
    close(module(x), x + module.gamma * module.out(mean))


def each_term_sees_what_it_says(make):
    """Which of the asking cell, the asked cells and their order move a row of weights."""
    x, row = example(b=1), 4
    other = x.clone()
    other.flatten(2)[..., row] += 1  # the one that asks
    keys = x.clone()
    keys.flatten(2)[..., 7] += 1  # another one
    for n, (asks, asked) in enumerate(((True, True), (True, False), (False, True), (False, False))):
        terms = "".join("01"[n == k] for k in range(4))
        module = built(make, ARGUMENTS, terms=terms)
        before = module.g(x)[0, :, row]
        moved = (module.g(keys)[0, :, row] - before).abs().max() > 1e-6
        assert moved == asked, f"{NAMES[n]} and an asked cell"
        hears = (module.g(other)[0, :, row] - before).abs()
        hears[:, row] = 0  # its own slot moves where keys count
        ratio = module.g(other)[0, :, row, 0] / module.g(other)[0, :, row, 1]
        same = torch.allclose(ratio, before[:, 0] / before[:, 1], atol=1e-9)
        assert same != asks, f"{NAMES[n]} and the cell that asks"


def contents_know_no_order(make):
    """Terms of contents commute with any shuffle of positions, terms of places do not."""
    x = example()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))

    def shuffled(t):
        return t.flatten(2)[..., order].view_as(t)

    for terms in ("1000", "0010", "1010"):
        module = built(make, ARGUMENTS, terms=terms)
        close(module(shuffled(x)), shuffled(module(x)))
    for terms in ("0100", "0001"):
        module = built(make, ARGUMENTS, terms=terms)
        assert (module(shuffled(x)) - shuffled(module(x))).abs().max() > 1e-3


def place_alone_is_toeplitz_before_the_softmax(make):
    """The energies depend on the displacement alone; their softmax feels the border."""
    module, x = built(make, ARGUMENTS, terms="0001"), example(b=1, h=4, w=4)
    (energy,) = module.energies(x).values()
    energy = energy[0].view(2, 4, 4, 4, 4)
    close(energy[:, 1:, 1:, 1:, 1:], energy[:, :-1, :-1, :-1, :-1])
    weights = module.g(x)[0].view(2, 4, 4, 4, 4)
    gap = (weights[:, 1:, 1:, 1:, 1:] - weights[:, :-1, :-1, :-1, :-1]).abs().max()
    assert gap > 1e-2
    close(module.g(x), module.g(example(seed=3, b=1, h=4, w=4)))


def place_alone_is_a_product_of_lines(make):
    """Weights of the fourth term: a distribution over rows times one over columns."""
    weights = built(make, ARGUMENTS, terms="0001").g(example())[0].view(2, 12, 4, 3)
    rows, columns = weights.sum(dim=3), weights.sum(dim=2)
    close(weights, rows[..., None] * columns[..., None, :])


def key_alone_is_one_vector_for_all(make):
    """The third term adds the same everywhere."""
    x = example()
    added = built(make, ARGUMENTS, terms="0010")(x) - x
    close(added, added[:, :, :1, :1].expand_as(added))


def more_of_one_number_for_all_changes_nothing(make):
    """What does not depend on who is asked drops out of the softmax."""
    module, x = built(make, ARGUMENTS), example()
    scores = sum(module.energies(x).values())
    own = example(seed=9, c=2, h=12, w=1)
    close(module.g(x), (scores + own).softmax(dim=3))


def stride_asks_every_second_one(make):
    """The positions that are left are (0, 2, ...) x (0, 2, ...), and displacements stay pixels."""
    wide, narrow = built(make, ARGUMENTS), built(make, ARGUMENTS, stride=2)
    x = example(h=5, w=4)
    kept = torch.arange(20).view(5, 4)[::2, ::2].flatten()
    some = sum(wide.energies(x).values())[..., kept]
    close(narrow.g(x), some.softmax(dim=3))


def equals_other_layouts(make):
    """Values and all gradients of the released layout and of the form with all encodings."""
    for terms, stride in (*((t, 1) for t in EVERY), ("1111", 2), ("0110", 2)):
        module = built(make, ARGUMENTS, terms=terms, stride=stride)
        for b, h, w in ((2, 4, 3), (1, 1, 5)):
            x, upstream = example(1, b, 6, h, w), example(2, b, 6, h, w)
            forms = [module, released(module, x.shape), lambda x, m=module: m.f(m.g(x), x)]
            if stride == 1:
                forms.append(encodings(module, x.shape))
            outcomes_agree(forms, x, list(module.parameters()), upstream)


def never_holds_a_number_for_a_pair(make):
    """24 x 24 positions, two heads, there and back: less than one map of one head a head."""
    module = built(make, {"channels": 8, "heads": 2})
    x = example(b=1, c=8, h=24, w=24).requires_grad_()
    held = peak_bytes(lambda: torch.autograd.grad(module(x).sum(), x))
    assert held < 2 * 8 * 24**4


def large_products_stay_finite(make):
    """Products far beyond 65,504 from float16 input, on both paths."""
    torch.manual_seed(0)
    module = make(64, 4).half()
    nn.init.ones_(module.gamma)
    x = 300 * torch.randn(1, 64, 3, 4, generator=torch.Generator().manual_seed(2)).half()
    for y in (module(x), module(x, need_weights=True)[0]):
        assert y.isfinite().all()
        assert y.dtype == torch.float16


PROMISES = (
    golden_values, is_the_identity_at_the_start, scores_add_up, rows_add_up_to_one,
    no_term_is_the_mean, each_term_sees_what_it_says, contents_know_no_order,
    place_alone_is_toeplitz_before_the_softmax, place_alone_is_a_product_of_lines,
    key_alone_is_one_vector_for_all, more_of_one_number_for_all_changes_nothing,
    stride_asks_every_second_one, equals_other_layouts, never_holds_a_number_for_a_pair,
    large_products_stay_finite,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Explicit(FourTerms):
    """No fast form: weights first, so that a mistake in them is in both paths."""

    def attend(self, x):
        return self.f(self.g(x), x)


class OverQueries(Explicit):
    """The softmax over those who ask."""

    def _weights(self, x):
        scores = [*self.energies(x).values()]
        if not scores or self.for_all:
            return super()._weights(x)
        n = x.shape[2] * x.shape[3]
        return softmax(sum(scores).expand(-1, -1, n, -1), dim=2)


class Scaled(Explicit):
    """Scores over the root of d, which the code does not have."""

    def energies(self, x):
        d = self.value.out_channels // self.heads
        return {name: term / d**0.5 for name, term in super().energies(x).items()}


class NoRoot(FourTerms):
    """Row and column added without the root of two."""

    def _lines(self, x):
        lines = super()._lines(x)
        return None if lines is None else Lines(*(t * 2**0.5 for t in lines))


class RowsForColumns(FourTerms):
    """The layers of rows and of columns exchanged."""

    def _lines(self, x):
        self.rows, self.columns = self.columns, self.rows
        try:
            return super()._lines(x)
        finally:
            self.rows, self.columns = self.columns, self.rows


class TheOtherWay(FourTerms):
    """R(i - j) as in the released code, with the paper's weights."""

    def _lines(self, x):
        lines = super()._lines(x)
        if lines is None or self.stride > 1:
            return lines
        return Lines(*(t.transpose(0, 1) for t in lines))


class Absolute(FourTerms):
    """The place of the asked one in the image, whoever asks."""

    def _lines(self, x):
        lines = super()._lines(x)
        return None if lines is None else Lines(*(t[:1].expand_as(t) for t in lines))


class SharedForgotten(FourTerms):
    """The question that all ask of places is left out where the own one counts."""

    def _asking(self, q, term, shared, x):
        own = shared is not self.place_bias or q is None or term == "0"
        return super()._asking(q, term, shared if own else None, x)

    def energies(self, x):
        found = super().energies(x)
        if self.terms[1] == "1":
            found.pop(NAMES[3], None)
        return found


class SwappedQuestions(FourTerms):
    """u asks of places, u' of contents."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.swaps = self.content_bias is not None and self.place_bias is not None

    def energies(self, x):
        if not self.swaps:
            return super().energies(x)
        self.content_bias, self.place_bias = self.place_bias, self.content_bias
        try:
            return super().energies(x)
        finally:
            self.content_bias, self.place_bias = self.place_bias, self.content_bias

    def attend(self, x):
        return self.f(self.g(x), x)


class OneHead(Explicit):
    """All heads read by the mean of their weights."""

    def g(self, x):
        weights = super().g(x)
        return weights.mean(dim=1, keepdim=True).expand_as(weights)


class CodeInKeySteps(FourTerms):
    """With a stride, displacements in steps of the keys, not in pixels."""

    def _lines(self, x):
        lines = super()._lines(x)
        if lines is None or self.stride == 1:
            return lines
        return Lines(*(t[: t.shape[1]].repeat(2, 1, 1, 1)[: t.shape[0]] for t in lines))


class PaddedSoftmax(FourTerms):
    """Places ask one line too few: the last column's number is left out."""

    def attend(self, x):
        lines = self._lines(x)
        if lines is None or x.shape[3] == 1:
            return super().attend(x)
        keep = self._lines
        cut = Lines(
            lines.rows,
            lines.columns * (torch.arange(lines.columns.shape[1]) > 0)[None, :, None, None],
        )
        self._lines = lambda x: cut
        try:
            return super().attend(x)
        finally:
            self._lines = keep


class Detached(Explicit):
    """Weights that carry no gradient."""

    def g(self, x):
        return super().g(x).detach()


class OpenAtTheStart(FourTerms):
    """gamma = 1."""

    def _start(self):
        super()._start()
        nn.init.ones_(self.gamma)


class NoShortcut(FourTerms):
    """What is read, without what came in."""

    def _added(self, read, x, size):
        return super()._added(read, x, size) - x


class HalfProducts(Explicit):
    """Products in whatever type the input has."""

    def energies(self, x):
        if x.dtype in (torch.float32, torch.float64):
            return super().energies(x)
        q, k = (t.to(x.dtype) for t in (self._queries(x), self._keys(x)))
        return {NAMES[0]: q.flatten(2, 3) @ k.mT}


MUTANTS = (
    OverQueries, Scaled, NoRoot, RowsForColumns, TheOtherWay, Absolute, SharedForgotten,
    SwappedQuestions, OneHead, CodeInKeySteps, PaddedSoftmax, Detached, OpenAtTheStart, NoShortcut,
    HalfProducts,
)  # fmt: skip

_WIDE = {"channels": 64, "heads": 4, "code_channels": 32}
SPECIMEN = Specimen(
    card=CARD,
    arguments=(ARGUMENTS, {"channels": 5, "heads": 3, "terms": "0110", "stride": 2}),
    reference=lambda m, x: four_terms_reference(
        x, dict(m.named_parameters()), heads=m.heads, terms=m.terms, stride=m.stride
    ),
    promises=PROMISES,
    starts=(
        (
            _WIDE,
            {f"{n}.weight": ("uniform", (3 / 64) ** 0.5) for n in ("query", "key", "value", "out")}
            | {f"{n}.weight": ("uniform", (3 / 16) ** 0.5) for n in ("rows", "columns")}
            | {"*_bias": ("uniform", 32**-0.5), "out.bias": ("constant", 0.0)}
            | {"gamma": ("constant", 0.0)},
        ),
    ),
    smallest=({"channels": 1}, {"channels": 1, "heads": 1, "code_channels": 4, "terms": "0000"}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 7, "heads": 3, "terms": "0101", "code_channels": 12},
        {"channels": 12, "heads": 3, "terms": "0010"},
        {"channels": 12, "heads": 3, "terms": "1011", "stride": 2},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 8, "heads": 0}, "heads=0 must be at least 1"),
        ({"channels": 8, "terms": "11"}, "terms='11' must be four switches"),
        ({"channels": 8, "terms": "1121"}, "terms='1121' must be four switches"),
        ({"channels": 8, "code_channels": 6}, "code_channels=6 must be a multiple of 4"),
        ({"channels": 8, "stride": 0}, "stride=0 must be at least 1"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of its own


def test_counts_of_the_released_code():
    """256 channels in nine heads of 28: all terms, and the third alone."""
    assert parameter_count(256, 9) == 323_321
    assert parameter_count(256, 9, terms="0010") == 194_045


def test_codes_fall_from_one_to_a_thousandth():
    """A displacement of 0 has sines 0 and cosines 1; waves grow by the fourth root of 1,000."""
    codes = relative_code(torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64), 8)
    close(codes[0], torch.tensor([0.0] * 4 + [1.0] * 4, dtype=torch.float64))
    waves = torch.tensor([1000 ** (-f / 4) for f in range(4)], dtype=torch.float64)
    close(codes[1, :4].asin(), waves)
    close(codes[2], torch.cat([-codes[1, :4], codes[1, 4:]]))


def test_the_code_s_sign_is_absorbed():
    """R(i - j) with the sines' weights negated is R(j - i)."""
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(8, 6, dtype=torch.float64, generator=generator)
    turned = torch.cat([-weight[:4], weight[4:]])
    like = weight.new_zeros(())
    ours = line(5, 5, 1, 8, lambda code: code @ weight, 2, like)
    theirs = line(5, 5, 1, 8, lambda code: code @ turned, 2, like).transpose(0, 1)
    close(ours, theirs)


def test_nine_heads_are_a_convolution():
    """One position a tap; taps outside the image are left out, which is zero padding."""
    weight = torch.randn(
        5, 6, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )
    x = example()
    found = read_by_heads(conv_as_heads(4, 3, 3, x), heads_as_conv(weight), x)
    close(found, F.conv2d(x, weight, padding=1))


def test_place_alone_in_the_limit_is_a_tap():
    """Scores with one largest displacement, louder and louder: a shift by one column."""
    module = FourTerms(6, 1, terms="0001", code_channels=8).double()
    with torch.no_grad():
        module.rows.weight.zero_(), module.columns.weight.zero_()
        module.place_bias.zero_(), module.place_bias[0].fill_(4_000.0)
        # Two waves an axis: cosines are largest at 0, those of d + 1 at -1.
        module.rows.weight[0, 2:] = 0.5
        wave = torch.tensor([1, 1000**-0.5], dtype=torch.float64)
        module.columns.weight[0] = torch.cat([-wave.sin(), wave.cos()])
    x = torch.arange(12, dtype=torch.float64).view(1, 1, 3, 4).expand(1, 6, 3, 4)
    weights = module.g(x)[0, 0].view(3, 4, 3, 4)
    for i, j in itertools.product(range(3), range(1, 4)):
        assert weights[i, j, i, j - 1] > 0.999


def test_deformable_convolution_in_the_frame():
    """Four shares for each tap, where the content of the asking position sends it."""
    layer = built(DeformableConvolution, {"channels": 6, "bias": False})
    x = example(b=1)
    offsets = layer.g(x)
    places = lattice_places(4, 3, 3, x) + offsets
    weights = places_as_weights(places, (4, 3))
    close(read_by_heads(weights, heads_as_conv(layer.weight), x), layer(x))


def test_dynamic_convolution_in_the_frame():
    """Shares that each position predicts for nine taps, as a convolution by unfolded patches."""
    x = example()
    predicted = shares(example(seed=6, c=9).permute(0, 2, 3, 1).flatten(0, 2), 1.0)
    predicted = predicted.view(2, 4, 3, 9).permute(0, 3, 1, 2)
    close(predicted.sum(dim=1), torch.ones(2, 4, 3, dtype=torch.float64))
    patches = F.unfold(x, 3, padding=1).view(2, 6, 9, 4, 3)
    wanted = (patches * predicted[:, None]).sum(dim=2)
    weights = shares_as_weights(predicted, 3)[:, None]
    unit = torch.eye(6, dtype=torch.float64)[None]
    close(read_by_heads(weights, unit, x), wanted)


@pytest.mark.parametrize("terms", EVERY)
def test_only_what_a_term_needs_is_learned(terms):
    module = FourTerms(8, 2, terms=terms)
    names = {n.split(".")[0] for n, _ in module.named_parameters()}
    pair, asks, content, place = (bit == "1" for bit in terms)
    assert ("query" in names) == (pair or asks)
    assert ("key" in names) == (pair or content)
    assert ("rows" in names) == ("columns" in names) == (asks or place)
    assert ("content_bias" in names, "place_bias" in names) == (content, place)


def test_repr_says_what_differs():
    assert FourTerms(64).extra_repr() == "64"
    assert FourTerms(64, 4, terms="0010").extra_repr() == "64, heads=4, terms='0010'"
