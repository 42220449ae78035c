"""Exercises on CBAM and BAM that ask for a function."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.drawing import alternating
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe

CHAPTER = "channel_spatial/convolutional_block_attention"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]
Step = Callable[..., Tensor]

# 1. The channel gates --------------------------------------------------------------------


def _features(b: int, c: int, d: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        # One hidden unit at least is on: without it mistakes in the layers would not show.
        return {
            "x": randn(b, c, h, w), "w1": randn(d, c), "b1": alternating(randn(d).abs() + 1.0),
            "w2": randn(c, d), "b2": randn(c),
        }  # fmt: skip

    return draw


@recipe
def _gates(
    *,
    mean: Step = lambda x: x.mean(dim=(2, 3)),
    top: Step = lambda x: x.flatten(2).max(dim=2).values,
    meet: str = "logits",
    bend: Step = F.relu,
    squash: Step = torch.sigmoid,
) -> Function:
    """Equation (2); each argument changes one step."""

    def gates(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        def layers(z: Tensor) -> Tensor:
            return F.linear(bend(F.linear(z, w1, b1)), w2, b2)

        m, t = mean(x), top(x)
        if meet == "statistics":
            return squash(layers(m + t))
        if meet == "gates":
            return squash(layers(m)) + squash(layers(t))
        if meet == "one bias":
            return squash(layers(m) + layers(t) - b2)
        if meet == "mean of gates":
            return (squash(layers(m)) + squash(layers(t))) / 2
        if meet == "product of gates":
            return squash(layers(m)) * squash(layers(t))
        if meet == "half":
            return squash((layers(m) + layers(t)) / 2)
        if meet in ("mean alone", "largest alone"):
            return squash(layers(m if meet == "mean alone" else t))
        return squash(layers(m) + layers(t))

    return gates


def _gates_at_once(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    z = torch.cat([x.mean(dim=(2, 3)), x.flatten(2).max(dim=2).values])
    one, two = F.linear(F.relu(F.linear(z, w1, b1)), w2, b2).chunk(2)
    return torch.sigmoid(one + two)


def _gates_in_loops(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    rows = []
    for image in x:
        total = torch.zeros_like(b2)
        for z in (
            torch.stack([channel.mean() for channel in image]),
            torch.stack([channel.max() for channel in image]),
        ):
            total = total + w2 @ (w1 @ z + b1).clamp(min=0) + b2
        rows.append(1 / (1 + torch.exp(-total)))
    return torch.stack(rows)


def _in_the_middle(x: Tensor) -> Tensor:
    return x.flatten(2).median(dim=2).values


GATES = FunctionExercise(
    chapter=CHAPTER,
    name="gates",
    title="Write CBAM's channel gates",
    level=1,
    task="Write `gates(x, w1, b1, w2, b2)`: equation (2), from features (b, c, h, w) to gates "
    "(b, c), which are not yet multiplied with x. w1 is (d, c) and w2 is (c, d).",
    hints=(
        "Two numbers a channel: `x.mean(dim=(2, 3))`, and the largest, `x.flatten(2).max(dim=2)"
        ".values`.",
        "The same two layers for both: `F.linear(F.relu(F.linear(z, w1, b1)), w2, b2)`.",
        "Add the two results, and take the sigmoid of the sum.",
    ),
    explanation="The sum stands before the sigmoid, so that each statistic can outvote the other.",
    reference=_gates(),
    alternatives=(_gates_at_once, _gates_in_loops),
    cases=(
        Case("plain", _features(2, 4, 3, 3, 4)),
        Case("one pixel", _features(2, 3, 2, 1, 1)),
        Case("as many units as channels and images", _features(3, 3, 3, 2, 3)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        Misconception(
            "the mean twice",
            "Your gates do not change with the largest value: you take the mean for both.",
            _gates(top=lambda x: x.mean(dim=(2, 3))),
        ),
        Misconception(
            "the largest twice",
            "Your gates do not change with the mean: you take the largest value for both.",
            _gates(mean=lambda x: x.flatten(2).max(dim=2).values),
        ),
        Misconception(
            "added before the layers",
            "You add mean and largest and pass the layers once. Between the layers is a ReLU, so "
            "that is not the same: pass each through them, then add.",
            _gates(meet="statistics"),
        ),
        Misconception(
            "two sigmoids",
            "Your gates reach up to 2: you add two sigmoids. Add first, and take one sigmoid.",
            _gates(meet="gates"),
        ),
        Misconception(
            "a mean of gates",
            "You take two sigmoids and their mean. Add before the sigmoid, and take one.",
            _gates(meet="mean of gates"),
        ),
        Misconception(
            "two gates multiplied",
            "You multiply a gate of the mean with a gate of the largest. Add their logits, and "
            "take one sigmoid.",
            _gates(meet="product of gates"),
        ),
        Misconception(
            "logits halved",
            "You take the mean of the two logits; (2) takes their sum.",
            _gates(meet="half"),
        ),
        Misconception(
            "the mean alone",
            "You pass the mean alone through the layers, as SE does. The largest passes them too.",
            _gates(meet="mean alone"),
        ),
        Misconception(
            "the largest alone",
            "You pass the largest alone through the layers. The mean passes them too.",
            _gates(meet="largest alone"),
        ),
        Misconception(
            "a sum in place of the mean",
            "You add all places up; (2) takes their mean.",
            _gates(mean=lambda x: x.sum(dim=(2, 3))),
        ),
        Misconception(
            "one bias lost",
            "Each statistic goes through both layers, so that b2 counts twice.",
            _gates(meet="one bias"),
        ),
        Misconception(
            "no ReLU",
            "Without the ReLU the two layers are one: put it between them.",
            _gates(bend=lambda u: u),
        ),
        Misconception(
            "no sigmoid",
            "You return the logits. Gates lie between 0 and 1: take the sigmoid.",
            _gates(squash=lambda u: u),
        ),
        Misconception(
            "a softmax",
            "Your gates compete for one unit of weight. Each channel has a gate of its own: a "
            "sigmoid.",
            _gates(squash=lambda u: u.softmax(dim=1)),
        ),
        Misconception(
            "the median",
            "You take the value in the middle in place of the largest.",
            _gates(top=_in_the_middle),
        ),
    ),
)

# 2. The position gates -------------------------------------------------------------------


def _maps(b: int, c: int, k: int, h: int, w: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "x": torch.randn(b, c, h, w, generator=generator, dtype=torch.float64),
            "kernel": torch.randn(1, 2, k, k, generator=generator, dtype=torch.float64),
        }

    return draw


@recipe
def _positions(
    *,
    top: Step = lambda x: x.max(dim=1).values,
    mean: Step = lambda x: x.mean(dim=1),
    flip: bool = False,
    turned: bool = False,
    squash: Step = torch.sigmoid,
    tied: bool = False,
    crossed: bool = False,
    edge: str = "constant",
) -> Function:
    """Equation (4) without its normalisation; each argument changes one step."""

    def positions(x: Tensor, kernel: Tensor) -> Tensor:
        two = torch.stack([top(x), mean(x)], dim=1)
        two = two.flip(1) if flip else two
        used = kernel.flip(2, 3) if turned else kernel
        used = used.mean(dim=1, keepdim=True).expand(-1, 2, -1, -1) if tied else used
        used = used.transpose(2, 3) if crossed else used
        two = F.pad(two, [kernel.shape[-1] // 2] * 4, mode=edge)
        return squash(F.conv2d(two, used))[:, 0]

    return positions


def _positions_added(x: Tensor, kernel: Tensor) -> Tensor:
    pad = kernel.shape[-1] // 2
    one = F.conv2d(x.amax(dim=1, keepdim=True), kernel[:, :1], padding=pad)
    two = F.conv2d(x.mean(dim=1, keepdim=True), kernel[:, 1:], padding=pad)
    return torch.sigmoid(one + two).squeeze(1)


def positions_in_loops(x: Tensor, kernel: Tensor) -> Tensor:
    """Equation (4) without its normalisation, one weight of the kernel at a time."""
    (b, _, h, w), k = x.shape, kernel.shape[-1]
    two = F.pad(torch.stack([x.max(dim=1).values, x.mean(dim=1)], dim=1), [k // 2] * 4)
    total = x.new_zeros(b, h, w)
    for p in range(k):
        for q in range(k):
            window = two[:, :, p : p + h, q : q + w]
            total = total + (kernel[0, :, p, q][:, None, None] * window).sum(dim=1)
    return 1 / (1 + torch.exp(-total))


POSITIONS = FunctionExercise(
    chapter=CHAPTER,
    name="positions",
    title="Write CBAM's position gates",
    level=2,
    task="Write `positions(x, kernel)`: equation (4) without the normalisation, from (b, c, h, w) "
    "to (b, h, w), not yet multiplied with x. The kernel is (1, 2, k, k) with an odd k, first for "
    "the largest channel, then for the mean. Beyond the border stand zeros.",
    hints=(
        "At each position, over the channels: `x.max(dim=1).values` and `x.mean(dim=1)`.",
        "`torch.stack([largest, mean], dim=1)` is (b, 2, h, w).",
        "`F.conv2d(two, kernel, padding=k // 2)` keeps h and w; then the sigmoid, and drop the "
        "axis of one channel.",
    ),
    explanation="All channels are summed up in two numbers, so the kernel costs 2 k² whatever c.",
    reference=_positions(),
    alternatives=(_positions_added, positions_in_loops),
    cases=(
        Case("plain", _maps(2, 3, 3, 4, 5)),
        Case("seven wide", _maps(2, 2, 7, 3, 4)),
        Case("a kernel of one", _maps(1, 3, 1, 3, 2)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        Misconception(
            "the mean first",
            "Your maps stand the other way round: the largest first, as in the released code.",
            _positions(flip=True),
        ),
        Misconception(
            "the mean twice",
            "Your gates do not change with the largest channel: you take the mean for both.",
            _positions(top=lambda x: x.mean(dim=1)),
        ),
        Misconception(
            "the largest twice",
            "Your gates do not change with the mean: you take the largest channel for both.",
            _positions(mean=lambda x: x.max(dim=1).values),
        ),
        Misconception(
            "a sum in place of the mean",
            "You add the channels up; (4) takes their mean.",
            _positions(mean=lambda x: x.sum(dim=1)),
        ),
        Misconception(
            "a turned kernel",
            "You turn the kernel round, as mathematicians do. Layers in PyTorch do not.",
            _positions(turned=True),
        ),
        Misconception(
            "one kernel for both maps",
            "Each of the two maps has a kernel of its own, kernel[:, 0] and kernel[:, 1].",
            _positions(tied=True),
        ),
        Misconception(
            "a crossed kernel",
            "You exchange the kernel's rows and columns. Its last axis runs along the width.",
            _positions(crossed=True),
        ),
        Misconception(
            "a border repeated",
            "You repeat the border outwards. Here zeros stand beyond it.",
            _positions(edge="replicate"),
        ),
        Misconception(
            "the mean alone",
            "You convolve the mean alone. The largest channel has a kernel as well.",
            _positions(top=lambda x: torch.zeros_like(x[:, 0])),
        ),
        Misconception(
            "open and shut exchanged",
            "Your gates are 1 - m: they are open where m is shut.",
            _positions(squash=lambda u: torch.sigmoid(-u)),
        ),
        Misconception(
            "no sigmoid",
            "You return the logits. Gates lie between 0 and 1: take the sigmoid.",
            _positions(squash=lambda u: u),
        ),
    ),
)

# 3. Sum or product -----------------------------------------------------------------------


def _saved(b: int, c: int, n: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        return {"gates": torch.rand(b, c, n, generator=generator, dtype=torch.float64) * 0.9 + 0.05}

    return draw


@recipe
def _left(
    *,
    logit: Step = torch.logit,
    rows: bool = True,
    columns: bool = True,
    back: float = 1.0,
    whole_batch: bool = False,
) -> Function:
    """What is left of logits without the means of rows and columns; each argument one step."""

    def left(gates: Tensor) -> Tensor:
        s = logit(gates)
        found = s
        if rows:
            found = found - s.mean(dim=2, keepdim=True)
        if columns:
            found = found - s.mean(dim=1, keepdim=True)
        every = s.mean() if whole_batch else s.mean(dim=(1, 2), keepdim=True)
        return found + back * every

    return left


def _left_in_turn(gates: Tensor) -> Tensor:
    s = torch.log(gates / (1 - gates))
    s = s - s.mean(dim=1, keepdim=True)
    return s - s.mean(dim=2, keepdim=True)


def _left_by_matrices(gates: Tensor) -> Tensor:
    _, c, n = gates.shape
    over_c = torch.eye(c, dtype=gates.dtype) - 1 / c
    over_n = torch.eye(n, dtype=gates.dtype) - 1 / n
    return over_c @ (gates.log() - (1 - gates).log()) @ over_n


LEFT = FunctionExercise(
    chapter=CHAPTER,
    name="left",
    title="Find out: sum or product?",
    level=3,
    task="Somebody saved BAM's gates, (b, c, n), and forgot which version made them. Write "
    "`left(gates)`, (b, c, n): what is left of the logits of each image without the mean of each "
    "channel and the mean of each position. Both hold the mean of the image: take that out once. "
    "For a sum of votes nothing may be left.",
    hints=(
        "The logit of a sigmoid is its argument: `torch.logit(gates)` is η_c + ζ_i, or η_c ζ_i.",
        "Take out the mean over positions, then of what is left the mean over channels.",
        "In one step both means take out what is common twice: add the mean of the image again.",
    ),
    explanation="For the sum nothing is left, for the product (η_c - mean η)(ζ_i - mean ζ).",
    reference=_left(),
    alternatives=(_left_in_turn, _left_by_matrices),
    cases=(
        Case("plain", _saved(2, 3, 5)),
        Case("as many channels as positions", _saved(2, 4, 4)),
        Case("one image", _saved(1, 5, 3)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        Misconception(
            "gates in place of logits",
            "You took the gates themselves. Votes add up before the sigmoid: take the logits.",
            _left(logit=lambda p: p),
        ),
        Misconception(
            "logarithms of gates",
            "The logarithm of a gate is not its logit: that is log p - log(1 - p).",
            _left(logit=torch.log),
        ),
        Misconception(
            "the common part taken twice",
            "Both means hold what is common to all, and you took it out twice: add it once.",
            _left(back=0.0),
        ),
        Misconception(
            "channels stay",
            "The mean of each channel, over positions, is still there.",
            _left(rows=False, back=0.0),
        ),
        Misconception(
            "positions stay",
            "The mean of each position, over channels, is still there.",
            _left(columns=False, back=0.0),
        ),
        Misconception(
            "the mean of the batch",
            "You add the mean of all images. Each image has its own votes: take its own mean.",
            _left(whole_batch=True),
        ),
        Misconception(
            "the common part added twice",
            "Add the mean of the image once: you added it twice.",
            _left(back=2.0),
        ),
    ),
)
