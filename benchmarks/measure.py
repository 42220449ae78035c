"""Measure a case: time forward and backward in turns, exact peak of live tensors, slopes.

Beside it stands the least that a step costs any program: its matrix products at the rate of one
large product, or its input, output and gradients moved once at the bandwidth of a copy.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.measure import compare, count_products, peak_bytes
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


def least_work(case: Case, shape: tuple[int, ...]) -> dict[str, int]:
    """What a step has to do at least, counted on the CPU.

    Returns:
        ``products``, the multiply-adds in matrix products and convolutions, of the form that has
        the fewest; ``bytes`` of input, output, their gradients and the parameters, each once.
    """
    forms, x = forms_of(case, shape)
    module = forms["ours"]
    assert isinstance(module, nn.Module)
    with torch.no_grad():
        y = module(x)
    return {
        "products": min(count_products(training_step(form, x)) for form in forms.values()),
        "bytes": 2 * (x.nbytes + y.nbytes) + sum(p.nbytes for p in module.parameters()),
    }


def with_fresh_memory(
    case: Case, shape: tuple[int, ...], *, repeats: int = 7
) -> dict[str, float] | None:
    """Form -> median seconds in a process that gives freed memory back, as Linux's C library does.

    Tensors above 32 MB, the most that its threshold grows to, then get fresh pages each time.
    For smaller ones it depends on what was freed before, and the times of one form come out in
    two sizes: only cases with such large tensors ask for this.  None on other systems.
    """
    if sys.platform != "linux":
        return None
    here = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=here) as process:
        return process.submit(_fresh, case.chapter, case.name, shape, repeats).result()


def _fresh(chapter: str, name: str, shape: tuple[int, ...], repeats: int) -> dict[str, float]:
    from benchmarks.cases import CASES

    case = next(c for c in CASES if (c.chapter, c.name) == (chapter, name))
    forms, x = forms_of(case, shape)
    steps = {form: training_step(made, x) for form, made in forms.items()}
    timed = compare(steps, repeats=repeats, warmup=1, keep_freed=False)
    return {form: timing.seconds for form, timing in timed.items()}


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
    roof: Mapping[str, float],
    repeats: int = 7,
    device: str = "cpu",
    log: Any = None,
    with_compiler: bool = False,
) -> dict[str, Any]:
    """All that is measured of one case, as plain data; ``roof`` is of the same run."""
    sizes = []
    for label, shape in case.sizes.items():
        if log:
            log(f"{case.chapter}: {case.name} at {label}")
        sizes.append(
            {
                "label": label,
                "shape": list(shape),
                "grows": case.grows(shape),
                "forms": measured(case, shape, repeats=repeats, device=device),
                "least": least_work(case, shape),
            }
        )
    slopes = {
        form: round(slope((s["grows"], s["forms"][form]["seconds"]) for s in sizes[-2:]), 2)
        for form in sizes[0]["forms"]
    }
    middle, largest = list(case.sizes)[1], list(case.sizes.values())[-1]
    fresh = None
    if case.fresh_floors and device == "cpu":
        fresh = with_fresh_memory(case, largest, repeats=repeats)
    gain = compiled(case, case.sizes[middle], device=device) if with_compiler else None
    return {
        "chapter": case.chapter,
        "name": case.name,
        "along": case.along,
        "sizes": sizes,
        "roofline": dict(roof),
        "fresh": fresh,
        "compiled": {"label": middle, "gain": round(gain, 2)} if gain else None,
        "slopes": slopes,
        "predicted": dict(case.exponents),
        "floors": {form: list(pair) for form, pair in case.floors.items()},
        "fresh_floors": dict(case.fresh_floors),
        "ceilings": dict(case.ceilings),
    }


def broken(row: dict[str, Any]) -> list[str]:
    """Which floors and ceilings a measured row breaks, in words."""
    largest = row["sizes"][-1]["forms"]
    fresh = row.get("fresh")
    found = []

    def hold(form: str, ratio: float, what: str, least: float | None, most: float | None) -> None:
        if least is not None and ratio < least:
            found.append(f"{form} / ours in {what} is {ratio:.2f}, floor {least}")
        if most is not None and ratio > most:
            found.append(f"{form} / ours in {what} is {ratio:.2f}, at most {most}")

    def ratio(form: str, what: str) -> float:
        return largest[form][what] / largest["ours"][what]

    for form, (time, memory) in row["floors"].items():
        hold(form, ratio(form, "seconds"), "seconds", time, None)
        hold(form, ratio(form, "bytes"), "bytes", memory, None)
    for form, most in row["ceilings"].items():
        hold(form, ratio(form, "seconds"), "seconds", None, most)
    for form, least in row["fresh_floors"].items() if fresh else ():
        hold(form, fresh[form] / fresh["ours"], "seconds with fresh memory", least, None)
    return [f"{row['chapter']}, {row['name']}: {text}" for text in found]
