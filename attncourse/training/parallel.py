"""What several processes under ``accelerate launch`` have to agree on.

With one process everything here does nothing, so that the loop reads the same either way.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_Value = TypeVar("_Value")


def launched() -> bool:
    """Whether a launcher started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is; the main process is 0."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return int(os.environ.get("RANK", "0")) if launched() else 0


def is_main() -> bool:
    """Whether this process is the one that writes files and speaks."""
    return rank() == 0


def from_main(make: Callable[[], _Value]) -> _Value:
    """What ``make()`` returns in the main process, given to all; its error is raised in all.

    Raises:
        Exception: whatever ``make`` raised, in every process.
    """
    if world_size() == 1:
        return make()
    box: list[object] = [None, None]
    if is_main():
        try:
            box[0] = make()
        except Exception as error:
            box[1] = error
    dist.broadcast_object_list(box, src=0)
    if isinstance(box[1], Exception):
        raise box[1]
    return box[0]  # type: ignore[return-value]


def one_after_another(make: Callable[[], _Value]) -> _Value:
    """``make()`` in the first process of each machine, then in its others: for downloads.

    Raises:
        Exception: whatever ``make`` raised.
    """
    from accelerate import PartialState

    if world_size() == 1:
        return make()
    with PartialState().local_main_process_first():
        return make()


def total(*numbers: int) -> list[int]:
    """Each number summed over all processes."""
    if world_size() == 1:
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.int64, device=meeting_place())
    dist.all_reduce(sums)
    return sums.tolist()


def meeting_place() -> torch.device:
    """Where numbers of all processes can be added up: NCCL serves GPUs only, gloo the CPU."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def agree(what: str, value: int, remedy: str) -> None:
    """Make sure that all processes have the same ``value``.

    Raises:
        RuntimeError: if they do not, in every process alike.
    """
    if world_size() == 1:
        return
    low = torch.tensor([value, -value], device=meeting_place())
    dist.all_reduce(low, op=dist.ReduceOp.MIN)
    least, most = int(low[0]), -int(low[1])
    if least != most:
        raise RuntimeError(f"{what} is {least} in one process and {most} in another: {remedy}")


def share(batch: Tensor) -> Tensor:
    """This process's examples of a batch: every ``world_size``-th, the rest to the first ones.

    Raises:
        ValueError: if the batch has too few examples to go round.
    """
    if len(batch) < world_size():
        raise ValueError(
            f"batch_size={len(batch)} leaves a process of {world_size()} without an example: "
            f"use a larger batch or fewer processes"
        )
    return batch[rank() :: world_size()]


def reseed(seed: int, step: int) -> None:
    """Give each process its own randomness at each step, such as its own dropout masks.

    It depends on nothing before the step, so a run can go on with more or fewer processes.
    """
    if world_size() > 1:
        state = np.random.SeedSequence((seed, step, rank())).generate_state(1, np.uint64)[0]
        torch.manual_seed(int(state) >> 1)


@contextmanager
def shared_statistics(model: nn.Module) -> Iterator[None]:
    """Let every batch normalisation see the batch of all processes, as one process would.

    The modules stay what they are; only their ``forward`` is replaced while the context lasts.
    torch's own ``SyncBatchNorm`` does not run on CPUs.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)] if world_size() > 1 else []
    for norm in norms:
        norm.forward = MethodType(_shared_batch_norm, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _shared_batch_norm(norm: _BatchNorm, x: Tensor) -> Tensor:
    """Batch normalisation with mean and variance over all processes' examples."""
    if not (norm.training or norm.running_mean is None):
        return type(norm).forward(norm, x)
    from torch.distributed.nn.functional import all_reduce

    norm._check_input_dim(x)
    shape = [1, -1] + [1] * (x.ndim - 2)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    count = torch.tensor([values.numel() / values.shape[1]], dtype=values.dtype, device=x.device)
    sums = all_reduce(torch.cat([values.sum(axes), count]))
    mean, n = sums[:-1] / sums[-1], sums[-1].detach()
    centred = values - mean.view(shape)
    variance = all_reduce(centred.square().sum(axes)) / n
    if norm.training and norm.running_mean is not None and norm.running_var is not None:
        with torch.no_grad():
            assert norm.num_batches_tracked is not None
            norm.num_batches_tracked.add_(1)
            kept = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
            norm.running_mean.lerp_(mean.detach().to(norm.running_mean.dtype), kept)
            unbiased = (variance * n / (n - 1)).to(norm.running_var.dtype)
            norm.running_var.lerp_(unbiased, kept)
    y = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    return y.to(x.dtype)


@contextmanager
def lost_process_is_named(step: Callable[[], int]) -> Iterator[None]:
    """Turn a backend's message about a broken connection into one that says what to do.

    Args:
        step: tells how many steps were finished.

    Raises:
        RuntimeError: if another process has ended while this one was training.
    """
    try:
        yield
    except RuntimeError as error:
        known = isinstance(error, dist.DistError) or "gloo" in str(error).lower()
        if world_size() == 1 or not known:
            raise
        raise RuntimeError(
            f"process {rank()} of {world_size()} lost another one after step {step()}: the "
            f"launcher's report names it; start the same command again to go on from what is saved"
        ) from error
