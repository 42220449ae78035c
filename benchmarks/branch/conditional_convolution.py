"""Mixed kernels: the form that is fastest where it is, against each single form everywhere."""

from __future__ import annotations

from torch import Tensor, nn

from attncourse.branch import ConditionalConvolution, DynamicConvolution
from attncourse.branch.conditional_convolution import in_groups, mix_outputs, one_by_one
from benchmarks.case import Case, Form
from benchmarks.timm_layers import layer

_KERNELS = 4


def by(form: Form) -> object:
    """Routing as ours, and always the same form."""

    def make(module: nn.Module, shape: tuple[int, ...]) -> Form:
        def run(x: Tensor) -> Tensor:
            return form(x, module.g(x), module.weight, module.bias, module.steps)  # type: ignore[call-arg, operator]

        return run

    return make


FORMS = {"in groups": by(in_groups), "one by one": by(one_by_one), "outputs": by(mix_outputs)}

CONDCONV_OF_TIMM = layer("cond_conv2d", "CondConv2d")


def of_timm(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """The layer of timm on the same kernels; it leaves the routing to its block, so ours routes."""
    side, steps = module.kernel_size, module.steps
    made = CONDCONV_OF_TIMM(
        shape[1], module.out_channels, side, stride=steps.stride, padding=steps.padding,
        dilation=steps.dilation, groups=steps.groups, bias=False, num_experts=module.experts,
    ).to(module.weight)  # fmt: skip
    made.weight.data = module.weight.detach().flatten(1).clone()

    def form(x: Tensor) -> Tensor:
        y: Tensor = made(x, module.g(x))  # type: ignore[operator]
        return y

    return form


#: Many channels: the kernels of sixteen images pass eight million weights together.
_WIDE = {f"320 × {s} × {s}": (16, 320, s, s) for s in (3, 7, 10)}
#: Small maps at the end of a network, where a kernel for each image costs more than it saves.
_SMALL = {f"{c} × 2 × 2": (16, c, 2, 2) for c in (64, 128, 256)}
_USUAL = {f"64 × {s} × {s}": (16, 64, s, s) for s in (7, 10, 14)}


def _condconv(shape: tuple[int, ...]) -> ConditionalConvolution:
    return ConditionalConvolution(shape[1], experts=_KERNELS)


CASES = (
    Case(
        chapter="branch/conditional_convolution",
        name="CondConv",
        sizes=_USUAL,
        module=_condconv,
        others={"outputs": FORMS["outputs"], "one by one": FORMS["one by one"]},  # type: ignore[dict-item]
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "outputs": 1.0},
        floors={"outputs": (1.5, 1.1), "one by one": (0.8, None)},
    ),
    Case(
        chapter="branch/conditional_convolution",
        name="CondConv on wide layers",
        sizes=_WIDE,
        module=_condconv,
        others={"outputs": FORMS["outputs"], "in groups": FORMS["in groups"]},  # type: ignore[dict-item]
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        floors={"outputs": (1.1, None), "in groups": (0.9, None)},
        fresh_floors={"in groups": 1.1},
    ),
    Case(
        chapter="branch/conditional_convolution",
        name="CondConv on small maps",
        sizes=_SMALL,
        module=_condconv,
        others={"in groups": FORMS["in groups"], "one by one": FORMS["one by one"]},  # type: ignore[dict-item]
        grows=lambda shape: shape[1],
        along="channels",
        floors={"in groups": (3.0, 50.0), "one by one": (3.0, 50.0)},
    ),
    Case(
        chapter="branch/conditional_convolution",
        name="Dynamic convolution",
        sizes=_USUAL,
        module=lambda shape: DynamicConvolution(shape[1], experts=_KERNELS),
        others={"outputs": FORMS["outputs"], "one by one": FORMS["one by one"]},  # type: ignore[dict-item]
        grows=lambda shape: shape[2] * shape[3],
        along="positions",
        exponents={"ours": 1.0, "outputs": 1.0},
        floors={"outputs": (1.5, 1.1)},
    ),
) + (
    (
        Case(
            chapter="branch/conditional_convolution",
            name="CondConv and timm's",
            sizes=_SMALL,
            module=_condconv,
            others={"timm": of_timm, "one by one": FORMS["one by one"]},  # type: ignore[dict-item]
            grows=lambda shape: shape[1],
            along="channels",
            floors={"timm": (3.0, 50.0)},
        ),
    )
    if CONDCONV_OF_TIMM
    else ()
)
