"""Exercises on TAM that ask for a function: the kernels, the aggregation, the kernels' gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import adds_up, no_softmax, wrong_axes
from attncourse.temporal.temporal_adaptive import aggregate

CHAPTER = "temporal/temporal_adaptive"
Draw = Callable[[torch.Generator], dict[str, Tensor]]

# 1. The kernels --------------------------------------------------------------------------


def _profiles(
    b: int, c: int, t: int, m: int, dtype: torch.dtype = torch.float32, scale: float = 1.0
) -> Draw:
    """Draws profiles, stretched by ``scale``, and the two layers."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        shapes = {"z": (b, c, t), "first": (m, t), "second": (3, m)}
        drawn = {n: torch.randn(s, generator=generator, dtype=dtype) for n, s in shapes.items()}
        return drawn | {"z": scale * drawn["z"]}

    return draw


def _kernels(z: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return F.linear(F.linear(z, first).relu(), second).softmax(dim=2)


def _logits(z: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return torch.einsum("km,bcm->bck", second, torch.einsum("mt,bct->bcm", first, z).relu())


KERNELS = FunctionExercise(
    chapter=CHAPTER,
    name="kernels",
    title="Make the kernels",
    level=1,
    task="Write `kernels(z, first, second)`: equation (3) without its normalisation, from the "
    "profiles z, (b, c, t), W₁, (m, t), and W₂, (3, m), to Θ, (b, c, 3).",
    hints=(
        "Both layers work along the last axis: W₁ reads a profile over time, W₂ the m hidden "
        "units. Channels do not meet.",
        "`z @ first.T` is (b, c, m): every row of time becomes m numbers. Then comes a ReLU.",
        "The second layer gives three scores for each channel, and a softmax over these three "
        "makes taps of them.",
    ),
    explanation="One pair of layers serves all channels, and each channel gets a kernel of its own "
    "because its profile is its own.",
    reference=_kernels,
    alternatives=(lambda *given: _logits(*given).softmax(dim=-1),),
    cases=(
        Case("plain", _profiles(2, 5, 8, 16)),
        Case("as many channels as frames", _profiles(3, 4, 4, 8)),
        Case("scores that `exp` cannot hold", _profiles(2, 3, 8, 16, scale=40.0)),
        Case("double precision", _profiles(2, 6, 5, 7, dtype=torch.float64)),
    ),
    properties=(adds_up("the taps of every kernel add up to 1", absolute=1e-4),),
    misconceptions=(
        *wrong_axes(
            lambda axis: lambda *given: _logits(*given).softmax(dim=axis),
            2,
            "the taps of a kernel",
            {1: "the channels", 0: "the clips of the batch"},
        ),
        *no_softmax(lambda weigh: lambda *given: weigh(_logits(*given)), 2),
        Misconception(
            "a lost ReLU",
            "Between the two layers stands a ReLU. Without it they are one linear layer.",
            lambda z, first, second: (z @ first.T @ second.T).softmax(dim=2),
        ),
        Misconception(
            "a ReLU after both layers",
            "A ReLU stands between the two layers, and none after the second: a negative score is "
            "a small tap, and must stay apart from zero.",
            lambda *given: _logits(*given).relu().softmax(dim=2),
        ),
        Misconception(
            "one kernel for all channels",
            "You average the profiles over the channels. Each channel's kernel is made of its own "
            "profile.",
            lambda z, first, second: _kernels(
                z.mean(dim=1, keepdim=True).expand_as(z), first, second
            ),
        ),
    ),
)

# 2. The aggregation ----------------------------------------------------------------------


def _clips(
    b: int,
    c: int,
    t: int,
    h: int,
    w: int,
    dtype: torch.dtype = torch.float32,
    *,
    upstream: bool = False,
) -> Draw:
    """Draws a clip, its importance, and its kernels or, if asked to, a gradient of the output."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=dtype)

        drawn = {"x": normal(b, c, t, h, w)}
        if not upstream:
            drawn["kernel"] = normal(b, c, 3).softmax(dim=2)
        drawn["importance"] = normal(b, c, t).sigmoid()
        return drawn | ({"upstream": normal(b, c, t, h, w)} if upstream else {})

    return draw


@recipe
def _changed(
    *,
    backwards: bool = False,
    ring: bool = False,
    repeated: bool = False,
    reflected: bool = False,
    renormalised: bool = False,
    shared: bool = False,
    behind: bool = False,
    ungated: bool = False,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The aggregation by slices, with one step changed by each argument."""

    def apply(x: Tensor, kernel: Tensor, importance: Tensor) -> Tensor:
        gate = importance[..., None, None]
        z = x if behind or ungated else x * gate
        before, after = torch.zeros_like(z[:, :, :1]), torch.zeros_like(z[:, :, :1])
        if ring:
            before, after = z[:, :, -1:], z[:, :, :1]
        if repeated:
            before, after = z[:, :, :1], z[:, :, -1:]
        if reflected:
            before, after = z[:, :, 1:2], z[:, :, -2:-1]
        longer = torch.cat([before, z, after], dim=2)
        taps = kernel.flip(2) if backwards else kernel
        taps = taps.mean(dim=1, keepdim=True) if shared else taps
        y = sum(taps[:, :, k, None, None, None] * longer[:, :, k : k + x.shape[2]]
                for k in range(3))  # fmt: skip
        if renormalised:
            inside = torch.ones_like(importance)
            inside[:, :, 0] = 1 - kernel[:, :, 0]
            inside[:, :, -1] = 1 - kernel[:, :, 2]
            y = y / inside[..., None, None]
        return y * gate if behind else y  # type: ignore[return-value]

    return apply


AGGREGATE = FunctionExercise(
    chapter=CHAPTER,
    name="aggregate",
    title="Apply gates and kernels",
    level=2,
    task="Write `apply(x, kernel, importance)`: equation (4), from the clips x, (b, c, t, h, w), "
    "Θ, (b, c, 3), and V, (b, c, t), to y, of the shape of x.",
    hints=(
        "First weigh the frames: importance needs two more axes, `importance[..., None, None]`. "
        "Then add up three shifted copies of the weighed clip.",
        "`torch.nn.functional.pad(z, (0, 0, 0, 0, 1, 1))` puts a frame of zeros at either end. "
        "Frames k to k + t of it are the copy for tap k.",
        "A tap belongs to a clip and a channel: `kernel[:, :, k, None, None, None]` meets "
        "(b, c, t, h, w).",
    ),
    explanation="Tap 0 takes the frame before, tap 2 the frame after, and each frame brings its "
    "own gate along.",
    reference=aggregate,
    alternatives=(_changed(),),
    cases=(
        Case("plain", _clips(2, 3, 6, 3, 2)),
        Case("one clip", _clips(1, 4, 5, 2, 2)),
        Case("three of everything", _clips(3, 3, 3, 3, 3)),
        Case("two frames", _clips(2, 2, 2, 1, 3)),
        Case("double precision", _clips(2, 2, 7, 2, 3, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "taps that run backwards",
            "Tap 0 belongs to the frame before, t - 1, and tap 2 to the frame after.",
            _changed(backwards=True),
        ),
        Misconception(
            "a clip that is closed to a ring",
            "`torch.roll` brings the last frame before the first one. Outside the clip there are "
            "zeros.",
            _changed(ring=True),
        ),
        Misconception(
            "ends that are repeated",
            "Outside the clip there are zeros, not copies of the first and the last frame.",
            _changed(repeated=True),
        ),
        Misconception(
            "ends that are reflected",
            "Outside the clip there are zeros, not the second frame and the last but one.",
            _changed(reflected=True),
        ),
        Misconception(
            "ends that are renormalised",
            "At the ends you divide by the taps that fall inside. Nothing is divided: these frames "
            "lose what the outer tap would have taken.",
            _changed(renormalised=True),
        ),
        Misconception(
            "one kernel for all channels",
            "You average the kernels over the channels. Each channel has a kernel of its own.",
            _changed(shared=True),
        ),
        Misconception(
            "the gate of the wrong frame",
            "You weigh the frame that takes. V belongs to the frame that is taken: weigh first, "
            "then add up.",
            _changed(behind=True),
        ),
        Misconception(
            "no gates",
            "The kernel is applied to the clip itself. Weigh each frame by its importance first.",
            _changed(ungated=True),
        ),
    ),
)

# 3. The gradient of the kernels ----------------------------------------------------------


@recipe
def _correlated(
    *,
    backwards: bool = False,
    ungated: bool = False,
    behind: bool = False,
    ring: bool = False,
    mean: bool = False,
    summed: bool = False,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The sums over frames and positions, with one step changed by each argument."""

    def gradient(x: Tensor, importance: Tensor, upstream: Tensor) -> Tensor:
        t, gate = x.shape[2], importance[..., None, None]
        z = x if ungated or behind else x * gate
        pull = upstream * gate if behind else upstream
        longer = F.pad(z, (0, 0, 0, 0, 1, 1))
        if ring:
            longer = torch.cat([z[:, :, -1:], z, z[:, :, :1]], dim=2)
        found = torch.stack(
            [(pull * longer[:, :, k : k + t]).sum(dim=(2, 3, 4)) for k in range(3)], dim=2
        )
        found = found.flip(2) if backwards else found
        found = found / upstream[0, 0].numel() if mean else found
        return found.mean(dim=1, keepdim=True).expand_as(found) if summed else found

    return gradient


def _by_windows(x: Tensor, importance: Tensor, upstream: Tensor) -> Tensor:
    z = F.pad(x * importance[..., None, None], (0, 0, 0, 0, 1, 1))
    return torch.einsum("bckhwt,bcthw->bck", z.unfold(2, x.shape[2], 1), upstream)


KERNEL_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="kernel_gradient",
    title="Derive what pulls a tap",
    level=3,
    task="Write `kernel_gradient(x, importance, upstream)`: from upstream = ∂L/∂y, "
    "(b, c, t, h, w), to ∂L/∂Θ, (b, c, 3), for y of equation (4), without autograd.",
    hints=(
        "Θ_k meets every frame and every position of its channel, so that its gradient is one sum "
        "over all of them.",
        "∂y_t/∂Θ_k is the weighed frame that tap k brings to t: V_s x_s with s = t + k - 1, and "
        "zero outside the clip.",
        "Pad the weighed clip by a frame at either end. Tap k then gets the sum of "
        "`upstream * longer[:, :, k:k + t]` over the axes 2, 3 and 4.",
    ),
    explanation="A tap grows where the frame that it brings points the way the output should go: "
    "the correlation over time of what is asked for with what is there.",
    reference=_correlated(),
    alternatives=(_by_windows,),
    cases=(
        Case("plain", _clips(2, 3, 6, 2, 2, torch.float64, upstream=True)),
        Case("one clip", _clips(1, 4, 5, 2, 3, torch.float64, upstream=True)),
        Case("two frames", _clips(2, 2, 2, 1, 3, torch.float64, upstream=True)),
        Case("three of everything", _clips(3, 3, 3, 3, 3, torch.float64, upstream=True)),
    ),
    gradients=(),
    by_hand=True,
    tolerance=Tolerance(relative=1e-6, absolute=1e-7),
    misconceptions=(
        Misconception(
            "taps that run backwards",
            "Tap 0 brings the frame before to t: it is pulled by ∂L/∂y_t times the frame at t - 1.",
            _correlated(backwards=True),
        ),
        Misconception(
            "no gates",
            "What a tap brings is the weighed frame, V_s x_s.",
            _correlated(ungated=True),
        ),
        Misconception(
            "the gate of the wrong frame",
            "You weigh by V_t, the gate of the frame that takes. What a tap brings is V_s x_s, "
            "with the gate of the frame that is taken.",
            _correlated(behind=True),
        ),
        Misconception(
            "a clip that is closed to a ring",
            "Outside the clip there are zeros: at the first frame tap 0 brings nothing, and the "
            "last frame does not stand before it.",
            _correlated(ring=True),
        ),
        Misconception(
            "a mean in place of a sum",
            "Every frame and every position adds its part: a sum, nothing is divided.",
            _correlated(mean=True),
        ),
        Misconception(
            "one gradient for all channels",
            "Each channel has a kernel of its own, and a gradient of its own.",
            _correlated(summed=True),
        ),
    ),
)
