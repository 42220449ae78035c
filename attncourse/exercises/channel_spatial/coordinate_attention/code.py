"""Exercises on coordinate attention, triplet attention and SimAM that ask for a function."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.channel_spatial.convolutional_block_attention.code import (
    positions_in_loops,
)
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe

CHAPTER = "channel_spatial/coordinate_attention"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]
Step = Callable[..., Tensor]
EXACT = Tolerance(relative=1e-6, absolute=1e-9)

# 1. The gates of rows and columns ----------------------------------------------------------


def _features(b: int, c: int, d: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {
            "x": randn(b, c, h, w), "w1": randn(d, c), "b1": randn(d), "w2": randn(c, d),
            "b2": randn(c), "w3": randn(c, d), "b3": randn(c),
        }  # fmt: skip

    return draw


def _product(p: Tensor, q: Tensor) -> Tensor:
    return p[..., None] * q[:, :, None]


@recipe
def _lines(
    *,
    pool: str = "mean",
    bend: Step = F.hardswish,
    squash: Step = torch.sigmoid,
    layers: str = "own",
    meet: Callable[[Tensor, Tensor], Tensor] = _product,
    early: bool = False,
    shifted: str = "both",
    times: bool = False,
) -> Function:
    """Equations (1) to (5) without the normalisation; each argument changes one step."""

    def lines(
        x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, w3: Tensor, b3: Tensor
    ) -> Tensor:
        if pool == "max":
            z_rows, z_columns = x.amax(dim=3), x.amax(dim=2)
        elif pool == "sum":
            z_rows, z_columns = x.sum(dim=3), x.sum(dim=2)
        else:
            z_rows, z_columns = x.mean(dim=3), x.mean(dim=2)

        def gate(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            hidden = w1 @ z if shifted in ("last", "none") else w1 @ z + b1[:, None]
            out = weight @ bend(hidden)
            return out if shifted in ("first", "none") else out + bias[:, None]

        given = {"own": (w2, b2, w3, b3), "exchanged": (w3, b3, w2, b2), "one": (w2, b2, w2, b2)}
        first, shift, second, move = given[layers]
        p, q = gate(z_rows, first, shift), gate(z_columns, second, move)
        gates = squash(meet(p, q)) if early else meet(squash(p), squash(q))
        return gates * x if times else gates

    return lines


def _lines_at_once(
    x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, w3: Tensor, b3: Tensor
) -> Tensor:
    z = torch.cat([x.mean(dim=3), x.mean(dim=2)], dim=2)
    t = torch.einsum("dc,bcm->bdm", w1, z) + b1[:, None]
    u = t * F.relu6(t + 3) / 6
    rows, columns = u.split([x.shape[2], x.shape[3]], dim=2)
    p = torch.sigmoid(torch.einsum("cd,bdm->bcm", w2, rows) + b2[:, None])
    q = torch.sigmoid(torch.einsum("cd,bdm->bcm", w3, columns) + b3[:, None])
    return torch.einsum("bci,bcj->bcij", p, q)


def _lines_in_loops(
    x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, w3: Tensor, b3: Tensor
) -> Tensor:
    def gate(line: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        t = w1 @ line.mean(dim=1) + b1
        return 1 / (1 + torch.exp(-(weight @ (t * (t + 3).clamp(0, 6) / 6) + bias)))

    images = []
    for image in x:
        p = torch.stack([gate(image[:, i], w2, b2) for i in range(x.shape[2])], dim=1)
        q = torch.stack([gate(image[:, :, j], w3, b3) for j in range(x.shape[3])], dim=1)
        images.append(p[:, :, None] * q[:, None])
    return torch.stack(images)


LINES = FunctionExercise(
    chapter=CHAPTER,
    name="lines",
    title="Write the gates of rows and columns",
    level=1,
    task="Write `lines(x, w1, b1, w2, b2, w3, b3)`: equations (1) to (4) without the "
    "normalisation, and then p q, the gate of every value, (b, c, h, w), which is not yet "
    "multiplied with x. w1 is (d, c); w2, for rows, and w3, for columns, are (c, d).",
    hints=(
        "`x.mean(dim=3)` has a mean for each row, (b, c, h); `x.mean(dim=2)` one for each column.",
        "`w1 @ z + b1[:, None]` is (b, d, h); `F.hardswish` bends it.",
        "Two sigmoids, then `p[..., None] * q[:, :, None]`.",
    ),
    explanation="h + w numbers a channel make h w gates: a matrix of rank one for each channel.",
    reference=_lines(),
    alternatives=(_lines_at_once, _lines_in_loops),
    cases=(
        Case("plain", _features(2, 4, 3, 3, 5)),
        Case("as many rows as columns", _features(2, 3, 2, 3, 3)),
        Case("one column", _features(1, 3, 2, 4, 1)),
    ),
    tolerance=EXACT,
    misconceptions=(
        Misconception(
            "the axes exchanged",
            "You judge rows by the layer of the columns, and columns by that of the rows. Either "
            "w2 and w3 have changed places, or the axes of the means have: w2 and b2 belong to "
            "rows, and `x.mean(dim=3)` has a mean for each row.",
            _lines(layers="exchanged"),
        ),
        Misconception(
            "one layer for both",
            "You use w2 for rows and columns. Columns have w3 and b3.",
            _lines(layers="one"),
        ),
        Misconception(
            "the largest in place of the mean",
            "You take the largest value of every line; (1) and (2) take means.",
            _lines(pool="max"),
        ),
        Misconception(
            "a sum in place of the mean",
            "You add every line up; (1) and (2) take means.",
            _lines(pool="sum"),
        ),
        Misconception(
            "a ReLU",
            "You bend by a ReLU. (3) has the hard swish, `F.hardswish`.",
            _lines(bend=F.relu),
        ),
        Misconception(
            "a swish",
            "You bend by the swish itself, t σ(t). (3) has the hard one, `F.hardswish`.",
            _lines(bend=F.silu),
        ),
        Misconception(
            "no bend",
            "Between the two layers a bend is missing: `F.hardswish`.",
            _lines(bend=lambda t: t),
        ),
        Misconception(
            "b1 left out",
            "The first layer lacks its bias b1, which is added before the bend.",
            _lines(shifted="last"),
        ),
        Misconception(
            "b2 and b3 left out",
            "The last layers lack their biases: b2 for rows, b3 for columns.",
            _lines(shifted="first"),
        ),
        Misconception(
            "no bias at all",
            "Your layers lack their biases b1, b2 and b3.",
            _lines(shifted="none"),
        ),
        Misconception(
            "times x",
            "This is y of (5). The gates alone are asked for: leave out the product with x.",
            _lines(times=True),
        ),
        Misconception(
            "hard sigmoids",
            "You squash by the hard sigmoid. Hard is the swish of (3) alone; (4) has the sigmoid "
            "itself.",
            _lines(squash=F.hardsigmoid),
        ),
        Misconception(
            "no sigmoids",
            "These are products of logits. Take the sigmoid of each, then the product.",
            _lines(squash=lambda t: t),
        ),
        Misconception(
            "a sigmoid of the product",
            "You multiply the logits and take one sigmoid. Each gate has a sigmoid of its own.",
            _lines(early=True),
        ),
        Misconception(
            "gates added",
            "You add the two gates. (5) multiplies them: both must be open.",
            _lines(meet=lambda p, q: p[..., None] + q[:, :, None]),
        ),
        Misconception(
            "the mean of the gates",
            "You take the mean of the two gates. (5) multiplies them: both must be open.",
            _lines(meet=lambda p, q: (p[..., None] + q[:, :, None]) / 2),
        ),
    ),
)

# 2. The view from the side -----------------------------------------------------------------


def _block(b: int, c: int, k: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "x": torch.randn(b, c, h, w, generator=generator, dtype=torch.float64),
            "kernel": torch.randn(1, 2, k, k, generator=generator, dtype=torch.float64),
        }

    return draw


@recipe
def _side(
    *,
    axis: int = 3,
    flip: bool = False,
    turned: bool = False,
    top: Step | None = None,
    mean: Step | None = None,
    squash: Step = torch.sigmoid,
    crossed: bool = False,
    flipped: bool = False,
) -> Function:
    """Equations (6) and (7) for the second view, without the normalisation."""

    def side(x: Tensor, kernel: Tensor) -> Tensor:
        largest = x.amax(dim=axis) if top is None else top(x)
        average = x.mean(dim=axis) if mean is None else mean(x)
        two = torch.stack([largest, average], dim=1).mT  # (b, 2, h, c)
        two = two.flip(1) if flip else two
        used = kernel.mT if crossed else kernel
        used = used.flip(2, 3) if flipped else used
        pad = kernel.shape[-1] // 2
        if turned:
            return squash(F.conv2d(two.mT, used, padding=pad)[:, 0].mT)
        return squash(F.conv2d(two, used, padding=pad)[:, 0])

    return side


def _side_as_released(x: Tensor, kernel: Tensor) -> Tensor:
    t = x.permute(0, 3, 2, 1)  # (b, w, h, c)
    two = torch.cat([t.max(1)[0].unsqueeze(1), t.mean(1).unsqueeze(1)], dim=1)
    return F.conv2d(two, kernel, padding=kernel.shape[-1] // 2).sigmoid().squeeze(1)


def _side_in_loops(x: Tensor, kernel: Tensor) -> Tensor:
    return positions_in_loops(x.permute(0, 3, 2, 1), kernel)  # columns are pooled as channels are


SIDE = FunctionExercise(
    chapter=CHAPTER,
    name="side",
    title="Write the view from the side",
    level=2,
    task="Write `side(x, kernel)`: the gates m² of triplet attention, equations (6) and (7) "
    "without the normalisation, from (b, c, h, w) to (b, h, c). The kernel is (1, 2, k, k) with "
    "an odd k, first for the largest value; its rows run along the height, its columns along the "
    "channels.",
    hints=(
        "Pool over the columns of the map: `x.amax(dim=3)` and `x.mean(dim=3)` are (b, c, h).",
        "Stack them to (b, 2, c, h), and turn: `.mT` is (b, 2, h, c).",
        "`F.conv2d(two, kernel, padding=k // 2)`, a sigmoid, and drop the axis of length 1.",
    ),
    explanation="A kernel that slides along the channels asks which channels are neighbours.",
    reference=_side(),
    alternatives=(_side_as_released, _side_in_loops),
    cases=(
        Case("plain", _block(2, 3, 3, 4, 5)),
        Case("seven wide", _block(2, 4, 7, 3, 2)),
        Case("a kernel of one", _block(1, 3, 1, 4, 2)),
    ),
    tolerance=EXACT,
    misconceptions=(
        Misconception(
            "the kernel turned",
            "Your kernel's rows run along the channels. In the released layout they run along the "
            "height: turn the stack with `.mT` before you convolve.",
            _side(turned=True),
            also=(_side(crossed=True),),
        ),
        Misconception(
            "the mean first",
            "Your maps stand the other way round: the largest first.",
            _side(flip=True),
        ),
        Misconception(
            "the mean twice",
            "Your gates do not change with the largest value: you take the mean for both.",
            _side(top=lambda x: x.mean(dim=3)),
        ),
        Misconception(
            "the largest twice",
            "Your gates do not change with the mean: you take the largest value for both.",
            _side(mean=lambda x: x.amax(dim=3)),
        ),
        Misconception(
            "a sum in place of the mean",
            "You add the columns up; (6) takes their mean.",
            _side(mean=lambda x: x.sum(dim=3)),
        ),
        Misconception(
            "a hard sigmoid",
            "You squash by the hard sigmoid; (7) has the sigmoid itself.",
            _side(squash=F.hardsigmoid),
        ),
        Misconception(
            "the kernel upside down",
            "You turn the kernel round by half a turn. As everywhere in PyTorch, `F.conv2d` takes "
            "it as it is.",
            _side(flipped=True),
        ),
        Misconception(
            "a ReLU before the sigmoid",
            "None of your gates is below a half: a ReLU before the sigmoid does that, as in a "
            "port of the code. Take the sigmoid of the logit itself.",
            _side(squash=lambda t: torch.sigmoid(F.relu(t))),
        ),
        Misconception(
            "no sigmoid",
            "You return the logits. Gates lie between 0 and 1: take the sigmoid.",
            _side(squash=lambda t: t),
        ),
    ),
)

# 3. SimAM ----------------------------------------------------------------------------------


def _maps(
    b: int,
    c: int,
    h: int,
    w: int,
    ridge: float,
    level: float = 1.0,
    kind: torch.dtype = torch.float64,
) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        x = torch.randn(b, c, h, w, generator=generator, dtype=kind)
        return {"x": 2 * x + level, "ridge": torch.tensor(ridge, dtype=kind)}

    return draw


@recipe
def _simam(
    *,
    axes: tuple[int, ...] = (2, 3),
    fewer: int = 1,
    centred: bool = True,
    four: float = 4.0,
    half: float = 0.5,
    outside: bool = False,
    root: bool = False,
    inverse: bool = False,
    deviation: bool = False,
    ridged: bool = True,
    late: bool = False,
    times: bool = False,
    squash: Step = torch.sigmoid,
) -> Function:
    """The gates of (11); each argument changes one step."""

    def simam_gates(x: Tensor, ridge: Tensor) -> Tensor:
        away = x - x.mean(dim=axes, keepdim=True) if centred else x
        squares = away * away
        count = 1
        for axis in axes:
            count = count * x.shape[axis]
        v = squares.sum(dim=axes, keepdim=True) / (count - fewer)
        v = v.sqrt() if deviation else v
        added = ridge if ridged else 0.0
        below = four * v + added if outside else four * (v + added)
        ratio = (away.abs() / (below / four).sqrt() / four) if root else squares / below
        importance = ratio if late else ratio + half
        gates = squash(1 / importance if inverse else importance)
        gates = gates + half if late else gates
        return gates * x if times else gates

    return simam_gates


def _simam_by_var(x: Tensor, ridge: Tensor) -> Tensor:
    v, mu = torch.var_mean(x, dim=(2, 3), keepdim=True)
    return torch.sigmoid((x - mu).pow(2) / (4 * v + 4 * ridge) + 0.5)


def _simam_in_loops(x: Tensor, ridge: Tensor) -> Tensor:
    gates = []
    for channel in x.flatten(0, 1):
        mu = channel.mean()
        v = ((channel - mu) ** 2).sum() / (channel.numel() - 1)
        least = 4 * (v + ridge) / ((channel - mu) ** 2 + 2 * v + 2 * ridge)
        gates.append(1 / (1 + torch.exp(-1 / least)))
    return torch.stack(gates).view_as(x)


SIMAM = FunctionExercise(
    chapter=CHAPTER,
    name="simam_gates",
    title="Write SimAM's gates",
    level=2,
    task="Write `simam_gates(x, ridge)`: the gates of (11), (b, c, h, w), not yet multiplied with "
    "x. The mean is over all N positions of a channel, and the variance divides by N - 1.",
    hints=(
        "`x.mean(dim=(2, 3), keepdim=True)` is μ; keep the squares of `x - mu`.",
        "v is their sum over (2, 3) divided by h w - 1.",
        "`torch.sigmoid(squares / (4 * (v + ridge)) + 0.5)`.",
    ),
    explanation="A quarter of a squared z-score and a half: no gate is below σ(½) = 0.622.",
    reference=_simam(),
    alternatives=(_simam_by_var, _simam_in_loops),
    cases=(
        Case("plain", _maps(2, 3, 4, 5, 1e-4)),
        Case("a large ridge", _maps(2, 2, 3, 3, 0.5)),
        Case("one row", _maps(1, 3, 1, 6, 0.1)),
        Case("a large mean", _maps(2, 3, 4, 5, 1e-4, level=1000.0, kind=torch.float32)),
    ),
    # Around 1,000 a number in single precision is known to 6e-5 alone.
    tolerance=Tolerance(relative=1e-5, absolute=1e-4),
    misconceptions=(
        Misconception(
            "the variance over N",
            "Your variance divides by N. In the released code it divides by N - 1.",
            _simam(fewer=0),
        ),
        Misconception(
            "no half",
            "The ½ of (11) is missing: your least gate is a half, not 0.622.",
            _simam(half=0.0),
        ),
        Misconception(
            "no four",
            "The 4 of (11) is missing: a quarter of the squared z-score is taken.",
            _simam(four=1.0),
        ),
        Misconception(
            "the ridge outside",
            "You multiply the variance alone by 4. The ridge stands in the brackets with it.",
            _simam(outside=True),
        ),
        Misconception(
            "not squared",
            "You take the distance over the standard deviation. (11) takes the square of both.",
            _simam(root=True),
        ),
        Misconception(
            "the energy returned",
            "You return the energy (10). It is small where a value stands out: take one over it, "
            "and the sigmoid of that.",
            _simam(inverse=True, squash=lambda t: t),
        ),
        Misconception(
            "the standard deviation",
            "You divide by the standard deviation. (11) has the variance v, its square.",
            _simam(deviation=True),
        ),
        Misconception(
            "no ridge",
            "The ridge is left out: it is added to v, and keeps a constant channel from a "
            "division by zero.",
            _simam(ridged=False),
        ),
        Misconception(
            "the half outside",
            "You add the ½ behind the sigmoid, and gates exceed 1. It stands inside.",
            _simam(late=True),
        ),
        Misconception(
            "times x",
            "This is y of (11). The gates alone are asked for: leave out the product with x.",
            _simam(times=True),
        ),
        Misconception(
            "the energy itself",
            "You put the energy (10) into the sigmoid. What stands out has a *small* energy: take "
            "one over it.",
            _simam(inverse=True),
        ),
        Misconception(
            "the distance from zero",
            "You square x itself. Subtract the mean of the channel first.",
            _simam(centred=False),
        ),
        Misconception(
            "mean over all channels",
            "Your mean and variance run over all channels of an image. Each channel has its own.",
            _simam(axes=(1, 2, 3)),
        ),
        Misconception(
            "mean over the batch",
            "Your mean and variance run over the batch. Each image has its own.",
            _simam(axes=(0, 2, 3)),
        ),
        Misconception(
            "no sigmoid",
            "You return one over the energy. A sigmoid makes a gate of it.",
            _simam(squash=lambda t: t),
        ),
    ),
)
