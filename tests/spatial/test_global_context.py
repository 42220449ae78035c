"""What only the global context block promises, and the mistakes that must be noticed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from attncourse.spatial import GlobalContext, NonLocal
from attncourse.spatial.global_context import (
    CARD,
    Transform,
    global_context_reference,
    parameter_count,
    pooled,
)
from tests.contract.specimen import Specimen, built, close, of_torch, opened

ARGUMENTS = {"channels": 6, "reduction": 2}
FUSIONS = ("add", "multiply", "both")


def example(seed=0, b=2, c=6, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


# ---------------------------------------------------------------- promises


def golden_values(make):
    """The facts' weights and context of x = (0, 1, 2), scored by itself, in two equal channels."""
    module = built(make, {"channels": 2, "reduction": 1})
    with torch.no_grad():
        module.score.weight.copy_(torch.tensor([1.0, 0.0])[None, :, None, None])
    x = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64).expand(1, 2, 1, 3)
    alpha = module.g(x)
    wanted = torch.tensor([[0.090031, 0.244728, 0.665241]], dtype=torch.float64)
    close(alpha, wanted, atol=1e-6)
    close(pooled(alpha, x)[0, 0], torch.tensor(1.575210, dtype=torch.float64), atol=1e-6)


def starts_as_it_says(make):
    """Adding starts as the identity, multiplying as a halving, both together as a halving."""
    x = example()
    for fusion, factor in (("add", 1.0), ("multiply", 0.5), ("both", 0.5)):
        module = make(**ARGUMENTS, fusion=fusion).double()
        assert torch.equal(module(x), factor * x)
        opened(module)
        assert not torch.allclose(module(x), factor * x)
        module.reset_parameters()
        assert torch.equal(module(x), factor * x)


def adds_one_vector(make):
    """What is added, and what multiplies, is the same at every position."""
    x = example()
    difference = built(make, ARGUMENTS)(x) - x
    close(difference, difference[:, :, :1, :1].expand_as(x))
    assert difference.std(dim=1).min() > 0.01
    factor = built(make, ARGUMENTS, fusion="multiply")(x) / x
    close(factor, factor[:, :, :1, :1].expand_as(x))
    assert ((factor > 0) & (factor < 1)).all()


def both_is_multiply_then_add(make):
    """Equation (8): two transforms of one context, and the sum is not multiplied."""
    x, module = example(), built(make, ARGUMENTS, fusion="both")
    c = pooled(module.g(x), x)
    gate, shift = torch.sigmoid(module.multiply(c)), module.add(c)
    close(module(x), gate[:, :, None, None] * x + shift[:, :, None, None])


def one_map_for_all(make):
    """The weights add up to 1; positions shuffled give weights shuffled and the same sum."""
    x, module = example(), built(make, ARGUMENTS)
    alpha = module.g(x)
    close(alpha.sum(dim=1), torch.ones(2, dtype=torch.float64))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    moved = x.flatten(2)[:, :, order].view_as(x)
    close(module.g(moved), alpha[:, order])
    close(module(moved), module(x).flatten(2)[:, :, order].view_as(x))


def scores_of_zero_are_an_average(make):
    """Without w_k every weight is 1 / n, and so it is with pooling by average."""
    x, module = example(), built(make, ARGUMENTS)
    average = make(**ARGUMENTS, pooling="average").double().eval()
    average.load_state_dict({k: v for k, v in module.state_dict().items() if "score" not in k})
    assert (module(x) - average(x)).abs().max() > 1e-3
    nn.init.zeros_(module.score.weight)
    close(module(x), average(x))
    close(average.g(x), torch.full((2, 12), 1 / 12, dtype=torch.float64))


def one_bias_is_dead(make):
    """The bias of the scores changes nothing, and every other parameter learns."""
    x, module = example(), built(make, ARGUMENTS, fusion="both")
    (module(x) * example(5)).sum().backward()
    for name, p in module.named_parameters():
        assert (p.grad.abs().max() > 1e-6) == (name != "score.bias"), name
    before = module(x)
    with torch.no_grad():
        module.score.bias.add_(7)
    close(module(x), before)


def only_the_last_layer_learns_at_first(make):
    """Behind a zero nothing has a gradient but what is multiplied by it."""
    module = make(**ARGUMENTS).double()
    (module(example()) * example(5)).sum().backward()
    moved = {name for name, p in module.named_parameters() if p.grad.abs().max() > 1e-9}
    assert moved == {"add.expand.weight", "add.expand.bias"}


def score_gradient_is_a_covariance(make):
    """dL/dw_k = sum_j alpha_j <x_j - c, dL/dc> x_j, added over images."""
    x, module = example(), built(make, ARGUMENTS)
    c = pooled(module.g(x), x).detach().requires_grad_()
    upstream = example(5)
    (module.add(c) * upstream.sum(dim=(2, 3))).sum().backward()
    (module(x) * upstream).sum().backward()
    positions, alpha = x.flatten(2), module.g(x)
    pull = torch.einsum("bcn,bc->bn", positions - c[:, :, None], c.grad)
    wanted = torch.einsum("bn,bn,bcn->c", alpha, pull, positions)
    close(module.score.weight.grad.flatten(), wanted.detach())


class TheirBlock(nn.Module):
    """The published layout: convolutions on maps of one pixel, products of (b, 1, c, n)."""

    def __init__(self, ours):
        super().__init__()
        c, d = ours.channels, ours.hidden_channels
        self.mask = None if ours.score is None else nn.Conv2d(c, 1, 1).double()
        if self.mask is not None:
            self.mask.load_state_dict(ours.score.state_dict())
        self.parts = nn.ModuleDict()
        for name in ("multiply", "add"):
            source = getattr(ours, name)
            if source is not None:
                made = nn.Sequential(
                    nn.Conv2d(c, d, 1), nn.LayerNorm([d, 1, 1]), nn.ReLU(), nn.Conv2d(d, c, 1)
                ).double()
                for place, layer in ((0, source.reduce), (1, source.norm), (3, source.expand)):
                    for key in ("weight", "bias"):
                        target = getattr(made[place], key)
                        target.data = getattr(layer, key).data.view_as(target).clone()
                self.parts[name] = made

    def forward(self, x):
        b, c, h, w = x.shape
        if self.mask is None:
            context = F.adaptive_avg_pool2d(x, 1)
        else:
            rows = x.view(b, c, h * w).unsqueeze(1)
            mask = self.mask(x).view(b, 1, h * w).softmax(dim=2).unsqueeze(-1)
            context = torch.matmul(rows, mask).view(b, c, 1, 1)
        if "multiply" in self.parts:
            x = x * self.parts["multiply"](context).sigmoid()
        return x + self.parts["add"](context) if "add" in self.parts else x


def equals_the_published_layout(make):
    """Forward and every gradient in float64: attention and average; add, multiply and both."""
    for pooling in ("attention", "average"):
        for fusion in FUSIONS:
            ours = built(make, ARGUMENTS, pooling=pooling, fusion=fusion)
            found = []
            for block in (ours, TheirBlock(ours)):
                x = example(7).requires_grad_()
                z = block(x)
                z.backward(example(8))
                grads = [p.grad.flatten() for p in block.parameters()]
                # by size and length: sums behind a normalisation are zero but for rounding
                grads.sort(key=lambda g: (g.numel(), float(g.norm())))
                found.append([z.detach(), x.grad, *grads])
            assert len(found[0]) == len(found[1]) > 6
            for one, other in zip(*found, strict=True):
                close(one, other)


def is_a_non_local_block_with_one_question(make):
    """Constant queries b give one map, softmax(b^T phi x), and (3) its sum for W_v out W_z g."""
    block = built(NonLocal, {"channels": 6, "reduction": 1, "norm": False})
    x = example()
    with torch.no_grad():
        block.pairwise.theta.weight.zero_()
        b = block.pairwise.theta.bias
        module = built(make, ARGUMENTS)
        module.score.weight.copy_((b @ block.pairwise.phi.weight)[None, :, None, None])
        alpha = module.g(x)
        close(block.g(x), alpha[:, None].expand(-1, 12, -1))
        c = pooled(alpha, x)
        added = block.out(block.value(c))
        close(block(x), x + added[:, :, None, None])


PROMISES = (
    golden_values, starts_as_it_says, adds_one_vector, both_is_multiply_then_add, one_map_for_all,
    scores_of_zero_are_an_average, one_bias_is_dead, only_the_last_layer_learns_at_first,
    score_gradient_is_a_covariance, equals_the_published_layout,
    is_a_non_local_block_with_one_question,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(GlobalContext):
    """The steps of the module, each to be replaced by one with a mistake."""

    def logits(self, x):
        return self.score(x).flatten(1)

    def weigh(self, logits):
        return logits.softmax(dim=1)

    def g(self, x):
        if self.score is None:
            return super().g(x)
        return self.weigh(self.logits(x))


class OverTheBatch(Mutant):
    """A softmax over the images."""

    def weigh(self, logits):
        return logits.softmax(dim=0)


class Sigmoids(Mutant):
    """Independent gates in place of shares of one."""

    def weigh(self, logits):
        return logits.sigmoid()


class Scaled(Mutant):
    """Logits over the root of c, as in a dot product of two vectors."""

    def logits(self, x):
        return super().logits(x) / self.channels**0.5


class OverChannels(Mutant):
    """Positions weighed after each channel was normalised by itself: a softmax over channels."""

    def logits(self, x):
        return self.score(x.softmax(dim=1)).flatten(1)


class Detached(Mutant):
    """Weights that carry no gradient."""

    def weigh(self, logits):
        return super().weigh(logits).detach()


class BiasStays(GlobalContext):
    """Adding, the last weight is zeroed and the last bias is not (known error C40)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.reset_parameters()

    def reset_parameters(self):
        super().reset_parameters()
        if self.add is not None:
            nn.init.uniform_(self.add.expand.bias, -0.3, 0.3)


class DefaultStart(GlobalContext):
    """Nothing is zeroed: the last layer starts from PyTorch's default."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.reset_parameters()

    def reset_parameters(self):
        super().reset_parameters()
        for transform in (self.add, self.multiply):
            if transform is not None:
                transform.expand.reset_parameters()


class Multiplier(GlobalContext):
    """The reduction taken for the published ratio: a bottleneck r times as wide."""

    def __init__(self, channels, reduction=16, **options):
        super().__init__(channels, 1, **options)
        width = channels * reduction
        for name in ("add", "multiply"):
            if getattr(self, name) is not None:
                setattr(self, name, Transform(channels, width))


class NoNorm(GlobalContext):
    """The layer normalisation is left out; its parameters are there."""

    def _fused(self, c, x):
        for transform in (self.add, self.multiply):
            if transform is not None:
                transform.forward = lambda c, t=transform: t.expand(torch.relu(t.reduce(c)))
        return super()._fused(c, x)


class NormAfterReLU(GlobalContext):
    """ReLU first, then the normalisation."""

    def _fused(self, c, x):
        for transform in (self.add, self.multiply):
            if transform is not None:
                transform.forward = lambda c, t=transform: t.expand(t.norm(torch.relu(t.reduce(c))))
        return super()._fused(c, x)


class AddsFirst(GlobalContext):
    """With both fusions the sum is multiplied as well."""

    def _fused(self, c, x):
        if self.add is not None:
            x = x + self.add(c)[:, :, None, None]
        return x if self.multiply is None else x * self.multiply(c).sigmoid()[:, :, None, None]


class OneTransform(GlobalContext):
    """Both fusions from one transform; the other one's weights are not read."""

    def _fused(self, c, x):
        if self.fusion != "both":
            return super()._fused(c, x)
        t = self.add(c)[:, :, None, None]
        return x * t.sigmoid() + t


class NoSigmoid(GlobalContext):
    """Multiplied by the transform as it is."""

    def _fused(self, c, x):
        if self.fusion != "multiply":
            return super()._fused(c, x)
        return x * self.multiply(c)[:, :, None, None]


class NoShortcut(GlobalContext):
    """The context takes the place of the features."""

    def _fused(self, c, x):
        if self.fusion != "add":
            return super()._fused(c, x)
        return self.add(c)[:, :, None, None].expand_as(x)


class Summed(GlobalContext):
    """A sum of the positions in place of their mean, where nothing is weighed."""

    def attend(self, x):
        return self._fused(x.sum(dim=(2, 3)), x) if self.score is None else super().attend(x)


MUTANTS = (
    OverTheBatch, Sigmoids, Scaled, OverChannels, Detached, BiasStays, DefaultStart, Multiplier,
    NoNorm, NormAfterReLU, AddsFirst, OneTransform, NoSigmoid, NoShortcut, Summed,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 5, "reduction": 2, "fusion": "both"},
        {"channels": 4, "reduction": 1, "fusion": "multiply"},
        {"channels": 4, "reduction": 2, "pooling": "average"},
    ),
    reference=lambda m, x: global_context_reference(x, m.score, m.multiply, m.add),
    promises=PROMISES,
    excused={
        "every_parameter_learns": "the bias of the scores adds one number to all logits, which the "
        "softmax takes out: a promise of its own says that all others learn",
    },
    starts=(
        (
            {"channels": 1024, "fusion": "both"},
            {
                "score.weight": ("normal", (2 / 1024) ** 0.5),
                "score.bias": ("constant", 0.0),
                "*.reduce.*": of_torch(1024),
                "*.norm.weight": ("constant", 1.0),
                "*.norm.bias": ("constant", 0.0),
                "*.expand.*": ("constant", 0.0),
            },
        ),
    ),
    smallest=({"channels": 2, "reduction": 1}, {"channels": 2, "reduction": 1, "fusion": "both"}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 33, "reduction": 4, "fusion": "both"},
        {"channels": 16, "reduction": 4, "fusion": "multiply", "pooling": "average"},
        {"channels": 5, "reduction": 2, "pooling": "average"},
    ),
    refused=(
        ({"channels": 1}, "channels=1 must be at least 2"),
        ({"channels": 8}, "choose at most reduction=4"),
        ({"channels": 8, "reduction": 0}, "reduction=0"),
        ({"channels": 64, "pooling": "max"}, "pooling='max' is unknown"),
        ({"channels": 64, "fusion": "concat"}, "fusion='concat' is unknown"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_thirteen_blocks_in_a_resnet_50_have_the_published_number_of_parameters():
    """Blocks at the ends of the branches of the last three stages: 2.52 and 10.00 million."""
    stages = ((4, 512), (6, 1024), (3, 2048))
    for reduction, wanted in ((16, 2_521_741), (4, 10_000_909)):
        assert sum(n * parameter_count(c, reduction) for n, c in stages) == wanted


def test_layer_normalisation_of_two_numbers_gives_signs():
    """With d = 2 hardly more is left of the context than which number is larger."""
    transform = opened(Transform(4, 2).double())
    nn.init.ones_(transform.norm.weight), nn.init.zeros_(transform.norm.bias)
    hidden = transform.norm(transform.reduce(torch.randn(200, 4, dtype=torch.float64)))
    assert (hidden.abs() > 0.99).double().mean() > 0.9
    assert (hidden[:, 0] * hidden[:, 1] < 0).all()
