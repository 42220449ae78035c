"""What the contract suite needs to know of a mechanism beyond its card.

Each mechanism's own test file defines one ``SPECIMEN``, or several ``SPECIMENS``.  The suite finds
it through the card, so a mechanism without one fails.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.attention import Attention, Card
from attncourse.catalog import CARDS

Make = Callable[..., Attention]


#: b, h, w that break what was written for square maps, many images or 7 x 7.
SIZES = ((2, 4, 3), (1, 3, 3), (3, 1, 1), (2, 1, 5), (2, 5, 1), (1, 8, 7))


def images(arguments: Mapping[str, Any], b: int, h: int, w: int) -> tuple[int, ...]:
    """The shape (b, channels, h, w)."""
    return b, arguments["channels"], h, w


def wrong_images(x: Tensor) -> Sequence[tuple[Tensor, str]]:
    """Wrong rank, wrong channels, no positions."""
    return (
        (x[0], "axis"),
        (x[None], "axes"),
        (torch.cat([x, x], dim=1), "channels"),
        (x[..., :0], "positions"),
    )


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """A mechanism under test.

    Attributes:
        card: its identity card.
        arguments: constructor arguments, each set small enough for float64 gradients; the first
            is used where one is enough.
        reference: (module, x) -> y by the slow reference, with the module's own parameters.
        promises: what only this mechanism promises; functions of ``make``.
        mutants: name -> class with one mistake.
        grid: constructor arguments for which the closed forms are counted.
        refused: (constructor arguments, words of the error).
        input_shape: (constructor arguments, sizes) -> shape of x.
        sizes: what ``input_shape`` is tried with, awkward ones among them; b, h, w for images.
        small: the sizes for numerical differentiation.
        wrong: x -> (an input that must be refused, words of the error).
        dynamic: axes of x that may change after compilation and export.
        captured: places in a row of ``sizes`` that a captured graph fixes, such as the number of
            frames where torch unrolls a recurrence.
        unrolled: constructor arguments that are changed for captured graphs, where torch unrolls
            a loop of Python and more rounds of it prove nothing but take seconds.
        half_tolerance: how far half precision may be from float32.
        loud: arguments that give features as many as 256 channels, for half precision.
        starts: (constructor arguments, pattern of a parameter's name -> what its docstring promises
            of its start: a normal spread, a uniform bound, or a constant).
        smallest: constructor arguments that are just allowed.
        excused: check -> why this mechanism does not promise it.  The mechanism must indeed fail
            an excused check, so that no excuse outlives its reason.
    """

    card: Card
    arguments: Sequence[Mapping[str, Any]]
    reference: Callable[[Any, Tensor], Tensor]
    promises: Sequence[Callable[[Make], None]]
    mutants: Mapping[str, Make]
    grid: Sequence[Mapping[str, Any]]
    refused: Sequence[tuple[Mapping[str, Any], str]]
    input_shape: Callable[..., tuple[int, ...]] = images
    sizes: Sequence[tuple[int, ...]] = SIZES
    small: tuple[int, ...] = (2, 2, 3)
    wrong: Callable[[Tensor], Sequence[tuple[Tensor, str]]] = wrong_images
    dynamic: tuple[int, ...] = (0, 2, 3)
    captured: tuple[int, ...] = ()
    unrolled: Mapping[str, Any] = field(default_factory=dict)
    half_tolerance: float = 0.1
    loud: Mapping[str, Any] = field(default_factory=lambda: {"channels": 256})
    starts: Sequence[tuple[Mapping[str, Any], Mapping[str, tuple[str, Any]]]] = ()
    smallest: Sequence[Mapping[str, Any]] = ()
    excused: Mapping[str, str] = field(default_factory=dict)

    def x(self, arguments: Mapping[str, Any], *sizes: int, **like: Any) -> Tensor:
        """A random input that suits a module built with ``arguments``; the first sizes if none."""
        shape = self.input_shape(arguments, *(sizes or self.sizes[0]))
        generator = torch.Generator().manual_seed(sum(shape))
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(**like)


def of_torch(fan_in: int) -> tuple[str, float]:
    """PyTorch's default for linear layers, convolutions and their biases: +-1 / sqrt(fan_in)."""
    return "uniform", fan_in**-0.5


def specimens() -> list[Specimen]:
    """The specimen of every card.

    It stands in the test file of the card's name, or of its chapter's.
    """
    found = []
    for card in CARDS:
        folder = Path(__file__).parents[1] / card.category
        own = (folder / f"test_{card.stem}.py").exists()
        name = card.stem if own else card.within
        module = importlib.import_module(f"tests.{card.category}.test_{name}")
        there = getattr(module, "SPECIMENS", None) or (module.SPECIMEN,)
        found += [specimen for specimen in there if specimen.card is card]
    missing = {card.label for card in CARDS} - {specimen.card.label for specimen in found}
    if missing:
        raise LookupError(f"no specimen for {', '.join(sorted(missing))}: write one")
    return found


def opened(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with every parameter and running statistic drawn anew, away from zero.

    Zero-initialised gates hide everything behind them: a test on a fresh module of that kind
    cannot fail.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.3 * drawn.sign() + 0.4 * drawn)
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                drawn = torch.rand(buffer.shape, generator=generator, dtype=torch.float64)
                buffer.copy_(drawn + 0.5)
    return module


def built(make: Make, arguments: Mapping[str, Any], **options: Any) -> Attention:
    """A module in float64 with opened gates, in eval mode."""
    return opened(make(**arguments, **options).double()).eval()  # type: ignore[return-value]


def close(a: Tensor, b: Tensor, **tolerance: Any) -> None:
    """Both agree to ten decimals, or as ``tolerance`` says."""
    torch.testing.assert_close(a, b, **({"atol": 1e-10, "rtol": 1e-10} | tolerance))


def outcomes_agree(
    forms: Sequence[Callable[[Tensor], Tensor]],
    x: Tensor,
    parameters: Sequence[Tensor],
    upstream: Tensor,
) -> None:
    """All forms give the values and gradients of the first, in x and ``parameters``, to 1e-10."""

    def outcome(form: Callable[[Tensor], Tensor]) -> list[Tensor]:
        leaf = x.clone().requires_grad_()
        y = form(leaf)
        return [y.detach(), *torch.autograd.grad(y, [leaf, *parameters], upstream)]

    first, *others = map(outcome, forms)
    for other in others:
        for one, two in zip(first, other, strict=True):
            torch.testing.assert_close(one, two, atol=1e-10, rtol=1e-10)
