"""The least time that work can take on a machine: products at a rate, bytes at a bandwidth.

Three numbers describe the work of a function and three the machine that does it:

========  ==================================  ================================
of        the work                            the machine
========  ==================================  ================================
products  multiply-adds in matrix products    multiply-adds a second
          and convolutions
bytes     read and written by its operators   bytes copied a second
calls     operators that run                  seconds that one call takes
========  ==================================  ================================

:func:`work_of` counts the first three while a function runs, operator by operator.
:func:`speeds_of` measures the others.  :meth:`Work.least_seconds` sets them beside each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from attncourse.measure import compare, operator_products

_aten = torch.ops.aten
_FUSED = _aten._scaled_dot_product_flash_attention_for_cpu
_FUSED_BACKWARD = _aten._scaled_dot_product_flash_attention_for_cpu_backward
#: Operators that only hand memory out.
_EMPTY = {_aten.empty, _aten.empty_like, _aten.empty_strided, _aten.new_empty, _aten.detach}


@dataclass(frozen=True)
class Speeds:
    """What a machine can do.

    Attributes:
        rate: multiply-adds a second, of the fastest kernel for them.
        bandwidth: bytes a second, read and written, in a large copy.
        call: seconds that an operator on a single number takes.
        of_products: the rate of a large matrix product, where another kernel is faster.
    """

    rate: float
    bandwidth: float
    call: float = 0.0
    of_products: float | None = None

    @property
    def balance(self) -> float:
        """Multiply-adds in the time of one byte: the intensity at which both bounds are equal."""
        return self.rate / self.bandwidth


@dataclass(frozen=True)
class Work:
    """What has to be done.

    Attributes:
        products: multiply-adds in matrix products and convolutions.
        bytes: read and written.
        calls: operators that run.
    """

    products: float
    bytes: float
    calls: int = 0

    @property
    def intensity(self) -> float:
        """Multiply-adds for each byte."""
        return self.products / self.bytes

    def least_seconds(self, speeds: Speeds) -> float:
        """The greater of the two times, with nothing for the calls."""
        return max(self.products / speeds.rate, self.bytes / speeds.bandwidth)

    def bound(self, speeds: Speeds) -> str:
        """Which of the two is the greater: ``arithmetic`` or ``memory``."""
        return "arithmetic" if self.intensity > speeds.balance else "memory"


@dataclass(frozen=True)
class Operator:
    """One operator that ran.

    Attributes:
        name: such as ``mm``.
        work: its products and the bytes of its arguments and results, each once.
        seconds: of processor time that it took here, once; other runs differ.
    """

    name: str
    work: Work
    seconds: float = field(default=0.0, compare=False)


class _Watch(TorchDispatchMode):
    """Note every operator that computes or moves something."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Operator] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        started = time.thread_time()
        out = func(*args, **kwargs)
        seconds = time.thread_time() - started
        packet = func._overloadpacket
        if packet in _EMPTY or (_is_view(args, out) and not func._schema.is_mutable):
            return out
        moved = sum(_distinct_bytes(t) for t in tree_iter((args, kwargs, out)) if _is_tensor(t))
        products = _fused(packet, args) or operator_products(packet, args, kwargs, out)
        self.seen.append(Operator(packet.__name__, Work(products, moved, 1), seconds))
        return out


#: Kernels that may have a faster rate than a matrix product has.
_CONVOLUTIONS = ("convolution", "convolution_backward")


def seconds_by_operator(operators: Iterable[Operator], speeds: Speeds) -> float:
    """The least times of all operators, each at the rate of its kind, and the calls, added up."""
    slower = replace(speeds, rate=speeds.of_products or speeds.rate)
    return sum(
        o.work.least_seconds(speeds if o.name in _CONVOLUTIONS else slower) + speeds.call
        for o in operators
    )


def arithmetic_seconds(operators: Iterable[Operator], speeds: Speeds) -> float:
    """The products of all operators, each at the rate of its kind, with nothing for bytes."""
    slower = speeds.of_products or speeds.rate
    return sum(
        o.work.products / (speeds.rate if o.name in _CONVOLUTIONS else slower) for o in operators
    )


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _is_view(args: tuple[Any, ...], out: Any) -> bool:
    """Whether all that came out shares its memory with an argument: nothing was moved."""
    given = {t.untyped_storage().data_ptr() for t in tree_iter(args) if _is_tensor(t)}
    made = [t.untyped_storage().data_ptr() for t in tree_iter(out) if _is_tensor(t)]
    return bool(made) and all(pointer in given for pointer in made)


def _distinct_bytes(tensor: Tensor) -> int:
    """Bytes of the numbers that are there: an expanded axis repeats the same ones."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else min(size, 1)
    return count * tensor.element_size()


def _fused(packet: Any, args: tuple[Any, ...]) -> int:
    """Products inside fused attention on a CPU, which torch's own counter does not know.

    Two forward, and five on the way back, because the scores are computed again.
    """
    if packet not in (_FUSED, _FUSED_BACKWARD):
        return 0
    q, k, v = args[:3] if packet is _FUSED else args[1:4]
    scores = q.shape[:-1].numel() * k.shape[-2]
    if packet is _FUSED:
        return scores * (q.shape[-1] + v.shape[-1])
    return scores * (3 * q.shape[-1] + 2 * v.shape[-1])


def operators_of(function: Callable[[], object]) -> list[Operator]:
    """The operators of ``function()`` in their order, those of a backward pass included.

    Views and empty tensors are left out: they move nothing.  An operator in place reads and
    writes.  What one kernel reads twice counts once.
    """
    with _Watch() as watch:
        function()
    return watch.seen


def work_of(function: Callable[[], object]) -> Work:
    """Products, bytes and calls of all operators of ``function()`` together."""
    seen = operators_of(function)
    return Work(
        sum(o.work.products for o in seen), sum(o.work.bytes for o in seen), len(seen)
    )  # fmt: skip


def roofline(device: str = "cpu") -> dict[str, float]:
    """Copy bandwidth (bytes read and written a second) and rate of a square matrix product.

    Both in float32; what is copied is far larger than the caches, and the matrices are large
    enough to keep the machine busy.
    """
    side, megabytes = (8192, 1024) if device.startswith("cuda") else (1024, 64)
    source = torch.ones(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    a = torch.randn(side, side, device=device)
    timed = compare(
        {"copy": lambda: target.copy_(source), "product": lambda: a @ a}, repeats=5, device=device
    )
    return {
        "bytes_per_second": 2 * source.nbytes / timed["copy"].seconds,
        "multiply_adds_per_second": side**3 / timed["product"].seconds,
    }


def speeds_of() -> Speeds:
    """Measure the speeds of one thread of this machine's processor.

    A 3x3 convolution and a matrix product are different kernels of different libraries, and the
    faster of the two gives the rate.  A call is timed in a chain of products of single numbers,
    forward and backward, as a training step makes it.
    """
    roof = roofline()
    layer, x = nn.Conv2d(256, 256, 3, padding=1), torch.randn(1, 256, 32, 32)
    one = torch.ones(1, requires_grad=True)

    @torch.no_grad()
    def convolve() -> object:
        return layer(x)

    def chain() -> object:
        y = one
        for _ in range(20):
            y = y * one
        return torch.autograd.grad(y, one)

    timed = compare({"convolution": convolve, "chain": chain}, repeats=5)
    products = roof["multiply_adds_per_second"]
    return Speeds(
        rate=max(products, work_of(convolve).products / timed["convolution"].seconds),
        bandwidth=roof["bytes_per_second"],
        call=timed["chain"].seconds / work_of(chain).calls,
        of_products=products,
    )
