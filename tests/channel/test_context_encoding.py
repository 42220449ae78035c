"""What only EncNet promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.channel import ContextEncoding, PresenceHead
from attncourse.channel.context_encoding import (
    CARD,
    assign,
    classes_present,
    context_encoding_reference,
    encode,
    encode_gradients,
    presence_loss,
    residual_sums,
    squared_distances,
)
from attncourse.experiments import experiments_of, published
from attncourse.experiments.channel.context_encoding.experiment import LOOK_ALIKE
from attncourse.experiments.channel.context_encoding.nets import look_alike_items, scene_loss
from attncourse.layers import as_affine
from attncourse.tasks import StatisticLadder
from attncourse.tasks.look_alikes import LookAlikes
from tests.channel.test_squeeze_excitation import golden_input
from tests.contract.specimen import Specimen, built, close, of_torch

ARGUMENTS = {"channels": 3, "codewords": 4}


def example(seed=0, b=2, c=3, h=5, w=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, h, w, dtype=torch.float64, generator=generator)


def a_codebook(seed=0, b=2, n=7, k=4, c=3, dtype=torch.float64):
    """Features, codewords and smoothing factors, one of them positive."""
    generator = torch.Generator().manual_seed(seed)

    def randn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    return randn(b, n, c), randn(k, c), torch.linspace(-1.2, 0.3, k, dtype=dtype)


def textbook(u, codewords, smoothing):
    """Equations (2) and (3) with all b x n x k x c residuals."""
    r = u[:, :, None] - codewords
    a = (smoothing * r.square().sum(dim=3)).softmax(dim=2)
    return (a[..., None] * r).sum(dim=1)


# ---------------------------------------------------------------- promises


def _of_two(make, smoothing):
    module = built(make, {"channels": 4, "codewords": 2, "mix": False})
    with torch.no_grad():
        module.words.copy_(torch.tensor([[0.5], [-0.5]]).expand(2, 4))
        module.smoothing.copy_(torch.tensor(smoothing))
    return module


def _sums(module, x):
    """What the module hands to the normalisation of its code."""
    seen = []
    with torch.no_grad():
        handle = module.code_norm.register_forward_pre_hook(lambda m, given: seen.append(given[0]))
        module.code(x)
        handle.remove()
    return seen[0]


def golden_values(make):
    """Sixteen pixels of four numbers, codewords of 0.5 and -0.5 throughout."""
    near = {"atol": 1e-6, "rtol": 0}
    module = _of_two(make, (-0.5, -1.0))
    a = module.assignments(golden_input()).detach()
    close(a[0, 0], torch.tensor([0.963258, 0.036742]).double(), **near)
    close(a[0].sum(dim=0), torch.tensor([9.092429, 6.907571]).double(), **near)
    wanted = torch.tensor([[3.069569, -1.973426, -9.381831, -12.344393],
                           [6.959351, 1.098002, -2.597451, -0.729425]]).double()  # fmt: skip
    close(_sums(module, golden_input())[0], wanted, **near)
    equal = torch.tensor([1.560675, -3.891497, -9.443426, -9.990694]).double()
    close(_sums(_of_two(make, (0.0, 0.0)), golden_input())[0, 0], equal, **near)


def shares_add_up_to_one_and_places_do_not_count(make):
    """Each position belongs to the codewords by shares; permuted pixels have the same code."""
    module, x = built(make, ARGUMENTS), example()
    a = module.assignments(x).detach()
    close(a.sum(dim=2), torch.ones(2, 20).double())
    assert a.min() > 0
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    moved = x.flatten(2)[:, :, order].view_as(x)
    close(module.g(moved), module.g(x))
    close(module.assignments(moved), module.assignments(x)[:, order])


def features_and_codewords_move_together(make):
    """A common offset of both leaves every sum as it was."""
    module = built(make, ARGUMENTS | {"mix": False})
    x, offset = example(), torch.tensor([3.0, -40.0, 500.0]).double()
    wanted = _sums(module, x)
    with torch.no_grad():
        module.words.add_(offset)
    close(_sums(module, x + offset[:, None, None]), wanted, atol=1e-8)
    assert (_sums(module, x) - wanted).abs().max() > 1


def the_order_of_codewords_does_not_count(make):
    """Permute them with all that belongs to them: the rows move along, and the code stays."""
    module, x = built(make, ARGUMENTS), example()
    wanted, rows = module.code(x).detach(), _sums(module, x)
    order = torch.tensor([2, 0, 3, 1])
    norm = module.code_norm
    with torch.no_grad():
        for values in (module.words, module.smoothing, norm.weight, norm.bias,
                       norm.running_mean, norm.running_var):  # fmt: skip
            values.copy_(values[order].clone())
    close(_sums(module, x), rows[:, order])
    close(module.code(x), wanted)


def without_a_preference_only_the_mean_is_left(make):
    """One codeword, or factors of zero: n (mean - d_k), or a share 1 / k of it."""
    for size in (1, 4):
        module, x = built(make, {"channels": 3, "codewords": size, "mix": False}), example()
        with torch.no_grad():
            module.smoothing.mul_(0.0 if size > 1 else 1.0)
        mean = x.mean(dim=(2, 3))[:, None]
        close(_sums(module, x), 20 / size * (mean - module.words.detach()))


def strong_factors_choose_the_nearest(make):
    """All factors equal and far below zero: hard assignments, the sums of VLAD."""
    module, x = built(make, ARGUMENTS | {"mix": False}), example()
    with torch.no_grad():
        module.smoothing.fill_(-1e5)
    u, words = x.flatten(2).mT, module.words.detach()
    nearest = torch.cdist(u, words.expand(2, -1, -1)).argmin(dim=2)
    for n in range(2):
        for k in range(4):
            mine = u[n][nearest[n] == k]
            close(_sums(module, x)[n, k], (mine - words[k]).sum(dim=0), atol=1e-8)


def a_positive_factor_prefers_the_farthest(make):
    """As released, a factor may turn positive; behind ``signed=False`` it cannot."""
    x = example()
    for signed, best in ((True, "argmax"), (False, "argmin")):
        module = built(make, ARGUMENTS | {"mix": False, "signed": signed})
        with torch.no_grad():
            module.smoothing.fill_(50.0)
        away = torch.cdist(x.flatten(2).mT, module.words.detach().expand(2, -1, -1))
        found = module.assignments(x).argmax(dim=2)
        assert torch.equal(found, getattr(away, best)(dim=2))
        assert bool((module.factors() > 0).all()) == signed


def the_code_grows_with_the_image_unless_averaged(make):
    """The same pixels twice: twice the sums, or with ``average`` the same code."""
    x = example()
    twice = torch.cat([x, x], dim=3)
    for average, factor in ((False, 2), (True, 1)):
        module = built(make, ARGUMENTS | {"average": average})
        close(_sums(module, twice), factor * _sums(module, x))
        assert bool((module.g(twice) - module.g(x)).abs().max() > 1e-4) == (not average)


def their_form_adds_x_and_cuts(make):
    """y = relu(x + s x), and with ``residual=False`` y = s x."""
    x = example()
    for residual in (True, False):
        module = built(make, ARGUMENTS | {"residual": residual})
        y, s = module(x, need_weights=True)
        gated = s[:, :, None, None] * x
        close(y, F.relu(x + gated) if residual else gated)


def the_sum_is_k_times_the_mean(make):
    """``total`` is the sum over codewords."""
    codes = [built(make, ARGUMENTS | {"total": t}).code(example()) for t in (True, False)]
    close(codes[0], 4 * codes[1])


PROMISES = (
    golden_values, shares_add_up_to_one_and_places_do_not_count,
    features_and_codewords_move_together, the_order_of_codewords_does_not_count,
    without_a_preference_only_the_mean_is_left, strong_factors_choose_the_nearest,
    a_positive_factor_prefers_the_farthest, the_code_grows_with_the_image_unless_averaged,
    their_form_adds_x_and_cuts, the_sum_is_k_times_the_mean,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(ContextEncoding):
    """A code from other sums or another pooling of them."""

    def sums(self, u):
        return encode(u, self.words.to(u.dtype), self.factors().to(u.dtype))

    def pool(self, parts):
        return parts.sum(dim=1) if self.total else parts.mean(dim=1)

    def code(self, x):
        u = self.features(x)
        sums = self.sums(u) / (u.shape[1] if self.average else 1)
        return self.pool(F.relu(self.code_norm(sums)))


class OverPositions(Mutant):
    """The softmax runs over positions."""

    def sums(self, u):
        away = self.factors() * squared_distances(u, self.words)
        return residual_sums(u, self.words, away.softmax(dim=1))


class WrongSign(Mutant):
    """A minus too many: the paper's sign with the code's factors."""

    def sums(self, u):
        return encode(u, self.words, -self.factors())


class NoRoot(Mutant):
    """Distances in place of squared distances."""

    def sums(self, u):
        away = squared_distances(u, self.words).clamp(min=1e-12).sqrt()
        return residual_sums(u, self.words, (self.factors() * away).softmax(dim=2))


class NoResiduals(Mutant):
    """Features are added up, not what they differ by from the codeword."""

    def sums(self, u):
        a = assign(u, self.words, self.factors())
        return a.mT @ u


class WordsOnce(Mutant):
    """The codeword is taken away once, not once for each share."""

    def sums(self, u):
        a = assign(u, self.words, self.factors())
        return a.mT @ u - self.words


class AlwaysAveraged(Mutant):
    """Divided by the positions in every case."""

    def sums(self, u):
        return super().sums(u) / (1 if self.average else u.shape[1])


class ByItsShare(Mutant):
    """Divided by the sum of the shares, as a mean of the residuals of a codeword."""

    def sums(self, u):
        a = assign(u, self.words, self.factors())
        return super().sums(u) / a.sum(dim=1)[:, :, None]


class OneFactor(Mutant):
    """All codewords share the first smoothing factor."""

    def sums(self, u):
        return encode(u, self.words, self.factors()[:1].expand(self.codewords))


class PooledFirst(Mutant):
    """The ReLU stands behind the mean over codewords."""

    def code(self, x):
        u = self.features(x)
        sums = self.sums(u) / (u.shape[1] if self.average else 1)
        return F.relu(self.pool(self.code_norm(sums)))


class Largest(Mutant):
    """The largest codeword in place of their mean."""

    def pool(self, parts):
        return parts.amax(dim=1)


class TotalForgotten(Mutant):
    """``total`` is accepted and dropped."""

    def pool(self, parts):
        return parts.mean(dim=1)


class Detached(Mutant):
    """Assignments that carry no gradient."""

    def sums(self, u):
        return residual_sums(u, self.words, assign(u, self.words, self.factors()).detach())


class CentreOfGradient(Mutant):
    """The centre is taken from the features alone, so sums move."""

    def sums(self, u):
        return super().sums(u - u.mean(dim=1, keepdim=True))


class WithoutTheRelu(ContextEncoding):
    """The mixing without its ReLU, as one of the copies that circulate has it."""

    def features(self, x):
        u = self.norm(self.mixing(x)) if self.mix else x
        return u.flatten(2).mT


class WithoutTheResidual(ContextEncoding):
    """s x in every case."""

    def f(self, weights, x):
        return weights[:, :, None, None] * x


class GatesTheMixed(ContextEncoding):
    """The gates act on the mixed features."""

    def f(self, weights, x):
        return super().f(weights, self.features(x).mT.unflatten(2, x.shape[2:]))


class SignForgotten(ContextEncoding):
    """``signed=False`` is accepted and dropped."""

    def factors(self):
        return self.smoothing


def of(*mutants):
    """The mutants by their names."""
    return {mutant.__name__: mutant for mutant in mutants}


def reference(m, x):
    """The loops, with the module's own parameters."""
    mixing = (m.mixing.weight, as_affine(m.norm)) if m.mix else None
    factors = m.smoothing if m.signed else -torch.log1p(torch.exp(m.smoothing))
    return context_encoding_reference(
        x, mixing, m.words, factors, as_affine(m.code_norm), (m.expand.weight, m.expand.bias),
        total=m.total, residual=m.residual, average=m.average,
    )  # fmt: skip


SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 2, "codewords": 3, "total": True, "residual": False, "signed": False,
         "average": True},
    ),
    reference=reference,
    promises=PROMISES,
    mutants=of(OverPositions, WrongSign, NoRoot, NoResiduals, WordsOnce, AlwaysAveraged, ByItsShare,
               OneFactor, PooledFirst, Largest, TotalForgotten, Detached, CentreOfGradient,
               WithoutTheRelu, WithoutTheResidual, GatesTheMixed, SignForgotten),
    starts=(
        ({"channels": 48, "codewords": 20}, {
            "mixing.*": of_torch(48), "expand.*": of_torch(48), "words": ("uniform", 960**-0.5),
            "smoothing": ("uniform", 1.0),
            "*norm.weight": ("constant", 1.0), "*norm.bias": ("constant", 0.0),
        }),
    ),
    smallest=({"channels": 1, "codewords": 1},),
    grid=(
        {"channels": 64},
        {"channels": 17, "codewords": 5, "total": True, "residual": False},
        {"channels": 6, "codewords": 3, "mix": False, "average": True, "signed": False},
    ),
    refused=(({"channels": 0}, "channels=0"), ({"channels": 4, "codewords": 0}, "codewords=0")),
)  # fmt: skip

# ---------------------------------------------------------------- the authors' layers


class Theirs(nn.Module):
    """The released layout: a residual for each pixel and codeword, written out."""

    def __init__(self, channels, size):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.codewords = nn.Parameter(torch.empty(size, channels))
        self.scale = nn.Parameter(torch.empty(size))
        self.bn_codes = nn.BatchNorm1d(size)
        self.fc = nn.Linear(channels, channels)
        self.selayer = nn.Linear(channels, 5)

    def forward(self, x):
        b, c, h, w = x.shape
        u = F.relu(self.bn(self.conv(x))).view(b, c, h * w).transpose(1, 2)
        residual = u.unsqueeze(2) - self.codewords.view(1, 1, *self.codewords.shape)
        a = F.softmax(self.scale.view(1, 1, -1) * residual.pow(2).sum(3), dim=2)
        codes = F.relu(self.bn_codes((a.unsqueeze(3) * residual).sum(1)))
        en = codes.mean(1)
        gamma = torch.sigmoid(self.fc(en)).view(b, c, 1, 1)
        return F.relu(x + x * gamma), self.selayer(en)


@pytest.mark.parametrize("training", [True, False])
def test_it_is_the_authors_layer(training):
    """Output, logits of the loss, every gradient and running statistic, in float64."""
    ours = built(ContextEncoding, {"channels": 6, "codewords": 5})
    torch.manual_seed(0)
    head, theirs = PresenceHead(6, 5).double(), Theirs(6, 5).double()
    ours.load_state_dict(ours.state_dict())
    pairs = zip(
        (ours.mixing, ours.norm, ours.code_norm, ours.expand, head.linear),
        (theirs.conv, theirs.bn, theirs.bn_codes, theirs.fc, theirs.selayer), strict=True,
    )  # fmt: skip
    for one, other in pairs:
        other.load_state_dict(one.state_dict())
    with torch.no_grad():
        theirs.codewords.copy_(ours.words), theirs.scale.copy_(ours.smoothing)
    found = []
    for layer in (ours.train(training), theirs.train(training)):
        x = example(seed=3, b=3, c=6, h=7, w=5).requires_grad_()
        if layer is ours:
            code = ours.code(x)
            outputs = ours.f(ours.gates(code), x), head(code)
            parameters = (ours.mixing.weight, ours.words, ours.smoothing, ours.expand.weight)
        else:
            outputs = layer(x)
            parameters = (layer.conv.weight, layer.codewords, layer.scale, layer.fc.weight)
        directions = example(seed=4, b=3, c=6, h=7, w=5), example(seed=5, b=3, c=1, h=1, w=5)
        total = (outputs[0] * directions[0]).sum() + (outputs[1] * directions[1][:, 0, 0]).sum()
        gradients = torch.autograd.grad(total, (x, *parameters))
        found.append([*outputs, *gradients, *layer.buffers()])
    assert len(found[0]) == len(found[1]) == 13
    for one, other in zip(*found, strict=True):
        close(one, other)


def test_the_authors_parameters():
    """512 channels and 32 codewords, and what the loss adds for 150 classes."""
    with torch.device("meta"):
        block, head = ContextEncoding(512), PresenceHead(512, 150)
    assert sum(p.numel() for p in block.parameters()) == CARD.parameters(512) == 542_304
    assert sum(p.numel() for p in head.parameters()) == 76_950


def test_smoothing_starts_between_minus_one_and_zero():
    torch.manual_seed(0)
    drawn = ContextEncoding(4, 2000).smoothing
    assert -1 <= drawn.min() < -0.99
    assert -0.01 < drawn.max() <= 0
    torch.manual_seed(0)
    softened = ContextEncoding(4, 2000, signed=False).factors()
    assert softened.max() < 0


# ---------------------------------------------------------------- the codebook and its gradients


def test_the_expanded_forms_are_the_textbook():
    u, words, tau = a_codebook()
    away = (u[:, :, None] - words).square().sum(dim=3)
    close(squared_distances(u, words), away)
    a = assign(u, words, tau)
    close(a, (tau * away).softmax(dim=2))
    close(encode(u, words, tau), textbook(u, words, tau))
    close(residual_sums(u, words, a), textbook(u, words, tau))


def test_three_gradients_by_hand_are_autograds():
    given = [t.requires_grad_() for t in a_codebook()]
    direction = example(1, b=2, c=1, h=4, w=3)[:, 0]
    for form in (encode, textbook):
        wanted = torch.autograd.grad(form(*given), given, direction)
        for by_hand, other in zip(encode_gradients(*given, direction), wanted, strict=True):
            close(by_hand, other)
    for_u, for_words, _ = encode_gradients(*given, direction)
    close(for_u.sum(dim=(0, 1)), -for_words.sum(dim=0))
    assert torch.autograd.gradgradcheck(encode, given)


def test_a_factor_of_zero_has_a_gradient():
    """The released hand-written backward pass divides by the factor."""
    u, words, _ = a_codebook()
    tau = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(encode(u, words, tau).square().sum(), tau)
    assert torch.isfinite(slope).all()
    assert slope.abs().min() > 1e-6


@pytest.mark.parametrize(("spread", "factor"), [(0.01, -5e3), (1.0, -0.5)])
def test_far_from_zero_no_precision_is_lost(spread, factor):
    """Around 1000, in single precision, against double on the same numbers."""
    u, words, _ = a_codebook(n=40, k=5, c=6)
    u, words = (1000 + spread * u).float(), (1000 + spread * words).float()
    tau = torch.full((5,), factor)
    exact = (u.double()[:, :, None] - words.double()).square().sum(dim=3)
    away = squared_distances(u, words)
    assert ((away - exact).abs() / exact).max() < 1e-5
    raw = (u * u).sum(dim=2, keepdim=True) - 2 * u @ words.mT + (words * words).sum(dim=1)
    assert ((raw - exact).abs() / exact).max() > 0.1, "the plain expansion loses them"
    sums = encode(u, words, tau)
    close(sums.double(), textbook(u.double(), words.double(), tau.double()),
          rtol=1e-4, atol=1e-4 * spread)  # fmt: skip


def test_residuals_are_never_built():
    """No tensor of b x n x k x c numbers, forward or backward."""
    from attncourse.measure import peak_bytes

    block = ContextEncoding(64, 32, mix=False)
    x = torch.randn(2, 64, 16, 16, requires_grad=True)
    residuals = 2 * 256 * 32 * 64 * 4
    assert peak_bytes(lambda: block(x).sum().backward()) < residuals / 4


# ---------------------------------------------------------------- the loss on classes present


def test_classes_that_are_there():
    labels = torch.tensor([[[0, 2], [2, 2]], [[1, 255], [-1, 1]]])
    wanted = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 0]])
    assert torch.equal(classes_present(labels, 4), wanted)
    with pytest.raises(ValueError, match="classes=0"):
        classes_present(labels, 0)


def test_the_loss_is_a_mean_of_binary_entropies():
    labels, logits = torch.tensor([[[0, 2]]]), torch.tensor([[0.3, -1.0, 2.0]])
    p = logits.sigmoid()[0]
    wanted = -(p[0].log() + (1 - p[1]).log() + p[2].log()) / 3
    torch.testing.assert_close(presence_loss(logits, labels), wanted)
    with pytest.raises(ValueError, match="classes=0"):
        PresenceHead(3, 0)
    assert PresenceHead(3, 2)(torch.zeros(5, 3)).shape == (5, 2)


# ---------------------------------------------------------------- the networks of its experiments


def network(name, which="look_alikes"):
    """A new network of an experiment, the same numbers at every call."""
    torch.manual_seed(0)
    found = {e.name: e for e in experiments_of("channel/context_encoding")}
    return found[which].variant(name).build()


@torch.no_grad()
def test_only_what_pools_sees_a_far_pixel():
    """Change one corner: the answer in the other one moves, or does not."""
    x = example(c=1, h=12, w=12)
    other = x.clone()
    other[:, :, :3, :3] += 2
    for variant in LOOK_ALIKE.variants:
        net = network(variant.name).double().eval()
        moved = (net(x) - net(other))[:, :, -1, -1].abs().max()
        assert (float(moved) > 0) == (variant.name not in {"plain", "wide"}), variant.name


@torch.no_grad()
def test_ablations_decide_by_the_mean_alone():
    """Move mixed features apart and keep their mean: gates stay, unless the codebook chooses."""
    x = example(c=16, h=4, w=4).float()
    for name, keeps in (("equal shares", True), ("one codeword", True), ("EncNet", False),
                        ("normed SE", True), ("maximum", False)):  # fmt: skip
        block = network(name).block.eval()
        if hasattr(block, "words"):
            block.words.normal_()
            block.features = lambda t: t.flatten(2).mT
        else:
            block.mixing = nn.Identity()
        flat = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
        assert (float((block.g(x) - block.g(flat)).abs().max()) < 1e-5) == keeps, name


def test_the_loss_is_added_in_training_alone():
    x, y = LookAlikes().train_batch(0, 0, 4)
    net = network("EncNet, loss")
    answer = net(x)
    assert (answer.logits.shape, answer.present.shape) == ((4, 6, 16, 16), (4, 6))
    wanted = F.cross_entropy(answer.logits, y) + 0.2 * presence_loss(answer.present, y)
    torch.testing.assert_close(scene_loss(answer, y), wanted)
    assert net.eval()(x).shape == (4, 6, 16, 16)
    plain = network("plain")(x)
    torch.testing.assert_close(scene_loss(plain, y), F.cross_entropy(plain, y))


def test_the_score_counts_look_alike_pixels_of_each_scene():
    class Coin(nn.Module):
        """Says 0 in rows and 2 in columns, whatever the type."""

        def __init__(self):
            super().__init__()
            self.anything = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return F.one_hot(x[:, 0].long(), 6).movedim(-1, 1) + self.anything

    _, y, kind = LookAlikes(test_size=12).test_cases()
    said = torch.where(y < 4, y - y % 2, 0)[:, None].float()
    close(look_alike_items(Coin(), said, y), 1.0 - kind.double())


def test_the_cue_alone_reaches_the_codebook():
    """Digits move no gate; the shape of the cloud does where shares are unequal."""
    x, _, _ = StatisticLadder("code", test_size=8).test_cases()
    x = x.to(torch.float32)
    for name, sees in (("cue, codebook", True), ("cue, equal shares", False)):
        net = network(name, "which_shape").eval()
        features = net.features(x)
        digits = features.clone()
        digits[:, :6] += 1
        close(net.gate.g(features), net.gate.g(digits))
        gates = net.gate.g(features)
        assert (float((gates - gates[:1]).abs().max().detach()) > 1e-3) == sees, name


def test_recorded_runs_say_what_the_chapter_says():
    recorded = published("channel/context_encoding")
    found = recorded.compare("look_alikes", "EncNet")

    def learned(comparison, name):
        return sum(v >= 0.75 for v in comparison[name].scores.values())

    for name in ("equal shares", "one codeword", "EncNet, loss"):
        assert found[name].gain.verdict == "clearly small"
    counts = {"plain": 0, "wide": 0, "mean beside": 0, "SE": 1, "no norm": 1, "one layer": 1,
              "mixed SE": 2, "no norm, sums": 2, "maximum": 4, "EncNet, loss": 5,
              "normed SE": 4, "normed maximum": 4,
              "EncNet, paper": 4, "equal shares": 5, "one codeword": 5, "EncNet": 5}  # fmt: skip
    assert {name: learned(found, name) for name in counts} == counts
    assert found["no norm"].gain.verdict == "clear"
    asked = recorded.compare("present", "normed SE, 0")
    assert [learned(asked, f"normed SE, {w}") for w in ("0", "0.2", "1")] == [1, 5, 5]
    cue = recorded.compare("which_shape", "cue, codebook")
    for name in ("no gate", "SE", "cue, equal shares"):
        assert cue[name].summary.mean < 0.56
        assert cue[name].gain.verdict == "clear"
    for name in ("cue, codebook", "mixed SE", "EncNet"):
        assert cue[name].summary.mean > 0.95
