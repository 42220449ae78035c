"""One training loop, on Accelerate: the same call on a CPU, a GPU or many of them."""

from attncourse.training.checkpoint import Checkpoint
from attncourse.training.cost import gpu_hours
from attncourse.training.loop import Budget, Run, accuracy, correct, default_accelerator, fit
from attncourse.training.progress import progress_bar
from attncourse.training.seeds import seed_everything

__all__ = [
    "Budget",
    "Checkpoint",
    "Run",
    "accuracy",
    "correct",
    "default_accelerator",
    "fit",
    "gpu_hours",
    "progress_bar",
    "seed_everything",
]
