"""The exercise on STA-LSTM that asks for a derivation: the gradient at a frame gate."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.spatial_temporal.sta_lstm.code import CHAPTER, Draw


def _scored(b: int, t: int, n: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        z = torch.randn(b, t, n, generator=generator, dtype=torch.float64)
        beta = 2 * torch.rand(b, t, generator=generator, dtype=torch.float64) + 0.2
        return {"z": z, "beta": beta, "y": torch.randint(n, (b,), generator=generator)}

    return draw


def _by_autograd(z: Tensor, beta: Tensor, y: Tensor) -> Tensor:
    beta = beta.clone().requires_grad_()
    loss = F.cross_entropy((beta[..., None] * z).mean(dim=1), y, reduction="sum")
    return torch.autograd.grad(loss, beta)[0]


@recipe
def _frame_gradient(
    *,
    mean: bool = True,
    sign: float = 1,
    weighted: bool = True,
    target: bool = True,
    squashed: bool = True,
    by_frame: bool = False,
    added: bool = False,
    shared: bool = False,
    by_batch: bool = False,
    times_beta: bool = False,
) -> Callable[..., Tensor]:
    """The derived formula, with one step changed or left out by each argument."""

    def gradient(z: Tensor, beta: Tensor, y: Tensor) -> Tensor:
        frames = beta[..., None] * z if weighted else z
        o = frames if by_frame else frames.mean(dim=1, keepdim=True)
        if added:
            o = o * z.shape[1]
        if shared:
            o = o / beta.mean(dim=1)[:, None, None]
        error = o.softmax(dim=0 if by_batch else 2) if squashed else o
        if target:
            error = error - F.one_hot(y, z.shape[2]).to(z.dtype)[:, None]
        found = sign * (error * z).sum(dim=2) / (z.shape[1] if mean else 1)
        return beta * found if times_beta else found

    return gradient


FRAME_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="frame_gradient",
    title="Derive what turns a frame up",
    level=3,
    task="Write `frame_gradient(z, beta, y)`: from the scores of the frames, (b, t, n), their "
    "gates, (b, t), and the classes, (b,), to ∂L/∂β, (b, t), where L is the cross-entropy of each "
    "clip, added up over the clips.",
    hints=(
        "First o: the mean over the frames of βₜ zₜ. How does one βₜ move o?",
        "∂o/∂βₜ = zₜ / T, a vector of n numbers. It meets ∂L/∂o by a scalar product.",
        "For cross-entropy ∂L/∂o is softmax(o) minus the one-hot target: "
        "`o.softmax(dim=1) - F.one_hot(y, n)`.",
        "`torch.einsum('bn,btn->bt', error, z) / t`, with `error` in z's type.",
    ),
    explanation="A frame whose scores point away from the error is turned up. The gate of a "
    "frame that is shut gets nothing of it: the ReLU passes no gradient there.",
    reference=_by_autograd,
    alternatives=(_frame_gradient(),),
    cases=(
        Case("plain", _scored(3, 4, 5)),
        Case("one clip, two classes", _scored(1, 6, 2)),
        Case("many frames", _scored(2, 20, 4)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        Misconception(
            "a missing 1/T",
            "o is the mean over T frames, so one gate moves it by zₜ/T.",
            _frame_gradient(mean=False),
        ),
        Misconception(
            "a turned sign",
            "Yours is y minus ŷ, the direction in which the loss falls. The gradient is the other "
            "way.",
            _frame_gradient(sign=-1),
        ),
        Misconception(
            "scores without their gates",
            "You compute ŷ from the plain mean of zₜ. The prediction is made with the gates that "
            "there are.",
            _frame_gradient(weighted=False),
        ),
        Misconception(
            "a missing target",
            "You left out y: the gradient would turn every confident frame down, right or wrong.",
            _frame_gradient(target=False),
        ),
        Misconception(
            "a missing softmax",
            "o holds scores, not probabilities: take `o.softmax(dim=1)` before y is subtracted.",
            _frame_gradient(squashed=False),
        ),
        Misconception(
            "a prediction for each frame",
            "There is one prediction a clip, from the sum over its frames, and one error.",
            _frame_gradient(by_frame=True),
        ),
        Misconception(
            "a prediction from the sum",
            "You compute ŷ from the sum of the βₜ zₜ. In (5) o is their mean: divide by T before "
            "the softmax.",
            _frame_gradient(added=True),
        ),
        Misconception(
            "a prediction from shares",
            "You divide the sum by Σ βₜ, as if the gates were shares. Nothing normalises them: o "
            "is the sum over T.",
            _frame_gradient(shared=True),
        ),
        Misconception(
            "a softmax over the clips",
            "Your ŷ adds up to 1 over the batch. The classes of each clip compete: "
            "`o.softmax(dim=1)`.",
            _frame_gradient(by_batch=True),
        ),
        Misconception(
            "a gradient multiplied by the gate",
            "βₜ zₜ has the derivative zₜ by βₜ: no βₜ is left.",
            _frame_gradient(times_beta=True),
        ),
    ),
)
