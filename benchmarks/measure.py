"""Measure a case: time forward and backward in turns, exact peak of live tensors, slopes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from attncourse.measure import compare, peak_bytes
from benchmarks.case import Case, Form


def training_step(form: Form, x: Tensor) -> Callable[[], Tensor]:
    """A function that runs ``form`` forward and backward to its input."""
    with torch.no_grad():
        direction = torch.randn_like(form(x))

    def step() -> Tensor:
        (gradient,) = torch.autograd.grad(form(x), x, direction)
        return gradient

    return step


def forms_of(
    case: Case, shape: tuple[int, ...], *, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> tuple[dict[str, Form], Tensor]:
    """The package's module and the other forms, with an input that asks for its gradient."""
    torch.manual_seed(0)
    module = case.module(shape).to(device=device, dtype=dtype)
    forms: dict[str, Form] = {"ours": module}
    forms |= {name: make(module, shape) for name, make in case.others.items()}
    x = torch.randn(*shape, device=device, dtype=dtype, requires_grad=True)
    return forms, x


def measured(
    case: Case, shape: tuple[int, ...], *, repeats: int = 7, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Form -> median seconds of a step, their spread, and peak bytes."""
    forms, x = forms_of(case, shape, device=device)
    steps = {name: training_step(form, x) for name, form in forms.items()}
    timed = compare(steps, repeats=repeats, warmup=1, device=device)
    return {
        name: {
            "seconds": timed[name].seconds,
            "spread": timed[name].spread,
            "bytes": peak_bytes(step),
        }
        for name, step in steps.items()
    }


def slope(points: Iterable[tuple[float, float]]) -> float:
    """Least-squares slope of log(cost) over log(size): the exponent of a power law.

    Raises:
        ValueError: if there are fewer than two different sizes.
    """
    logs = [(math.log(size), math.log(cost)) for size, cost in points]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    below = sum((x - mean_x) ** 2 for x, _ in logs)
    if below == 0:
        raise ValueError(f"{len(logs)} points of one size have no slope: measure two sizes")
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / below


def compiled(case: Case, shape: tuple[int, ...], *, device: str = "cpu") -> float | None:
    """How many times faster a training step is under ``torch.compile``; None without a compiler.

    The time of compiling itself is not counted.
    """
    forms, x = forms_of(case, shape, device=device)
    torch._dynamo.reset()
    try:
        fast = training_step(torch.compile(forms["ours"], dynamic=False), x)
        timed = compare({"eager": training_step(forms["ours"], x), "compiled": fast}, device=device)
    except torch._dynamo.exc.TorchDynamoException as error:
        print(f"not compiled here: {str(error).splitlines()[0]}")
        return None
    return timed["eager"] / timed["compiled"]


def row(
    case: Case,
    *,
    repeats: int = 7,
    device: str = "cpu",
    log: Any = None,
    with_compiler: bool = False,
) -> dict[str, Any]:
    """All that is measured of one case, as plain data."""
    sizes = []
    for label, shape in case.sizes.items():
        if log:
            log(f"{case.chapter}: {case.name} at {label}")
        forms = measured(case, shape, repeats=repeats, device=device)
        sizes.append(
            {"label": label, "shape": list(shape), "grows": case.grows(shape), "forms": forms}
        )
    slopes = {
        form: round(slope((s["grows"], s["forms"][form]["seconds"]) for s in sizes[-2:]), 2)
        for form in sizes[0]["forms"]
    }
    middle = list(case.sizes)[1]
    gain = compiled(case, case.sizes[middle], device=device) if with_compiler else None
    return {
        "chapter": case.chapter,
        "name": case.name,
        "sizes": sizes,
        "compiled": {"label": middle, "gain": round(gain, 2)} if gain else None,
        "slopes": slopes,
        "predicted": dict(case.exponents),
        "floors": {form: list(pair) for form, pair in case.floors.items()},
        "ceilings": dict(case.ceilings),
    }


def broken(row: dict[str, Any]) -> list[str]:
    """Which floors and ceilings a measured row breaks, in words."""
    largest = row["sizes"][-1]["forms"]
    ours, found = largest["ours"], []

    def ratio(form: str, what: str) -> float:
        return largest[form][what] / ours[what]

    for form, (time, memory) in row["floors"].items():
        for what, least in (("seconds", time), ("bytes", memory)):
            if least is not None and ratio(form, what) < least:
                found.append(f"{form} / ours in {what} is {ratio(form, what):.2f}, floor {least}")
    for form, most in row["ceilings"].items():
        if ratio(form, "seconds") > most:
            found.append(
                f"{form} / ours in seconds is {ratio(form, 'seconds'):.2f}, at most {most}"
            )
    return [f"{row['chapter']}, {row['name']}: {text}" for text in found]
