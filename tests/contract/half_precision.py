"""Half precision with loud features: what overflows first are logits that nothing keeps small."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn

from tests.contract.specimen import Make, Specimen, opened

#: Features of a few hundred, or quieter ones where the function itself leaves float16, which ends
#: at 65,504: in 256 channels even the quiet make an inner product of 100,000.
LOUD = (300.0, 20.0)
KINDS = (torch.float16, torch.bfloat16)


def awake(module: nn.Module) -> nn.Module:
    """A fresh module whose zero-initialised parameters are opened; the others are as drawn."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.fill_(0.3)
    return module.eval()


def loud_features_stay_finite(specimen: Specimen, make: Make) -> None:
    """Under autocast and in half throughout, by every path, near each other and near float32."""
    for arguments in specimen.arguments:
        arguments = {**arguments, **specimen.loud}
        torch.manual_seed(0)
        single = awake(make(**arguments))
        unit = specimen.x(arguments, *specimen.small, dtype=torch.float32)
        sizes = {loud: float(single(loud * unit).detach().abs().max()) for loud in LOUD}
        for kind in KINDS:
            held = [loud for loud, size in sizes.items() if size <= 1e4 or kind != torch.float16]
            if not held:
                continue  # without a softmax, the function itself leaves what float16 holds
            x = held[0] * unit
            torch.manual_seed(0)
            half = awake(make(**arguments)).to(kind)
            for module, given, casting in (
                (single, x, True), (single, x.to(kind), True), (half, x.to(kind), False),
            ):  # fmt: skip
                with torch.autocast("cpu", dtype=kind) if casting else nullcontext():
                    ys = module(given), module.f(module.g(given), given)
                    ys = *ys, module(given, need_weights=True)[0]
                where = f"{kind}, {given.dtype} in, autocast {'on' if casting else 'off'}"
                for y in ys:
                    assert torch.isfinite(y).all(), f"not finite: {where}"
                    assert given.dtype == torch.float32 or y.dtype == kind, f"{y.dtype}: {where}"
                    _near(y, ys[0], f"paths differ: {where}")


def backward_inside_autocast(specimen: Specimen, make: Make) -> None:
    """``backward()`` before autocast ends gives the gradient that it gives afterwards."""
    for arguments in specimen.arguments:
        module = opened(make(**arguments)).eval()
        slopes = []
        for inside in (True, False):
            x = specimen.x(arguments, *specimen.small, dtype=torch.float32).requires_grad_()
            casting = torch.autocast("cpu", dtype=torch.bfloat16)
            with casting:
                loss = module(x).float().sum()
                if inside:
                    loss.backward()
            if not inside:
                loss.backward()
            slopes.append(x.grad)
        one, other = slopes
        assert torch.isfinite(one).all(), "gradient not finite inside of autocast"
        _near(one, other, "the gradient depends on where autocast ends")


def _near(y, other, why: str) -> None:
    """Within a twentieth of the largest value: one rounded logit moves a softmax by far more."""
    y, other = y.detach().float(), other.detach().float()
    size = float(other.abs().max()) + 1e-3
    off = float((y - other).abs().max()) / size
    assert off < 0.05, f"{why}: off by {off:.2f} of the largest value"


def softmax_weights_stay_single(specimen: Specimen, make: Make) -> None:
    """Weights out of a softmax are float32 in half precision too, and rows add up to one."""
    if "softmax" not in specimen.card.decides:
        return
    arguments = {**specimen.arguments[0], **specimen.loud}
    torch.manual_seed(0)
    module = awake(make(**arguments)).bfloat16()
    x = LOUD[0] * specimen.x(arguments, *specimen.small, dtype=torch.bfloat16)
    weights = module.g(x)
    first = weights[0] if isinstance(weights, tuple) else weights
    assert first.dtype == torch.float32, f"weights in {first.dtype}"
