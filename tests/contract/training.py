"""How a module starts, and what it does in training mode."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.contract.specimen import Make, Specimen, opened

TOLERANCE = {"atol": 1e-10, "rtol": 1e-10}


def batch_statistics_are_the_batch_s(specimen: Specimen, make: Make) -> None:
    """In training mode the output is the reference's with the statistics of this batch.

    Every normalisation is watched: what it gets has the statistics that its buffers move towards,
    by its momentum and with the unbiased variance.  The reference then gets the biased ones.
    """
    for arguments in specimen.arguments:
        module = opened(make(**arguments).double()).train()
        twin = opened(make(**arguments).double()).eval()
        norms = {n: m for n, m in module.named_modules() if isinstance(m, _BatchNorm)}
        old = {n: (m.running_mean.clone(), m.running_var.clone()) for n, m in norms.items()}
        seen: dict[str, torch.Tensor] = {}
        for name, norm in norms.items():
            norm.register_forward_pre_hook(partial(_keep, seen, name))
        x = specimen.x(arguments, *specimen.sizes[0])
        y = module(x)
        assert set(seen) == set(norms), f"{set(norms) - set(seen)} are not called"
        for name, norm in norms.items():
            values = seen[name].movedim(1, 0).flatten(1)
            mean, variance = values.mean(dim=1), values.var(dim=1)
            torch.testing.assert_close(norm.running_mean, 0.9 * old[name][0] + 0.1 * mean)
            torch.testing.assert_close(norm.running_var, 0.9 * old[name][1] + 0.1 * variance)
            counterpart = twin.get_submodule(name)
            counterpart.running_mean.copy_(mean)
            counterpart.running_var.copy_(values.var(dim=1, correction=0))
        torch.testing.assert_close(y, specimen.reference(twin, x), **TOLERANCE)


def _keep(seen: dict, name: str, _: nn.Module, inputs: tuple) -> None:
    seen[name] = inputs[0].detach()


def starts_as_promised(specimen: Specimen, make: Make) -> None:
    """Every parameter starts with the spread, the bound or the value that the specimen states."""
    assert specimen.starts, "say how the parameters start"
    torch.manual_seed(5)
    for arguments, promised in specimen.starts:
        assert_starts(make(**arguments), promised)


def assert_starts(module: nn.Module, promised: Mapping[str, tuple[str, Any]]) -> None:
    """Each parameter keeps the one promise whose pattern is its name's."""
    for name, parameter in module.named_parameters():
        found = [start for pattern, start in promised.items() if fnmatchcase(name, pattern)]
        assert len(found) == 1, f"{name} has {len(found)} promises"
        kind, value = found[0]
        _STARTS[kind](name, parameter.detach(), value)


def _normal(name: str, p: torch.Tensor, spread: float) -> None:
    assert p.numel() >= 500, f"{name} is too small to tell"
    assert abs(float(p.std()) / spread - 1) < 0.15, f"{name}: spread {float(p.std()):.4g}"
    assert float(p.abs().max()) > 2.2 * spread, f"{name} is not normal: it ends at 2.2 spreads"
    assert abs(float(p.mean())) < 0.2 * spread, f"{name} is not centred"


def _uniform(name: str, p: torch.Tensor, bound: float) -> None:
    largest = float(p.abs().max())
    assert largest <= bound * (1 + 1e-6), f"{name} passes {bound:.4g}: {largest:.4g}"
    least = 1 - 8 / p.numel() if p.numel() > 16 else 0.2
    assert largest > least * bound, f"{name} stays within {largest:.4g} of {bound:.4g}"


def _constant(name: str, p: torch.Tensor, value: float | tuple[float, ...]) -> None:
    wanted = torch.as_tensor(value, dtype=p.dtype).expand_as(p)
    assert torch.equal(p, wanted), f"{name} does not start at {value}"


_STARTS = {"normal": _normal, "uniform": _uniform, "constant": _constant}


def smallest_arguments_are_allowed(specimen: Specimen, make: Make) -> None:
    """What is just allowed works: each smallest size, on one image, with one value an axis."""
    assert specimen.smallest, "say what is just allowed"
    for arguments in specimen.smallest:
        module: nn.Module = make(**arguments).eval()
        x = specimen.x(arguments, *(1 for _ in specimen.small), dtype=torch.float32)
        assert torch.isfinite(module(x)).all()
