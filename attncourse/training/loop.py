"""The training loop of every experiment of the course."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse import threads
from attncourse.layers import whole
from attncourse.training import parallel
from attncourse.training.checkpoint import Checkpoint
from attncourse.training.progress import progress_bar

if TYPE_CHECKING:
    from accelerate import Accelerator


class Batches(Protocol):
    """What the loop needs of a task."""

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """The batch that belongs to ``(seed, step)``."""
        ...


@dataclass(frozen=True)
class Budget:
    """What a run may spend; every variant of an experiment gets the same.

    Attributes:
        steps: optimiser steps.
        batch_size: examples a step, over all processes together.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: decoupled weight decay.
        clip: largest norm of the gradient, or ``None``.
    """

    steps: int
    batch_size: int = 128
    learning_rate: float = 1e-2
    weight_decay: float = 0.0
    clip: float | None = None

    def __post_init__(self) -> None:
        whole(steps=self.steps, batch_size=self.batch_size)
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate={self.learning_rate} must be positive")


@dataclass(frozen=True)
class Run:
    """What came of a run.

    Attributes:
        model: the trained network, in eval mode and in its own precision, on the CPU unless
            asked otherwise.
        losses: training loss of every step, from the first, resumed or not.
        seconds: time spent in this process.
        device: where it ran.
    """

    model: nn.Module
    losses: list[float]
    seconds: float
    device: str


def fit(
    model: nn.Module,
    task: Batches,
    budget: Budget,
    *,
    seed: int = 0,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    checkpoint: Path | str | None = None,
    save_every: int = 100,
    title: str = "training",
    accelerator: Accelerator | None = None,
    stay: bool = False,
) -> Run:
    """Train ``model`` on ``task`` with Adam under a one-cycle schedule.

    Runs where Accelerate puts it: a GPU if there is one, else the CPU, and on many processes
    under ``accelerate launch``.  Many processes share each batch and take the same steps as one
    would; only randomness inside the model, such as dropout, differs.  A network of a million
    parameters or more is multiplied in bfloat16 on a GPU that has it; a smaller one is in float32
    everywhere, because it gains no time and a GPU would then not tell what a processor tells.

    Args:
        model: the network, freshly built; seed before building it.
        task: gives the batch of every ``(seed, step)``.
        budget: steps, batch size, peak learning rate.
        seed: seed of the batches and of any randomness inside the model.
        loss: (outputs, targets) -> scalar, a mean over the examples.
        checkpoint: file to save to and, if it is there, to resume from.
        save_every: steps between two saves.
        title: text of the progress bar.
        accelerator: to override the choice of device.
        stay: leave the trained model on the device where it was trained, as for a large test set.

    Raises:
        ValueError: if the checkpoint is damaged or belongs to another run.
        ValueError: if the batch has fewer examples than there are processes.
        FloatingPointError: if the loss stops being a finite number.
        RuntimeError: if another process ends, or the processes found different checkpoints.
    """
    from accelerate.utils import convert_to_fp32

    threads.settle()
    accelerator = accelerator or default_accelerator()
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=budget.learning_rate, weight_decay=budget.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=budget.learning_rate, total_steps=budget.steps
    )
    own_forward = vars(model).get("forward")
    model, optimizer = accelerator.prepare(model, optimizer)
    bare = accelerator.unwrap_model(model)
    half = _in_bfloat16(bare, accelerator.device)
    store = (
        Checkpoint(Path(checkpoint), _identity(bare, task, budget, seed)) if checkpoint else None
    )
    losses: list[float] = []
    if store and (record := store.load(bare, optimizer, schedule)):
        losses = record["losses"]

    parallel.agree(
        "the step to start from", len(losses),
        "keep the checkpoint in a folder that all machines share",
    )  # fmt: skip

    started = time.perf_counter()
    model.train()
    steps = range(len(losses), budget.steps)
    with parallel.shared_statistics(bare), parallel.lost_process_is_named(lambda: len(losses)):
        for step in progress_bar(steps, title=title, total=budget.steps, start=len(losses)):
            parallel.reseed(seed, step)
            x, y = task.train_batch(seed, step, budget.batch_size)
            part = len(parallel.share(y)) * accelerator.num_processes / len(y)  # 1 if even
            x, y = (parallel.share(t).to(accelerator.device) for t in (x, y))
            optimizer.zero_grad()
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=half):
                outputs = model(x)
            value = loss(convert_to_fp32(outputs) if half else outputs, y) * part
            accelerator.backward(value)
            if budget.clip is not None:
                accelerator.clip_grad_norm_(model.parameters(), budget.clip)
            optimizer.step()
            schedule.step()
            losses.append(float(accelerator.reduce(value.detach(), "mean")))
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(
                    f"the loss became {losses[-1]} at step {step}: lower learning_rate="
                    f"{budget.learning_rate}, or look for NaN in the inputs"
                )
            if store and ((step + 1) % save_every == 0 or step + 1 == budget.steps):
                accelerator.wait_for_everyone()
                if accelerator.is_main_process:
                    store.save(bare, optimizer, schedule, {"losses": losses})
    seconds = time.perf_counter() - started
    _out_of_mixed_precision(bare, accelerator, own_forward)
    bare = bare.eval() if stay else bare.eval().cpu()
    return Run(bare, losses, seconds, device_name(accelerator.device))


def _out_of_mixed_precision(
    model: nn.Module, accelerator: Accelerator, own_forward: Callable[..., Tensor] | None
) -> None:
    """Undo what ``prepare`` did to ``forward``: a trained model computes in its own precision."""
    accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    vars(model).pop("forward", None)
    if own_forward is not None:
        vars(model)["forward"] = own_forward


#: Networks from this size on are multiplied in bfloat16 on a GPU.
_LARGE = 1_000_000


def _in_bfloat16(model: nn.Module, device: torch.device) -> bool:
    large = sum(p.numel() for p in model.parameters()) >= _LARGE
    return large and device.type == "cuda" and torch.cuda.is_bf16_supported()


def default_accelerator() -> Accelerator:
    """A GPU if there is one, else the CPU."""
    from accelerate import Accelerator, DistributedDataParallelKwargs

    handlers = []
    if parallel.launched():
        # A mechanism may leave a parameter without a gradient in some steps.  Where none does,
        # torch warns once in each process that it looked for such parameters in vain.
        handlers = [DistributedDataParallelKwargs(find_unused_parameters=True)]
    return Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=handlers)


def device_name(device: torch.device) -> str:
    """The GPU's own name, or how many processor threads torch uses; ``2 x`` for two processes."""
    times = f"{parallel.world_size()} x " if parallel.world_size() > 1 else ""
    if device.type == "cuda":
        return times + torch.cuda.get_device_name(device)
    return f"{times}CPU, {torch.get_num_threads()} threads"


@torch.no_grad()
def correct(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 512) -> Tensor:
    """Which answers are right, (n,) of True and False, in eval mode; the mode is put back.

    Under ``accelerate launch`` every process must call it: each answers its part of the
    examples, and all get the whole.
    """
    device = next(model.parameters()).device
    training = model.training
    own = slice(parallel.rank(), None, parallel.world_size())
    right = torch.zeros(len(y), dtype=torch.bool)
    model.eval()
    try:
        right[own] = torch.cat([
            model(inputs.to(device)).argmax(dim=1).cpu() == labels
            for inputs, labels in zip(
                x[own].split(batch_size), y[own].split(batch_size), strict=True
            )
            if len(labels)
        ] or [right[:0]])  # fmt: skip
    finally:
        model.train(training)
    return torch.tensor(parallel.total(*right.tolist()), dtype=torch.bool)


def accuracy(model: nn.Module, x: Tensor, y: Tensor, batch_size: int = 512) -> float:
    """Share of correct answers, from 0 to 1; see :func:`correct`."""
    return int(correct(model, x, y, batch_size).sum()) / len(y)


def _identity(model: nn.Module, task: Batches, budget: Budget, seed: int) -> dict[str, object]:
    return {
        "model": type(getattr(model, "_orig_mod", model)).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "task": repr(task),
        "seed": seed,
        **asdict(budget),
    }
