"""Count, weigh and time a function fairly.

Four measurements, each with its convention stated once, here:

* :func:`count_macs`: multiply-adds.  A matrix product or convolution counts one for every
  multiplication it adds up; a sum or mean over positions counts one for each element read; a
  product of two tensors counts one for each element written; a bilinear reading counts four
  for each element written; a fused LSTM counts the products inside.  Activations, biases,
  normalisation and plain additions are not counted, as is usual in the field.
* :func:`count_products`: multiply-adds of the matrix products and convolutions alone, with those
  of the way back; what a matrix unit has to do at least.
* :func:`peak_bytes`: the largest sum of live tensor storages while the function runs.  It is
  exact and repeatable, because it looks at the tensors and not at the allocator.
* :func:`compare`: time, interleaved so that a busy machine slows every candidate alike, as
  medians of processor time on one thread (CPU) or of device time (GPU), with freed memory kept
  for the next call.
"""

from __future__ import annotations

import ctypes
import statistics
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

_aten = torch.ops.aten
_REDUCTIONS = {_aten.mean, _aten.sum, _aten.linalg_vector_norm, _aten.amax, _aten.max}
#: A bilinear reading weighs four neighbours.
_SAMPLERS = {_aten.grid_sampler_2d, _aten.upsample_bilinear2d}
_PRODUCTS = {_aten.mul, _aten.mul_, _aten.addcmul, _aten.addcmul_}


_Count = Callable[[Any, tuple[Any, ...], dict, Any], int]


class _Counter(TorchDispatchMode):
    """Add up ``of(operator, args, kwargs, output)`` over every operator that runs."""

    def __init__(self, of: _Count) -> None:
        super().__init__()
        self.total, self._of = 0, of

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.total += self._of(func._overloadpacket, args, kwargs or {}, out)
        return out


def operator_products(operator: Any, args: tuple[Any, ...], kwargs: dict, out: Any) -> int:
    """Multiply-adds of a matrix product or a convolution, on the way there or back."""
    if operator is _aten.convolution_backward:
        return _back_through_convolution(args)
    if operator in flop_registry:
        return flop_registry[operator](*args, **kwargs, out_val=out) // 2
    if operator is _aten.mkldnn_rnn_layer:
        return _inside_lstm(args, out[0])
    if operator is _aten.mkldnn_rnn_layer_backward:  # to the inputs and to the weights
        return 2 * _inside_lstm(args, args[_RNN_OUTPUT])
    return 0


def _back_through_convolution(args: tuple[Any, ...]) -> int:
    """The products of the forward pass once more, for the input and for the weights.

    Torch's own formula for the weights does not know of groups: it has too many, by their number.
    """
    gradient, x, weight, _, _, _, _, transposed, _, _, wanted = args
    moved = x if transposed else gradient
    there = x.shape[0] * moved.shape[2:].numel() * weight.numel()
    return there * (wanted[0] + wanted[1])


#: Place of the forward pass's output among the arguments of a fused LSTM's backward pass.
_RNN_OUTPUT = 7


def _inside_lstm(args: tuple[Any, ...], output: Tensor) -> int:
    """Products in one LSTM layer: inputs and states times weights; its output is (t, b, units)."""
    return output[..., 0].numel() * (args[1].numel() + args[2].numel())


def _multiply_adds(operator: Any, args: tuple[Any, ...], kwargs: dict, out: Any) -> int:
    """The same and what else the convention of this module counts."""
    if operator in _REDUCTIONS and isinstance(args[0], Tensor):
        return args[0].numel()
    if operator in _SAMPLERS:
        return 4 * out.numel()
    if operator in _PRODUCTS and all(isinstance(a, Tensor) for a in args[:2]):
        return out.numel()
    gates = 3 * out[0].numel() if operator is _aten.mkldnn_rnn_layer else 0
    return operator_products(operator, args, kwargs, out) + gates


def count_macs(function: Callable[..., object], *inputs: Tensor) -> int:
    """Count the multiply-adds of ``function(*inputs)``; see the module for the convention.

    Fused attention hides its products from every counter, so it is made to run its plain form
    while being counted.
    """
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _Counter(_multiply_adds) as counter:
        function(*inputs)
    return counter.total


class _StorageWatch(TorchDispatchMode):
    """Follow every storage from the operation that makes it to its end.

    A storage that is first met as an operation's argument was there before, and weighs nothing,
    also where an operation gives a view of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[weakref.ref, int] = {}
        self.now = self.peak = 0

    def _forget(self, ref: weakref.ref) -> None:
        self.now -= self.live.pop(ref, 0)

    def watch(self, values: Any, *, given: bool = False) -> None:
        for value in tree_iter(values):
            if isinstance(value, Tensor):
                ref = weakref.ref(value.untyped_storage(), self._forget)
                if ref not in self.live:
                    self.live[ref] = 0 if given else value.untyped_storage().nbytes()
                    self.now += self.live[ref]
        self.peak = max(self.peak, self.now)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict | None = None
    ) -> Any:
        self.watch((args, kwargs or {}), given=True)
        out = func(*args, **(kwargs or {}))
        self.watch(out)
        return out


def count_products(function: Callable[[], object]) -> int:
    """Multiply-adds of the matrix products and convolutions in ``function()``, backward included.

    Fused attention is made to run its plain form while being counted, so that what it computes
    twice to save memory is not counted twice.
    """
    with sdpa_kernel(SDPBackend.MATH), _Counter(operator_products) as counter:
        function()
    return counter.total


def peak_bytes(function: Callable[[], object]) -> int:
    """Largest number of bytes held in tensors that ``function()`` itself made.

    Scratch space inside a single kernel is not seen.  Inputs made before the call do not count.
    """
    with _StorageWatch() as watch:
        result = function()
        watch.watch(result)
    return watch.peak


@dataclass(frozen=True)
class Timing:
    """Medians of one candidate's repeated runs.

    Attributes:
        seconds: median time of one call.
        spread: half the distance between the quartiles, in seconds.
        repeats: how many runs the median is of.
    """

    seconds: float
    spread: float
    repeats: int

    def __truediv__(self, other: Timing) -> float:
        """How many times longer this one takes than ``other``."""
        return self.seconds / other.seconds


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on a single thread, and put the former number back afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compare(
    candidates: Mapping[str, Callable[[], object]],
    *,
    repeats: int = 9,
    warmup: int = 2,
    device: torch.device | str = "cpu",
    keep_freed: bool = True,
) -> dict[str, Timing]:
    """Time the candidates in turns and return each one's median.

    Args:
        candidates: name -> function without arguments.
        repeats: timed samples of each; at least 3.
        warmup: untimed rounds before; at least 1.
        device: where the work happens; on a GPU its own events are the clock.
        keep_freed: keep freed memory for the next call, from now on and for the whole process;
            without, large tensors may get fresh pages from the system each time.

    Raises:
        ValueError: if there is nothing to compare or too few repeats for a median.
    """
    if not candidates:
        raise ValueError("candidates is empty: name at least one function to time")
    if warmup < 1:
        raise ValueError(f"warmup={warmup} would time the first, slow call: use >= 1")
    if repeats < 3:
        raise ValueError(f"repeats={repeats} is too few for a median and its spread: use >= 3")
    if keep_freed:
        _keep_freed_memory()
    clock = _gpu_seconds if torch.device(device).type == "cuda" else _cpu_seconds
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    with one_thread():
        for _ in range(warmup):
            loops = {name: _loops(clock, function) for name, function in candidates.items()}
        for _ in range(repeats):
            for name, function in candidates.items():
                function()  # brings its own data back into the cache that the others used
                samples[name].append(clock(function, loops[name]) / loops[name])
    return {name: _summary(values) for name, values in samples.items()}


@cache
def _keep_freed_memory() -> None:
    """Ask glibc to keep freed buffers for the next call.

    By default it returns large ones to the system at once.  Every call then pays for fresh pages,
    which takes longer than the arithmetic, and now and then it does not: times become bimodal.
    Other systems' allocators are left as they are.
    """
    if sys.platform == "linux":
        trim_threshold, mmap_max = -1, -4
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(mmap_max, 0)
            libc.mallopt(trim_threshold, 2**31 - 1)


# A sample must be long against the clock's tick, which is 16 ms on some systems.
_SHORTEST_SAMPLE = max(1e-3, 5 * time.get_clock_info("thread_time").resolution)


def _loops(clock: Callable[..., float], function: Callable[[], object]) -> int:
    """How many calls one sample needs."""
    loops = 1
    while clock(function, loops) < _SHORTEST_SAMPLE and loops < 10_000:
        loops *= 2
    return loops


def _cpu_seconds(function: Callable[[], object], loops: int) -> float:
    start = time.thread_time()
    for _ in range(loops):
        function()
    return time.thread_time() - start


def _gpu_seconds(function: Callable[[], object], loops: int) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(loops):
        function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000


def _summary(values: list[float]) -> Timing:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Timing(seconds=middle, spread=(high - low) / 2, repeats=len(values))
