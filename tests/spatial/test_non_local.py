"""What only the non-local block promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn

from attncourse.measure import count_products, peak_bytes
from attncourse.spatial import NonLocal
from attncourse.spatial.non_local import CARD, pairwise, tokens
from attncourse.spatial.non_local.advanced.symmetric import multiplied_pairs, symmetric_read
from attncourse.spatial.non_local.functional import (
    concatenation_read,
    concatenation_weights,
    dot_product_read,
    dot_product_weights,
    non_local_reference,
    softmax_read,
    softmax_weights,
)
from attncourse.spatial.non_local.pairwise import MODES, project
from tests.contract.specimen import Specimen, built, of_torch

ARGUMENTS = {"channels": 6}
SOFTMAX = ("gaussian", "embedded_gaussian")


def example(seed=0, b=2, c=6, *sizes):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, *(sizes or (4, 3)), dtype=torch.float64, generator=generator)


def of(make, **options):
    return built(make, {**ARGUMENTS, **options})


def pooled(x):
    """Largest of every 2 x 2, by loops; time is left alone."""
    h, w = x.shape[-2:]
    rows, columns = max(1, h // 2), max(1, w // 2)
    tall, wide = min(2, h), min(2, w)
    lines = [
        torch.stack(
            [
                x[..., i * tall : (i + 1) * tall, j * wide : (j + 1) * wide].amax(dim=(-2, -1))
                for j in range(columns)
            ],
            dim=-1,
        )
        for i in range(rows)
    ]
    return torch.stack(lines, dim=-2)


def reference(m, x):
    """The equations with the module's own parameters, pair by pair."""
    flat = x.flatten(2)
    keys = pooled(x).flatten(2) if m.subsample else flat

    def linear(layer, v):
        return v @ layer.weight.T + layer.bias

    def f(a, b):
        if m.mode == "gaussian":
            logits = (a * b).sum(dim=1)
            return (logits / m.channels**0.5 if m.scale else logits).exp()
        q, k = linear(m.pairwise.theta, a), linear(m.pairwise.phi, b)
        if m.mode == "concatenation":
            return torch.cat([q, k], dim=1).matmul(m.pairwise.score.weight[0]).clamp(min=0)
        logits = (q * k).sum(dim=1)
        if m.mode == "dot_product":
            return logits
        return (logits / m.hidden_channels**0.5 if m.scale else logits).exp()

    def z(y):
        z = linear(m.out, y)
        if m.norm is None:
            return z
        spread = (m.norm.running_var + m.norm.eps).sqrt()
        return m.norm.weight * (z - m.norm.running_mean) / spread + m.norm.bias

    def normaliser(weights):
        return weights.sum(dim=0) if m.mode in SOFTMAX else keys.shape[2]

    return non_local_reference(flat, keys, f, normaliser, lambda v: linear(m.value, v), z).view_as(
        x
    )


# ---------------------------------------------------------------- promises


def starts_as_the_identity(make):
    """Bit for bit, in every form, with and without normalisation, in training and evaluation."""
    x = example()
    for mode in MODES:
        for norm in (True, False):
            module = make(6, mode=mode, norm=norm).double()
            assert torch.equal(module(x), x)
            assert torch.equal(module.eval()(x), x)


def rows_mean_what_their_form_says(make):
    """A softmax row sums to 1, a dot-product row to theta_i times the mean key."""
    x = example()
    for mode in SOFTMAX:
        sums = of(make, mode=mode).g(x).sum(dim=2)
        torch.testing.assert_close(sums, torch.ones_like(sums))
    dot = of(make, mode="dot_product")
    q, k = (project(tokens(x), layer) for layer in (dot.pairwise.theta, dot.pairwise.phi))
    torch.testing.assert_close(dot.g(x).sum(dim=2), (q * k.mean(dim=1, keepdim=True)).sum(dim=2))
    concatenation = of(make, mode="concatenation").g(x)
    assert (concatenation >= 0).all()
    assert (concatenation == 0).any()


def knows_no_geometry(make):
    """Shuffled positions give the shuffled output; with subsampling they do not."""
    x, order = example(), torch.randperm(12, generator=torch.Generator().manual_seed(1))

    def shuffled(t):
        return t.flatten(2)[:, :, order].view_as(t)

    for mode in MODES:
        module = of(make, mode=mode)
        torch.testing.assert_close(module(shuffled(x)), shuffled(module(x)))
    module = of(make, subsample=True)
    assert not torch.allclose(module(shuffled(x)), shuffled(module(x)))


def one_bias_is_dead(make):
    """A bias of phi shifts a whole row of logits; a bias of theta does not."""
    module, x = of(make, norm=False), example()
    before = module(x)
    with torch.no_grad():
        module.pairwise.phi.bias += 1.0
        torch.testing.assert_close(module(x), before)
        module.pairwise.theta.bias += 1.0
    assert not torch.allclose(module(x), before, atol=1e-3)


def without_queries_it_is_one_map(make):
    """Zero theta: the mean of all values; a constant query: one map for all positions."""
    module, x = of(make, norm=False), example()
    with torch.no_grad():
        module.pairwise.theta.weight.zero_()
        module.pairwise.theta.bias.zero_()
        mean = x.mean(dim=(2, 3)) @ module.value.weight.T + module.value.bias
        added = mean @ module.out.weight.T + module.out.bias
        torch.testing.assert_close(module(x) - x, added[:, :, None, None].expand_as(x))
        module.pairwise.theta.bias.fill_(0.7)
        score = 0.7 * module.pairwise.phi.weight.sum(dim=0)
        shared = torch.einsum("c,bcn->bn", score, x.flatten(2)).softmax(dim=1)
        torch.testing.assert_close(module.g(x), shared[:, None].expand(-1, 12, -1))


def golden_values(make):
    """One channel, identity projections, x = (1, 2, 3): the facts sheet's numbers."""
    wanted = {"gaussian": (2.5752, 2.8509, 2.9480), "dot_product": (4.6667, 9.3333, 14.0)}
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).view(1, 1, 1, 3)
    for mode, numbers in wanted.items():
        module = make(1, mode=mode, norm=False).double()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
        y = (module(x) - x).flatten()
        torch.testing.assert_close(y, torch.tensor(numbers, dtype=torch.float64), atol=1e-4, rtol=0)


def never_holds_the_map(make):
    """A training step stays below one half of a map of queries times keys, in every form."""
    side = 40
    x = torch.randn(1, 16, side, side, generator=torch.Generator().manual_seed(0))
    for mode in MODES:
        for image in (x, x.mT, x.contiguous(memory_format=torch.channels_last)):
            module = make(16, mode=mode)

            def step(image=image, module=module):
                module(image.detach().requires_grad_()).sum().backward()

            assert peak_bytes(step) < side**4 * x.element_size() / 2, mode


def a_clip_is_a_longer_image(make):
    """(t, h, w) positions are read as t h w of them; pooling leaves time alone."""
    x = example(3, 2, 6, 3, 4, 5)
    for mode in MODES:
        module = of(make, mode=mode)
        torch.testing.assert_close(module(x).flatten(2, 3), module(x.flatten(2, 3)))
        torch.testing.assert_close(
            of(make, mode=mode, subsample=True)(x),
            reference(of(make, mode=mode, subsample=True), x),
        )


def only_the_last_layer_learns_at_first(make):
    """At step 0 a gradient reaches W_z alone, or the normalisation alone."""
    for norm, last in ((True, "norm"), (False, "out")):
        module = make(6, norm=norm).double()
        module(example()).square().sum().backward()
        for name, parameter in module.named_parameters():
            reached = bool(parameter.grad.abs().sum() > 0)
            assert reached == name.startswith(last), name


def all_but_one_bias_learn(make):
    """Every parameter gets a gradient, but the bias of phi under a softmax gets none."""
    for mode in MODES:
        for subsample in (False, True):
            module, x = of(make, mode=mode, subsample=subsample), example()
            (module(x) * example(seed=7)).sum().backward()
            for name, parameter in module.named_parameters():
                dead = mode == "embedded_gaussian" and name == "pairwise.phi.bias"
                learns = parameter.grad is not None and float(parameter.grad.abs().sum()) > 1e-12
                assert learns != dead, f"{mode}: {name}"


# ---------------------------------------------------------------- mutants


class _Explicit(NonLocal):
    """Applies the matrix of ``g`` in ``forward`` as well."""

    def attend(self, x):
        return self.f(self.g(x), x)


class _Logits(_Explicit):
    """Gives its mutants the logits of the embedded Gaussian."""

    def logits(self, x):
        if self.mode != "embedded_gaussian":
            return None
        q = project(tokens(x), self.pairwise.theta)
        return self.pairwise._factor * q @ project(self.keys(x), self.pairwise.phi).mT

    def weigh(self, logits, x):
        raise NotImplementedError

    def g(self, x):
        logits = self.logits(x)
        return super().g(x) if logits is None else self.weigh(logits, x)


class SoftmaxOverQueries(_Logits):
    """Columns that sum to 1 in place of rows."""

    def weigh(self, logits, x):
        return logits.softmax(dim=1)


class SoftmaxOverBatch(_Logits):
    """A softmax whose axis was forgotten."""

    def weigh(self, logits, x):
        return logits.softmax(dim=0)


class NoSoftmax(_Logits):
    """Bare logits."""

    def weigh(self, logits, x):
        return logits


class AlwaysScaled(_Logits):
    """The root of d, whether asked for or not (known error C43)."""

    def weigh(self, logits, x):
        return (logits / self.hidden_channels**0.5).softmax(dim=2)


class ScaledByChannels(NonLocal):
    """The root of c where the products run over d (known error C39)."""

    def __init__(self, channels, *arguments, scale=False, **options):
        super().__init__(channels, *arguments, scale=scale, **options)
        self.pairwise.hidden = channels


class NeverSelf(_Logits):
    """A position must not look at itself."""

    def weigh(self, logits, x):
        if logits.shape[1] == logits.shape[2] > 1:
            logits = logits - 1e9 * torch.eye(logits.shape[1], dtype=logits.dtype)
        return logits.softmax(dim=2)


class PooledAfter(NonLocal):
    """Pools what phi and g made of x, which is another function."""

    def g(self, x):
        if not self.subsample or self.mode == "gaussian":
            return super().g(x)
        q = project(tokens(x), self.pairwise.theta)
        k = project(tokens(x), self.pairwise.phi).mT.unflatten(2, x.shape[2:])
        return softmax_weights(q, self.keys(k), self.pairwise._factor)

    def f(self, weights, x):
        value = project(tokens(x), self.value).mT.unflatten(2, x.shape[2:])
        return self._added(weights @ self.keys(value), x)

    def attend(self, x):
        return self.f(self.g(x), x) if self.subsample else super().attend(x)


class DividesByQueries(_Explicit):
    """N where the number of keys belongs: wrong once the keys are pooled."""

    def g(self, x):
        weights = super().g(x)
        return weights if self.mode in SOFTMAX else weights * weights.shape[2] / weights.shape[1]


class DividesByTheSum(_Explicit):
    """The dot product over the sum of its row, which may be zero."""

    def g(self, x):
        weights = super().g(x)
        return weights / weights.sum(dim=2, keepdim=True)


class NoReLU(_Explicit):
    """A concatenation without its non-linearity is a sum of two numbers."""

    def g(self, x):
        if self.mode != "concatenation":
            return super().g(x)
        alpha, beta = self.pairwise.scores(tokens(x), self.keys(x))
        return (alpha[:, :, None] + beta[:, None]) / beta.shape[1]


class InPlaceDivision(_Explicit):
    """Divides what the ReLU keeps for its backward pass (known error C43)."""

    def g(self, x):
        if self.mode != "concatenation":
            return super().g(x)
        alpha, beta = self.pairwise.scores(tokens(x), self.keys(x))
        weights = F.relu(alpha[:, :, None] + beta[:, None])
        weights /= beta.shape[1]
        return weights


class Transposed(_Explicit):
    """Keys that ask queries."""

    def f(self, weights, x):
        return super().f(weights.mT if weights.shape[1] == weights.shape[2] else weights, x)


class MixedAxes(NonLocal):
    """(b, n, c) viewed as (b, c, h, w): channels and positions change places."""

    def _added(self, y, x):
        z = F.linear(y, self.out.weight, self.out.bias).contiguous().view(*x.shape[:2], -1)
        return x + (z if self.norm is None else self.norm(z)).view_as(x)


class NoShortcut(NonLocal):
    """What was read, without x."""

    def _added(self, y, x):
        return super()._added(y, x) - x


class Gate(NonLocal):
    """x times what was read."""

    def _added(self, y, x):
        return x * (1 + super()._added(y, x) - x)


class NotShut(NonLocal):
    """PyTorch's own start behind the block."""

    def _shut(self):
        pass


class HalfShut(NonLocal):
    """Zeroes the last weight and forgets its bias (known error C40)."""

    def _shut(self):
        nn.init.zeros_((self.out if self.norm is None else self.norm).weight)
        nn.init.ones_((self.out if self.norm is None else self.norm).bias)


class HoldsTheMap(_Explicit):
    """The textbook's way: right, and quadratic in memory."""


class WithoutHeads(NonLocal):
    """Three axes, for which the fused kernel builds the map without a word."""

    def attend(self, x):
        if self.mode != "embedded_gaussian":
            return super().attend(x)
        q, k = project(tokens(x), self.pairwise.theta), project(self.keys(x), self.pairwise.phi)
        v = project(self.keys(x), self.value)
        read = F.scaled_dot_product_attention(q, k, v, scale=self.pairwise._factor)
        return self._added(read, x)


class ForgetsTheScale(NonLocal):
    """The fused kernel's own scale in place of the one asked for."""

    def attend(self, x):
        if self.mode != "embedded_gaussian":
            return super().attend(x)
        q, k = project(tokens(x), self.pairwise.theta), project(self.keys(x), self.pairwise.phi)
        heads = (t[:, None].contiguous() for t in (q, k, project(self.keys(x), self.value)))
        return self._added(F.scaled_dot_product_attention(*heads)[:, 0], x)


class OneEmbedding(NonLocal):
    """theta for keys too."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if hasattr(self.pairwise, "phi"):
            self.pairwise.phi = self.pairwise.theta


class Detached(NonLocal):
    """Attention that carries no gradient."""

    def attend(self, x):
        return self.f(self.g(x).detach(), x)


class SinglePrecision(_Explicit):
    """Weights rounded to float32."""

    def g(self, x):
        return super().g(x).float().to(x.dtype)


class Unvalidated(NonLocal):
    """No check of the input."""

    def validate(self, x):
        pass


class ForgetsDevice(NonLocal):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class HalfReset(NonLocal):
    """reset_parameters that forgets the embeddings (known error C11)."""

    def reset_parameters(self):
        for layer in (self.value, self.out, self.norm):
            layer.reset_parameters()
        self._shut()


class PoolsTime(NonLocal):
    """Pools frames as well as rows and columns."""

    def keys(self, x):
        if self.subsample and x.ndim == 5:
            return tokens(F.max_pool3d(x, [min(2, size) for size in x.shape[2:]]))
        return super().keys(x)


class NormAsInEval(NonLocal):
    """Normalised by the running statistics, which then never move."""

    def _added(self, y, x):
        if self.norm is None:
            return super()._added(y, x)
        training, self.norm.training = self.norm.training, False
        z = super()._added(y, x)
        self.norm.training = training
        return z


class LowPrecision(_Explicit):
    """Logits in whatever type autocast likes: they are rounded, or overflow."""

    def g(self, x):
        if self.mode != "embedded_gaussian":
            return super().g(x)
        q, k = self.pairwise.theta(tokens(x)), self.pairwise.phi(self.keys(x))
        return (self.pairwise._factor * (q @ k.mT)).softmax(dim=2)


class AroundTheLayers(NonLocal):
    """Multiplies by the weight of W_z and never calls the layer."""

    def _added(self, y, x):
        z = y.to(self.out.weight.dtype) @ self.out.weight.mT + self.out.bias
        z = z.mT if self.norm is None else self.norm(z.mT)
        return x + z.to(x.dtype).unflatten(2, x.shape[2:])


MUTANTS = (
    SoftmaxOverQueries, SoftmaxOverBatch, NoSoftmax, AlwaysScaled, ScaledByChannels, NeverSelf,
    PooledAfter, DividesByQueries, DividesByTheSum, NoReLU, InPlaceDivision, Transposed,
    MixedAxes, NoShortcut, Gate, NotShut, HalfShut, HoldsTheMap, WithoutHeads, ForgetsTheScale,
    OneEmbedding, Detached, SinglePrecision, Unvalidated, ForgetsDevice, HalfReset, PoolsTime,
    NormAsInEval, LowPrecision, AroundTheLayers,
)  # fmt: skip


def wrong(x):
    return (
        (x[0], "axis"),
        (x[None, None], "axes"),
        (torch.cat([x, x], dim=1), "channels"),
        (x[..., :0], "positions"),
        (x[:, :, None, :0], "positions"),
    )


SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 5, "scale": True, "norm": False, "subsample": True},
        {"channels": 4, "mode": "gaussian", "scale": True},
        {"channels": 6, "mode": "dot_product", "reduction": 3, "subsample": True},
        {"channels": 6, "mode": "concatenation", "norm": False},
    ),
    reference=reference,
    promises=(
        starts_as_the_identity,
        rows_mean_what_their_form_says,
        knows_no_geometry,
        one_bias_is_dead,
        without_queries_it_is_one_map,
        golden_values,
        never_holds_the_map,
        a_clip_is_a_longer_image,
        only_the_last_layer_learns_at_first,
        all_but_one_bias_learn,
    ),
    excused={
        "every_parameter_learns": "the bias of phi adds one number to a whole row of logits, "
        "which the softmax takes out: a promise of its own says that all others learn",
    },
    starts=(
        (
            {"channels": 64},
            {
                "pairwise.*": of_torch(64),
                "value.*": of_torch(64),
                "out.*": of_torch(32),
                "norm.*": ("constant", 0.0),
            },
        ),
        (
            {"channels": 64, "norm": False},
            {"pairwise.*": of_torch(64), "value.*": of_torch(64), "out.*": ("constant", 0.0)},
        ),
    ),
    smallest=tuple({"channels": 1, "reduction": 1, "mode": mode} for mode in MODES),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 17, "reduction": 3, "norm": False},
        {"channels": 16, "mode": "gaussian", "subsample": True},
        {"channels": 16, "mode": "dot_product"},
        {"channels": 3, "mode": "dot_product", "reduction": 1, "subsample": True},
        {"channels": 16, "mode": "concatenation", "subsample": True},
        {"channels": 1, "reduction": 4},
    ),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 8, "reduction": 0}, "reduction=0"),
        ({"channels": 8, "mode": "cosine"}, "mode='cosine' is unknown"),
        ({"channels": 8, "mode": "dot_product", "scale": True}, "scale=True does not suit"),
    ),
    wrong=wrong,
    sizes=((2, 4, 3), (1, 2, 2), (3, 1, 1), (2, 1, 3), (1, 5, 2)),  # the reference has n² steps
)

# ---------------------------------------------------------------- tests of its own


def tensors(draw_seed, *shapes):
    generator = torch.Generator().manual_seed(draw_seed)
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


@pytest.mark.parametrize("mode", list(MODES))
def test_a_subclass_reads_its_own_keys_however_many_they_are(mode):
    class Doubled(NonLocal):
        def keys(self, x):
            return 2 * super().keys(x)

    torch.manual_seed(0)
    block = Doubled(6, mode=mode, norm=False).double()
    torch.nn.init.normal_(block.out.weight)
    x = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    explicit, _ = block(x, need_weights=True)
    torch.testing.assert_close(block(x), explicit)
    plain = NonLocal(6, mode=mode, norm=False).double()
    plain.load_state_dict(block.state_dict())
    assert not torch.allclose(block(x), plain(x))


@settings(max_examples=40, deadline=None)
@given(
    b=st.integers(1, 3), n=st.integers(1, 9), m=st.integers(1, 9), e=st.integers(1, 4),
    seed=st.integers(0, 99), ties=st.booleans(),
)  # fmt: skip
def test_sorting_reads_what_the_matrix_reads(b, n, m, e, seed, ties):
    """Ties between scores, and thresholds that meet a score, change nothing."""
    alpha, beta, v = tensors(seed, (b, n), (b, m), (b, m, e))
    if ties:
        alpha, beta = alpha.round(), beta.round()
    inputs = [t.requires_grad_() for t in (alpha, beta, v)]
    slow = concatenation_weights(alpha, beta) @ v
    fast = concatenation_read(alpha, beta, v)
    torch.testing.assert_close(fast, slow)
    if not ties:  # at a kink the two may take different sides
        (direction,) = tensors(1, (b, n, e))
        for one, other in zip(
            torch.autograd.grad(slow, inputs, direction),
            torch.autograd.grad(fast, inputs, direction),
            strict=True,
        ):
            torch.testing.assert_close(one, other)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 12), m=st.integers(1, 12), d=st.integers(1, 6), seed=st.integers(0, 99))
def test_either_order_is_the_same_product(n, m, d, seed):
    q, k, v = tensors(seed, (2, n, d), (2, m, d), (2, m, d))
    torch.testing.assert_close(dot_product_read(q, k, v), dot_product_weights(q, k) @ v)
    torch.testing.assert_close(softmax_read(q, k, v, 0.5), softmax_weights(q, k, 0.5) @ v)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 14), c=st.integers(1, 5), d=st.integers(1, 5), block=st.integers(1, 16),
    scale=st.sampled_from((1.0, 0.3)), seed=st.integers(0, 99),
)  # fmt: skip
def test_each_pair_once_is_the_same_reading(n, c, d, block, scale, seed):
    x, v, direction = tensors(seed, (2, n, c), (2, n, d), (2, n, d))
    inputs = x.requires_grad_(), v.requires_grad_()
    slow = softmax_weights(x, x, scale) @ v
    fast = symmetric_read(x, v, scale, block)
    torch.testing.assert_close(fast, slow)
    for one, other in zip(
        torch.autograd.grad(slow, inputs, direction),
        torch.autograd.grad(fast, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_each_pair_once_has_the_gradients_of_finite_differences():
    x, v = tensors(3, (2, 7, 3), (2, 7, 2))
    read = lambda x, v: symmetric_read(x, v, 0.7, 3)  # noqa: E731
    assert torch.autograd.gradcheck(read, (x.requires_grad_(), v.requires_grad_()))


@pytest.mark.parametrize("spread", [1e-3, 1.0, 30.0])
def test_each_pair_once_stands_any_logits(spread):
    """In float32 with blocks of the usual size: flat maps, and maps of almost one weight a row."""
    x, v = (t.float() for t in tensors(0, (1, 600, 8), (1, 600, 4)))
    x = (spread * x).requires_grad_()
    fast, slow = symmetric_read(x, v), softmax_weights(x, x) @ v
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    one, other = (torch.autograd.grad(y.sum(), x)[0] for y in (fast, slow))
    torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-3 * float(other.abs().max() + 1))


def test_pairs_are_counted_once():
    """A block with itself in full, two blocks in one order only."""
    for n, block in ((1, 4), (4, 4), (5, 4), (11, 4), (600, 256)):
        sizes = [min(block, n - start) for start in range(0, n, block)]
        once = sum(a * b for i, a in enumerate(sizes) for b in sizes[i:])
        assert multiplied_pairs(n, block) == once
    assert multiplied_pairs(2304) < 0.56 * 2304**2


@pytest.mark.parametrize(
    ("options", "dtype", "once"),
    [
        ({"mode": "gaussian"}, torch.float32, True),
        ({"mode": "gaussian", "scale": True}, torch.float64, True),
        ({"mode": "gaussian"}, torch.bfloat16, False),
        ({"mode": "gaussian", "subsample": True}, torch.float32, False),
        ({"mode": "embedded_gaussian"}, torch.float32, False),
    ],
)
def test_who_reads_each_pair_once(options, dtype, once, monkeypatch):
    """The plain Gaussian on a processor; not where queries are no keys, nor in half precision."""
    calls = []
    monkeypatch.setattr(
        pairwise, "symmetric_read",
        lambda *a: calls.append(len(a)) or symmetric_read(*a),
    )  # fmt: skip
    block = NonLocal(6, **options).to(dtype)
    x = torch.randn(2, 6, 4, 5, dtype=dtype)
    block(x)
    assert bool(calls) == once
    calls.clear()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    block(x)
    assert not calls, "a compiler gets the fused kernel"


def test_the_plain_gaussian_needs_less_than_its_textbook():
    """Floors of the benchmark: memory exactly, products by count."""
    block = NonLocal(64, mode="gaussian", norm=False)
    x = torch.randn(1, 64, 40, 40, requires_grad=True)
    textbook = lambda: block.f(block.g(x), x)  # noqa: E731
    steps = [
        lambda y=y: torch.autograd.grad(y().sum(), x) for y in (lambda: block(x), textbook)
    ]  # fmt: skip
    assert peak_bytes(steps[0]) < peak_bytes(steps[1]) / 4
    assert count_products(steps[0]) < 0.85 * count_products(steps[1])


def test_the_cheaper_order_depends_on_the_map():
    """More channels than positions: pairs are cheaper, and the closed form says so."""
    few, many = (1, 4, 64), (1, 1024, 4)
    for shape, pairs in ((few, True), (many, False)):
        q = torch.randn(shape)
        held = peak_bytes(lambda q=q: dot_product_read(q, q, q))
        n, d = shape[1:]
        assert held < (n + d) * n * 4 + 4 * q.nbytes
        assert (2 * n * n * d < 2 * n * d * d) == pairs


@pytest.mark.parametrize("layout", ["tokens", "channels first", "chunks of one map"])
def test_the_fused_kernel_is_used_whatever_the_layout(layout):
    """It falls back to the map without a word; only memory tells.  See the chapter."""
    n, d = 1024, 16
    whole = torch.randn(1, 3 * d, n)
    q, k, v = whole.chunk(3, dim=1)
    if layout == "tokens":
        q, k, v = (t.mT.contiguous() for t in (q, k, v))
    elif layout == "channels first":
        q, k, v = (t.contiguous().mT for t in (q, k, v))
    else:
        q, k, v = (t.mT for t in (q, k, v))
    a_map = n * n * 4
    assert peak_bytes(lambda: softmax_read(q, k, v)) < a_map / 4


def test_what_the_fused_kernel_falls_back_on_is_seen_by_the_measurement():
    """The measurement itself can fail: three axes and unequal widths hold the map."""
    n = 1024
    q = torch.randn(1, 1, n, 16)
    wide = torch.randn(1, 1, n, 32)
    for arguments in ((q[0], q[0], q[0]), (q, q, wide)):
        held = peak_bytes(lambda a=arguments: F.scaled_dot_product_attention(*a))
        assert held >= n * n * 4


def test_long_rows_survive_half_precision():
    """Sums of thousands of weights are taken in single precision."""
    q = torch.randn(1, 3000, 4, dtype=torch.float16)
    assert softmax_weights(q, q).dtype == torch.float32
    big = torch.full((1, 3000, 4), 10.0, dtype=torch.float16)
    assert torch.isfinite(dot_product_read(big, big, big)).all()
    ones = torch.ones(1, 3000, dtype=torch.float16)
    read = concatenation_read(ones, ones, ones[:, :, None])
    torch.testing.assert_close(read, torch.full((1, 3000, 1), 2.0))


def test_the_gradient_of_a_logit_is_the_formula_of_the_chapter():
    q, k, v, upstream = tensors(5, (2, 7, 3), (2, 5, 3), (2, 5, 3), (2, 7, 3))
    logits = (q @ k.mT).requires_grad_()
    weights = logits.softmax(dim=2)
    y = weights @ v
    (by_autograd,) = torch.autograd.grad(y, logits, upstream)
    gain = torch.einsum("bie,bije->bij", upstream, v[:, None] - y[:, :, None])
    torch.testing.assert_close(weights * gain, by_autograd)


def test_the_matrix_of_a_concatenation_has_more_than_rank_two():
    alpha, beta = tensors(0, (1, 60), (1, 60))
    assert int(torch.linalg.matrix_rank(alpha[0, :, None] + beta[0])) == 2
    assert int(torch.linalg.matrix_rank(concatenation_weights(alpha, beta)[0])) > 20


def test_published_parameter_counts():
    """C' = C / 2 with all biases: the closed forms 2C² + 4.5C, C² + 3.5C and 2C² + 5.5C."""
    for mode, counts in {
        "embedded_gaussian": (8_480, 526_592, 2_101_760),
        "dot_product": (8_480, 526_592, 2_101_760),
        "gaussian": (4_320, 263_936, 1_052_160),
        "concatenation": (8_544, 527_104, 2_102_784),
    }.items():
        assert tuple(CARD.parameters(c, mode=mode) for c in (64, 512, 1024)) == counts
    assert CARD.parameters(1024, norm=False) == 2_099_712


def test_it_is_a_module_like_any_other():
    net = nn.Sequential(nn.Conv3d(3, 8, 3), NonLocal(8, mode="dot_product"), nn.ReLU())
    assert net(torch.randn(2, 3, 4, 8, 8)).shape == (2, 8, 2, 6, 6)
    assert NonLocal(8, 4, norm=False).extra_repr() == "8, reduction=4, norm=False"
