"""What only selective kernels promise, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import copy

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn

from attncourse.branch import SelectiveKernel
from attncourse.branch.selective_kernel import (
    CARD,
    as_affine,
    fuse,
    mix,
    select,
    selective_kernel_reference,
)
from attncourse.branch.selective_kernel.cost import hidden_width
from attncourse.measure import peak_bytes
from tests.contract.specimen import Specimen, built, close

ARGUMENTS = {"channels": 4, "groups": 2, "min_hidden": 3}


def example(seed=0, b=2, c=4, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def reference(m, x):
    return selective_kernel_reference(
        x, [conv.weight for conv in m.convs], [as_affine(norm) for norm in m.norms], m.dilations,
        m.reduce.weight, as_affine(m.norm), m.scores.weight, m.stride,
    )  # fmt: skip


def textbook(m, x):
    """Equations (4) to (8) over a stack of the branches, as most code has them."""
    stack = torch.stack([F.relu(n(c(x))) for c, n in zip(m.convs, m.norms, strict=True)], dim=1)
    s = stack.sum(dim=1).mean(dim=(2, 3))
    logits = m.scores(F.relu(m.norm(m.reduce(s)))).view(len(x), len(m.dilations), -1)
    return (logits.softmax(dim=1)[..., None, None] * stack).sum(dim=1)


# ---------------------------------------------------------------- promises


def weights_are_shares_of_the_branches(make):
    """Positive, adding up to 1 over the branches of each channel, and over nothing else."""
    for arguments in ({}, {"dilations": (1, 2, 3)}):
        module, x = built(make, ARGUMENTS, **arguments), example()
        weights = module.g(x)
        assert (weights > 0).all()
        close(weights.sum(dim=1), torch.ones(2, 4, dtype=torch.float64))
        assert not torch.allclose(weights.sum(dim=2), torch.ones(()).double(), atol=1e-3)
        assert not torch.allclose(weights[..., :1], weights, atol=1e-3), "channels share a weight"


def averages_where_nothing_is_scored(make):
    """With all scores at zero every branch counts 1/k, and y is their mean."""
    module, x = built(make, ARGUMENTS, dilations=(1, 2, 3)), example()
    nn.init.zeros_(module.scores.weight)
    close(module(x), torch.stack(module.branches(x)).mean(dim=0))


def one_branch_is_itself(make):
    """With k = 1 there is nothing to choose: the weight is 1 and y is the branch."""
    module, x = built(make, ARGUMENTS, dilations=(2,)), example()
    y, weights = module(x, need_weights=True)
    close(weights, torch.ones_like(weights))
    close(y, module.branches(x)[0])


def equal_branches_need_no_choice(make):
    """Where all branches compute the same, every choice gives the same."""
    module, x = built(make, ARGUMENTS, dilations=(1, 1)), example()
    module.convs[1].load_state_dict(module.convs[0].state_dict())
    module.norms[1].load_state_dict(module.norms[0].state_dict())
    close(module(x), module.branches(x)[0])


def branches_have_no_order(make):
    """Permuting the branches together with their scores leaves y as it is."""
    module, x = built(make, ARGUMENTS, dilations=(1, 2, 3)), example()
    order = [2, 0, 1]
    other = built(make, ARGUMENTS, dilations=[(1, 2, 3)[m] for m in order])
    with torch.no_grad():
        for place, m in enumerate(order):
            other.convs[place].load_state_dict(module.convs[m].state_dict())
            other.norms[place].load_state_dict(module.norms[m].state_dict())
        other.reduce.load_state_dict(module.reduce.state_dict())
        other.norm.load_state_dict(module.norm.state_dict())
        other.scores.weight.copy_(module.scores.weight.view(3, 4, -1)[order].flatten(0, 1))
    close(other(x), module(x))


def only_differences_of_scores_count(make):
    """The same matrix, added to all A_m, changes nothing."""
    module, x = built(make, ARGUMENTS), example()
    before = module(x)
    with torch.no_grad():
        module.scores.weight += example(1, 1, 1, 4, 3)[0, 0].repeat(2, 1)
    close(module(x), before)


def two_branches_are_one_gate(make):
    """For k = 2 the first weight is the sigmoid of the difference of scores: a highway gate."""
    module, x = built(make, ARGUMENTS), example()
    z = F.relu(module.norm(module.reduce(fuse(module.branches(x)))))
    first, second = module.scores(z).chunk(2, dim=1)
    close(module.g(x)[:, 0], torch.sigmoid(first - second))


def golden_values(make):
    """Scores (1, 0, -1) against (0, 0, 1): the facts sheet's weights."""
    module = built(make, {"channels": 3, "groups": 1, "min_hidden": 1})
    with torch.no_grad():
        module.reduce.weight.zero_()
        module.norm.load_state_dict(
            {"weight": torch.ones(1), "bias": torch.ones(1), "running_mean": torch.zeros(1),
             "running_var": torch.ones(1), "num_batches_tracked": torch.tensor(0)}
        )  # fmt: skip
        module.scores.weight.copy_(torch.tensor([1.0, 0, -1, 0, 0, 1])[:, None])
    wanted = torch.tensor([0.7311, 0.5000, 0.1192], dtype=torch.float64)
    close(module.g(example(c=3))[0, 0], wanted, atol=5e-5)


def training_moves_the_statistics_once(make):
    """In training mode y, gradients and running statistics are those of the textbook form."""
    for ask in (False, True):
        module = built(make, ARGUMENTS).train()
        other, x = copy.deepcopy(module), example(b=3)
        out = module(x, need_weights=ask)
        close(out[0] if ask else out, textbook(other, x))
        for (name, one), two in zip(module.named_buffers(), other.buffers(), strict=True):
            torch.testing.assert_close(one, two, msg=f"{name} is not as after one pass")
    for m in (module, other):
        m.zero_grad()
        m(x).square().sum().backward() if m is module else textbook(m, x).square().sum().backward()
    for one, two in zip(module.parameters(), other.parameters(), strict=True):
        close(one.grad, two.grad, atol=1e-9)


def a_batch_of_one_is_refused_in_training(make):
    """By name and with remedies; in eval mode, or without batch statistics, it is fine."""
    module, x = built(make, ARGUMENTS).train(), example(b=1)
    with pytest.raises(ValueError, match=r"\(1, 4, 4, 3\) in training mode: .*\.eval\(\)"):
        module(x)
    assert module.eval()(x).shape == x.shape
    module.train()
    module.norm = nn.LayerNorm(3).double()
    assert module(x).shape == x.shape


def never_builds_the_stack(make):
    """At the peak of a step it holds three maps less than the textbook form, forward two less."""
    torch.manual_seed(0)
    module = make(32, groups=8).train()
    x = torch.randn(4, 32, 12, 12)
    slow = peak_bytes(lambda: textbook(module, x).sum().backward()) / x.nbytes
    fast = peak_bytes(lambda: module(x).sum().backward()) / x.nbytes
    assert slow - fast > 2.5, f"{fast:.1f} maps, the textbook form {slow:.1f}"
    with torch.no_grad():
        slow = peak_bytes(lambda: textbook(module, x)) / x.nbytes
        fast = peak_bytes(lambda: module(x)) / x.nbytes
    assert slow - fast > 1.5, f"forward: {fast:.1f} maps, the textbook form {slow:.1f}"


def large_maps_do_not_overflow(make):
    """A float16 map whose sum is beyond float16 is averaged all the same."""
    module = make(4, groups=4, min_hidden=2, dtype=torch.float16).eval()
    paths = [torch.full((1, 4, 64, 64), 30.0, dtype=torch.float16)] * 2
    weights = module.weigh(paths)
    assert torch.isfinite(weights).all()


# ---------------------------------------------------------------- mutants


def logits(m, paths):
    """The scores (b, k, c) of given branches."""
    return m.scores(F.relu(m.norm(m.reduce(fuse(paths))))).unflatten(1, (len(m.dilations), -1))


class SplitSoftmax(SelectiveKernel):
    """One softmax over all k c scores, split into branches afterwards."""

    def weigh(self, paths):
        return logits(self, paths).flatten(1).softmax(dim=1).unflatten(1, (len(paths), -1))


class ChannelSoftmax(SelectiveKernel):
    """Channels compete within a branch, and the branches do not."""

    def weigh(self, paths):
        return logits(self, paths).softmax(dim=2)


class BatchSoftmax(SelectiveKernel):
    """Images compete (known error C4)."""

    def weigh(self, paths):
        return logits(self, paths).softmax(dim=0)


class SigmoidPerBranch(SelectiveKernel):
    """A gate for each branch, with no competition."""

    def weigh(self, paths):
        return logits(self, paths).sigmoid()


class SharedByChannels(SelectiveKernel):
    """One choice for the whole map."""

    def weigh(self, paths):
        scores = logits(self, paths)
        return scores.mean(dim=2, keepdim=True).softmax(dim=1).expand_as(scores)


class ChannelMajor(SelectiveKernel):
    """Scores read as (c, k) where they are laid out as (k, c)."""

    def weigh(self, paths):
        scores = logits(self, paths).flatten(1)
        return scores.unflatten(1, (-1, len(paths))).mT.softmax(dim=1)


class NoFuse(SelectiveKernel):
    """The choice is made from the first branch alone."""

    def weigh(self, paths):
        return logits(self, [paths[0]]).softmax(dim=1)


class FusesTheMaximum(SelectiveKernel):
    """The largest value in place of the mean."""

    def weigh(self, paths):
        peak = sum(paths).amax(dim=(2, 3), keepdim=True)
        return logits(self, [peak]).softmax(dim=1)


class FusesTheAverage(SelectiveKernel):
    """The mean of the branches in place of their sum."""

    def weigh(self, paths):
        return logits(self, [path / len(paths) for path in paths]).softmax(dim=1)


class SumsPositions(SelectiveKernel):
    """A sum over positions: the choice depends on the map's size (known error C13)."""

    def weigh(self, paths):
        size = paths[0].shape[2] * paths[0].shape[3]
        return logits(self, [size * path for path in paths]).softmax(dim=1)


class NoHiddenReLU(SelectiveKernel):
    """Two linear maps in a row."""

    def weigh(self, paths):
        z = self.norm(self.reduce(fuse(paths)))
        return select(z, self.scores.weight, len(paths))


class NoHiddenNorm(SelectiveKernel):
    """A hidden layer without its normalisation (known error C7)."""

    def weigh(self, paths):
        return select(F.relu(self.reduce(fuse(paths))), self.scores.weight, len(paths))


class NoBranchReLU(SelectiveKernel):
    """Linear branches."""

    def branches(self, x):
        return [n(c(x)) for c, n in zip(self.convs, self.norms, strict=True)]


class OneKernel(SelectiveKernel):
    """All branches apply the first kernel."""

    def branches(self, x):
        return [F.relu(norm(self.convs[0](x))) for norm in self.norms]


class SplitInput(SelectiveKernel):
    """Each branch sees its own share of the channels only (known error C41)."""

    def branches(self, x):
        shares = torch.zeros_like(x), torch.zeros_like(x)
        half = x.shape[1] // 2
        first, second = torch.cat([x[:, :half], shares[0][:, half:]], 1), torch.cat(
            [shares[1][:, :half], x[:, half:]], 1
        )  # fmt: skip
        seen = [first, second, x][: len(self.convs)]
        return [
            F.relu(n(c(v))) for c, n, v in zip(self.convs, self.norms, seen, strict=True)
        ]  # fmt: skip


class NoDilation(SelectiveKernel):
    """Every branch a plain 3x3 convolution."""

    def __init__(self, *arguments, dilations=(1, 2), **options):
        super().__init__(*arguments, dilations=[1] * len(dilations), **options)


class SwappedWeights(SelectiveKernel):
    """The weights of the branches in the reverse order."""

    def _together(self, x):
        paths = self.branches(x)
        weights = self.weigh(paths)
        return mix(weights.flip(1), paths), weights

    def f(self, weights, x):
        return super().f(weights.flip(1), x)


class Residual(SelectiveKernel):
    """x + y."""

    def _together(self, x):
        y, weights = super()._together(x)
        return x + y, weights

    def f(self, weights, x):
        return x + super().f(weights, x)


class Detached(SelectiveKernel):
    """The choice passes no gradient back to the branches."""

    def weigh(self, paths):
        return super().weigh([path.detach() for path in paths])


class Stacked(SelectiveKernel):
    """Right, and with all branches in one stack."""

    def _together(self, x):
        stack = torch.stack(self.branches(x), dim=1)
        scores = self.scores(F.relu(self.norm(self.reduce(stack.sum(1).mean((2, 3))))))
        weights = scores.unflatten(1, (len(self.convs), -1)).softmax(dim=1)
        return (weights[..., None, None] * stack).sum(dim=1), weights


class ComputesTwice(SelectiveKernel):
    """f(g(x), x) as it stands: twice the work, and statistics that move twice."""

    def _together(self, x):
        weights = self.g(x)
        return self.f(weights, x), weights


class LeavesBatchesOfOneToTorch(SelectiveKernel):
    """No word of its own on a batch of one (known error C17)."""

    def validate(self, x):
        was = self.norm.training
        self.norm.training = False
        try:
            super().validate(x)
        finally:
            self.norm.training = was


class Overflows(SelectiveKernel):
    """Half precision adds up in half precision."""

    def weigh(self, paths):
        height, width = paths[0].shape[2:]
        s = sum(path.sum(dim=(2, 3)) for path in paths) / (height * width)
        z = F.relu(self.norm(self.reduce(s)))
        return select(z, self.scores.weight, len(paths))


class BiasedScores(SelectiveKernel):
    """A bias on the scores, as one port has it."""

    def __init__(self, channels, reduction=16, *, device=None, dtype=None, **options):
        super().__init__(channels, reduction, device=device, dtype=dtype, **options)
        hidden, scored = self.scores.in_features, self.scores.out_features
        self.scores = nn.Linear(hidden, scored, device=device, dtype=dtype)


class NoLeastWidth(SelectiveKernel):
    """d = c // r, with no least width (known error C41)."""

    def __init__(self, channels, reduction=16, *, min_hidden=32, **options):
        super().__init__(channels, reduction, min_hidden=1, **options)


class ForgetsDevice(SelectiveKernel):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, reduction=16, *, device=None, dtype=None, **options):
        super().__init__(channels, reduction, **options)


class Unvalidated(SelectiveKernel):
    """No check of the input."""

    def validate(self, x):
        pass


class Listed(SelectiveKernel):
    """Convolutions in a plain list, which nothing trains or saves (known error C5)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        kept = list(self.convs)
        del self.convs
        self.convs = kept

    def branches(self, x):
        return super().branches(x) if x.dtype == torch.float32 else [
            F.relu(n(c.to(x.dtype)(x))) for c, n in zip(self.convs, self.norms, strict=True)
        ]  # fmt: skip


class HalfReset(SelectiveKernel):
    """reset_parameters that forgets the kernels (known error C11)."""

    def reset_parameters(self):
        self.reduce.reset_parameters()
        self.scores.reset_parameters()
        nn.init.normal_(self.reduce.weight, std=0.01)
        nn.init.normal_(self.scores.weight, std=0.01)


class LoudScores(SelectiveKernel):
    """Scores that start ten times as large: the branches do not start alike."""

    def _draw(self):
        super()._draw()
        nn.init.normal_(self.scores.weight, std=0.1)


class AroundTheLayers(SelectiveKernel):
    """Multiplies by the weights of the scores and never calls the layer."""

    def weigh(self, paths):
        z = F.relu(self.norm(self.reduce(fuse(paths).to(paths[0].dtype))))
        return select(z, self.scores.weight, len(self.dilations))


class NormAsInEval(SelectiveKernel):
    """Hidden units normalised by the running statistics, which then never move."""

    def weigh(self, paths):
        training, self.norm.training = self.norm.training, False
        weights = super().weigh(paths)
        self.norm.training = training
        return weights


MUTANTS = (
    SplitSoftmax, ChannelSoftmax, BatchSoftmax, SigmoidPerBranch, SharedByChannels, ChannelMajor,
    NoFuse, FusesTheMaximum, FusesTheAverage, SumsPositions, NoHiddenReLU, NoHiddenNorm,
    NoBranchReLU, OneKernel, SplitInput, NoDilation, SwappedWeights, Residual, Detached, Stacked,
    ComputesTwice, LeavesBatchesOfOneToTorch, Overflows, BiasedScores, NoLeastWidth,
    ForgetsDevice, Unvalidated, Listed, HalfReset, LoudScores, AroundTheLayers, NormAsInEval,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 6, "reduction": 2, "dilations": (1, 2, 3), "groups": 3, "min_hidden": 2},
    ),
    reference=reference,
    promises=(
        weights_are_shares_of_the_branches,
        averages_where_nothing_is_scored,
        one_branch_is_itself,
        equal_branches_need_no_choice,
        branches_have_no_order,
        only_differences_of_scores_count,
        two_branches_are_one_gate,
        golden_values,
        training_moves_the_statistics_once,
        a_batch_of_one_is_refused_in_training,
        never_builds_the_stack,
        large_maps_do_not_overflow,
    ),
    starts=(
        (
            {"channels": 64, "groups": 4, "reduction": 2},
            {
                "convs.*": ("normal", (2 / (16 * 9)) ** 0.5),
                "reduce.weight": ("normal", 0.01),
                "scores.weight": ("normal", 0.01),
                "norms.*.weight": ("constant", 1.0),
                "norms.*.bias": ("constant", 0.0),
                "norm.weight": ("constant", 1.0),
                "norm.bias": ("constant", 0.0),
            },
        ),
    ),
    smallest=({"channels": 1, "groups": 1, "reduction": 1, "min_hidden": 1, "dilations": (1,)},),
    loud={"channels": 256, "groups": 4},
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 1024},
        {"channels": 96, "reduction": 2, "dilations": (1, 2, 3)},
        {"channels": 6, "groups": 2, "min_hidden": 5, "stride": 2},
        {"channels": 5, "groups": 5, "dilations": (3,), "stride": 3},
    ),
    refused=(
        ({"channels": 48}, "groups=32 does not divide channels=48: choose groups=24"),
        ({"channels": 0}, "channels=0"),
        ({"channels": 32, "groups": 0}, "groups=0 .* choose groups=1"),
        ({"channels": 32, "reduction": 0}, "reduction=0"),
        ({"channels": 32, "min_hidden": 0}, "min_hidden=0"),
        ({"channels": 32, "stride": 0}, "stride=0"),
        ({"channels": 32, "dilations": ()}, r"dilations=\(\)"),
        ({"channels": 32, "dilations": (1, 0)}, r"dilations=\(1, 0\)"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_a_stride_is_that_of_the_branches():
    module, x = built(SelectiveKernel, ARGUMENTS, stride=2), example(h=5, w=4)
    y = module(x)
    assert y.shape == (2, 4, 3, 2)
    close(y, reference(module, x))


def test_a_score_learns_by_how_much_its_branch_beats_the_mixture():
    """Equation (10) of the chapter, against autograd."""
    module, x = built(SelectiveKernel, ARGUMENTS, dilations=(1, 2, 3)), example()
    paths = [path.detach() for path in module.branches(x)]
    scores = logits(module, paths).detach().requires_grad_()
    upstream = example(seed=9)
    weights = scores.softmax(dim=1)
    mix(weights, paths).backward(upstream)
    merit = torch.stack([(upstream * path).sum(dim=(2, 3)) for path in paths], dim=1)
    mean = (weights * merit).sum(dim=1, keepdim=True)
    close(scores.grad, (weights * (merit - mean)).detach())


def test_a_branch_gets_a_local_and_a_global_gradient():
    """Equation (17): a_m G at each position, and one number a channel through the choice."""
    module, x = built(SelectiveKernel, ARGUMENTS), example()
    paths = [path.detach().requires_grad_() for path in module.branches(x)]
    weights = module.weigh(paths)
    upstream = example(seed=9)
    mix(weights, paths).backward(upstream)
    rests = [path.grad - weights[:, m, :, None, None] * upstream for m, path in enumerate(paths)]
    for rest in rests:
        close(rest, rest[..., :1, :1].expand_as(rest))
    close(rests[0], rests[1])
    assert rests[0].abs().max() > 1e-3


def test_a_constant_gate_is_a_scale_of_the_normalisation():
    """a δ(γ u + β) = δ(a γ u + a β): without looking, the choice adds nothing to the branches."""
    module, x = built(SelectiveKernel, ARGUMENTS), example()
    share = torch.rand(2, 4, dtype=torch.float64)
    wanted = mix(share.expand(2, 2, 4), module.branches(x))
    with torch.no_grad():
        for m, norm in enumerate(module.norms):
            norm.weight *= share[m]
            norm.bias *= share[m]
    close(sum(module.branches(x)), wanted.detach())


def test_a_dilated_kernel_reaches_two_d_plus_one_pixels():
    for reach in (1, 2, 3):
        module = built(SelectiveKernel, ARGUMENTS, dilations=(reach,))
        x = torch.zeros(1, 4, 15, 15, dtype=torch.float64, requires_grad=True)
        module.convs[0](x)[0, 0, 7, 7].backward()
        touched = x.grad[0, :2].abs().sum(0).nonzero()
        assert int(touched.max() - touched.min()) + 1 == 2 * reach + 1
        assert len(touched) == 9


def sknet_50(block):
    """Parameters of SKNet-50 whose 3x3 stage is ``block(width)``, from the paper's Table 1."""
    total, channels = 3 * 64 * 49 + 2 * 64, 64
    for width, blocks in ((128, 3), (256, 4), (512, 6), (1024, 3)):
        for index in range(blocks):
            total += channels * width + 2 * width  # 1x1 and its normalisation
            total += block(width)
            total += width * 2 * width + 4 * width
            if index == 0:
                total += channels * 2 * width + 4 * width
            channels = 2 * width
    return total + channels * 1000 + 1000


def test_sknet_50_has_the_facts_sheet_s_count():
    assert sknet_50(CARD.parameters) == 27_479_784
    choice = sum(
        n * (CARD.parameters(c) - 2 * (9 * c * c // 32 + 2 * c))
        for c, n in ((128, 3), (256, 4), (512, 6), (1024, 3))
    )
    assert choice == 1_021_120
    with torch.device("meta"):
        for c in (128, 1024):
            assert sum(p.numel() for p in SelectiveKernel(c).parameters()) == CARD.parameters(c)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 12), groups=st.integers(1, 6), reduction=st.integers(1, 6),
    dilations=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    h=st.integers(1, 6), w=st.integers(1, 6),
)  # fmt: skip
def test_any_size_works_or_says_why(channels, groups, reduction, dilations, h, w):
    options = {"dilations": dilations, "groups": groups, "min_hidden": 2}
    if channels % groups:
        with pytest.raises(ValueError, match="does not divide"):
            SelectiveKernel(channels, reduction, **options)
        return
    module = SelectiveKernel(channels, reduction, **options).eval()
    y, weights = module(torch.randn(2, channels, h, w), need_weights=True)
    assert y.shape == (2, channels, h, w)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, channels))


def test_the_hidden_width_has_a_least():
    assert [hidden_width(c) for c in (64, 128, 256, 512, 1024)] == [32, 32, 32, 32, 64]


def test_it_starts_with_equal_weights():
    torch.manual_seed(0)
    weights = SelectiveKernel(64).g(torch.randn(8, 64, 6, 6))
    assert (weights - 0.5).abs().max() < 0.05
