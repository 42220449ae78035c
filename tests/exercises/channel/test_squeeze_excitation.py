"""Answers to the exercises on SE, and what the exercises claim, computed."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from attncourse.backbones import ResNet50
from attncourse.channel import SqueezeExcitation
from attncourse.channel.squeeze_excitation import excite
from attncourse.exercises.channel.squeeze_excitation.code import BACKWARD
from attncourse.exercises.channel.squeeze_excitation.questions import (
    EXERCISES,
    LAST_STAGE,
    SQUEEZE_FOR_ROW,
)
from attncourse.exercises.ladder import SQUEEZES, SqueezedGate, ladder_accuracy
from attncourse.tasks import StatisticLadder, seeded
from tests.exercises.answers import Tried, trials


def gates(z, w1, b1, w2, b2):
    return torch.sigmoid(F.linear(F.relu(F.linear(z, w1, b1)), w2, b2))


def gates_loops(z, w1, b1, w2, b2):
    rows = []
    for row in z:
        hidden = torch.clamp(w1 @ row + b1, min=0)
        rows.append(1 / (1 + torch.exp(-(w2 @ hidden + b2))))
    return torch.stack(rows)


def gates_tanh(z, w1, b1, w2, b2):
    h = torch.addmm(b1, z, w1.T)
    h = torch.where(h > 0, h, torch.zeros_like(h))
    return (1 + torch.tanh(torch.addmm(b2, h, w2.T) / 2)) / 2


def overflowing(z, w1, b1, w2, b2):
    t = torch.relu(z @ w1.T + b1) @ w2.T + b2
    return t.exp() / (1 + t.exp())


def backward_steps(x, s, g, w1, b1, w2, b2):
    hidden = F.relu(x.mean((2, 3)) @ w1.T + b1)
    ds = (g * x).sum((2, 3))
    u = ((ds * s * (1 - s)) @ w2 * (hidden > 0)) @ w1
    return s[..., None, None] * g + u[..., None, None] / x[0, 0].numel()


def backward_autograd(x, s, g, w1, b1, w2, b2):
    leaf = x.detach().requires_grad_()
    y = gates(leaf.mean((2, 3)), w1, b1, w2, b2)[..., None, None] * leaf
    y.backward(g)
    return leaf.grad


class Linear(nn.Module):
    """The gate as a depthwise 1x1 convolution's weight."""

    def __init__(self, channels):
        super().__init__()
        self.gate = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x):
        return torch.sigmoid(self.gate) * x


class Conv(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.p = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.conv2d(x, torch.sigmoid(self.p).view(-1, 1, 1, 1), groups=len(self.p))


def static(**methods):
    return type("Learners", (Linear,), methods)


def frozen(self, channels):
    nn.Module.__init__(self)
    self.gate = nn.Parameter(torch.zeros(1, channels, 1, 1), requires_grad=False)


TRIED = {
    "excite": Tried(
        right={"linear": gates, "loops": gates_loops, "tanh": gates_tanh},
        wrong={
            "overflow": (overflowing, "an `exp` of something large"),
            "two": (
                lambda z, w1, b1, w2, b2: torch.sigmoid(z @ w1.T @ w2.T),
                "The values differ.",
            ),
            "detached": (lambda z, *rest: gates(z.detach(), *rest), "`.detach()`"),
            "no_grad": (torch.no_grad()(gates), "`torch.no_grad()`"),
            "first": (
                lambda z, *rest: gates(z[:1], *rest).expand(len(z), -1), "only the first item"
            ),
            "closed": (lambda *a: 1 - gates(*a), "The values differ."),
        },
    ),
    "backward": Tried(
        right={"steps": backward_steps, "autograd": backward_autograd},
        wrong={
            "two": (
                lambda x, s, g, w1, b1, w2, b2: (
                    s[..., None, None] * g
                    + (((g * x).sum((2, 3)) * s * (1 - s)) @ w2 @ w1)[..., None, None]
                ),
                "two mistakes at once: a forgotten 1/(HW), and a missing ReLU mask",
            ),
            "negative": (lambda *a: -backward_steps(*a), "exactly the negative"),
            "transposed": (lambda *a: backward_steps(*a).mT, "`.mT`"),
        },
    ),
    "last_stage_share": Tried(
        right={"percent": "62.5 %", "digits": 0.625, "words": "about 0.6254"},
        wrong={"percent": (62.54, "divide it by 100"), "sign": (-0.6254, "other sign"),
               "rounded": (0.63, "rounded too far")},
    ),
    "squeeze_for_row": Tried(
        right={"text": {"mean": "mean, max", "STD": "std and max", "dct": "none", "cov": (),
                        "code": ["max"]}},
        wrong={"list": (["mean"], "A dictionary is expected")},
    ),
    "static_gate": Tried(
        right={"four axes": Linear, "convolution": Conv},
        wrong={
            "frozen": (static(__init__=frozen), "`gate` has `requires_grad=False`"),
            "detached": (
                static(forward=lambda m, x: torch.sigmoid(m.gate.detach()) * x),
                "Your code uses `.detach()`, which cuts it off.",
            ),
            "data": (static(forward=lambda m, x: m.gate.data.sigmoid() * x), "`.data`"),
            "no_grad": (static(forward=torch.no_grad()(Linear.forward)), "`torch.no_grad()`"),
            "built": (Linear(6), "not built yet"),
            "two": (static(forward=lambda m, x: x + m.gate), "a sum in place of the product"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("channel/squeeze_excitation", TRIED)


def test_the_share_of_the_last_stage_is_what_counting_says():
    with torch.device("meta"):
        network = ResNet50(lambda channels: SqueezeExcitation(channels, bias=False))

    def weights(module):
        blocks = [m for m in module.modules() if isinstance(m, SqueezeExcitation)]
        return sum(p.numel() for block in blocks for p in block.parameters())

    last, total = weights(network.stages[-1]), weights(network)
    assert (last, total) == (1_572_864, 2_514_944)
    assert f"{last:,} of {total:,}" in LAST_STAGE.explanation
    assert LAST_STAGE.truth() == pytest.approx(last / total, abs=1e-6)
    wrong = {name: round(value, 4) for name, value in LAST_STAGE.wrong_answers()}
    assert wrong == {
        "one of four stages": 0.25,
        "a count of blocks": 0.1875,
        "a share by C in place of C²": 0.4068,
        "one block per stage": 0.7529,
        "the share that stays": 0.3746,
        "a count with biases": 0.624,
    }


def test_the_derived_gradient_is_autograds_in_double_precision():
    by_autograd, derived = BACKWARD.right_answers()
    for number, case in enumerate(BACKWARD.cases):
        inputs = case.draw(seeded(7, number)).values()
        torch.testing.assert_close(derived(*inputs), by_autograd(*inputs), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("row", SQUEEZE_FOR_ROW.truth)
def test_a_squeeze_sees_a_row_where_its_numbers_tell_the_bit(row):
    def draw(size, seed):
        generator = seeded(seed)
        bit = torch.randint(2, (size,), generator=generator)
        fields = StatisticLadder(row).cue(bit, generator)
        # Without a little noise, the rounding of a mean that is zero would tell the bit.
        numbers = {k: squeeze(fields) for k, squeeze in SQUEEZES.items()}
        noise = 0.01 * torch.randn(size, 2, generator=generator)
        return {k: (v + noise).numpy() for k, v in numbers.items()}, bit.numpy()

    (train, train_bit), (test, test_bit) = draw(4_000, 1), draw(2_000, 2)
    seen = set()
    for name in SQUEEZE_FOR_ROW.labels:
        model = KNeighborsClassifier(101).fit(train[name], train_bit)
        if model.score(test[name], test_bit) > 0.57:
            seen.add(name)
    assert seen == SQUEEZE_FOR_ROW.truth[row]


def test_the_quiz_on_shuffled_pixels_and_on_the_start_tells_the_truth():
    x = torch.randn(2, 32, 5, 6)
    shuffled = torch.stack([f[:, torch.randperm(30)] for f in x.flatten(2).unbind(1)], dim=1)
    block = SqueezeExcitation(32)
    torch.testing.assert_close(block.g(x), block.g(shuffled.view_as(x)))
    with torch.no_grad():
        block.expand.weight.zero_()
        block.expand.bias.zero_()
    torch.testing.assert_close(block(x), x / 2)


def test_a_gate_can_be_tried_on_a_row_of_the_ladder():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert 0 <= ladder_accuracy("mean", lambda c: SqueezedGate(c, "max"), steps=2) <= 1
    assert torch.equal(before, torch.get_rng_state())
    gate = SqueezedGate(8, lambda x: x.flatten(2)[:, :, 0])
    x = torch.randn(2, 8, 3, 3)
    expected = excite(
        x[:, :, 0, 0], gate.reduce.weight, gate.reduce.bias, gate.expand.weight, gate.expand.bias
    )
    torch.testing.assert_close(gate(x), expected[:, :, None, None] * x)
    with pytest.raises(ValueError, match="choose one of mean, std, max"):
        SqueezedGate(8, "median")


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "excite", "backward", "last_stage_share", "squeeze_for_row", "static_gate"
    ]  # fmt: skip
