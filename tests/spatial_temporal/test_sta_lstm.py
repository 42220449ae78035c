"""What only STA-LSTM promises, and the mistakes its tests must notice."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attncourse.measure import peak_bytes
from attncourse.spatial_temporal import SpatioTemporalLSTM
from attncourse.spatial_temporal.sta_lstm import (
    CARD,
    before,
    frame_gates,
    gated,
    joint_gates,
    weighted_readout,
)
from attncourse.spatial_temporal.sta_lstm.loss import (
    frame_penalty,
    joint_penalty,
    reachable_joint_penalty,
    regularised_loss,
    weight_penalty,
)
from attncourse.spatial_temporal.sta_lstm.memory import frame_by_frame
from attncourse.spatial_temporal.sta_lstm.reference import sta_lstm_reference
from tests.contract.specimen import Specimen, built, of_torch, opened

ARGUMENTS = {"joints": 4, "classes": 3, "hidden": 5, "gate_hidden": 4}


def example(seed=0, b=2, t=6, k=4, d=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, t, k, d, dtype=torch.float64, generator=generator)


def neutral(module):
    """The module with gates that do not choose: alpha = 1/k and beta = 1."""
    with torch.no_grad():
        module.joint_score.weight.zero_()
        module.joint_score.bias.zero_()
        module.frame_look.weight.zero_()
        module.frame_look.bias.fill_(1)
        module.frame_recall.weight.zero_()
    return module


# ---------------------------------------------------------------- promises


def looks_at_no_later_frame(make):
    """Gates of the first frames do not change with the frames behind them."""
    module, x = built(make, ARGUMENTS), example()
    other = torch.cat([x[:, :3], example(seed=1)[:, 3:]], dim=1)
    for one, two in zip(module.g(x), module.g(other), strict=True):
        torch.testing.assert_close(one[:, :3], two[:, :3])
        assert not torch.allclose(one[:, 3:], two[:, 3:])


def remembers_the_frames_before_this_one(make):
    """The first frame's gates ignore the memory, the second's look back by one frame."""
    module, x = built(make, ARGUMENTS), example()
    other = built(make, ARGUMENTS)
    with torch.no_grad():
        other.joint_memory.weight_x.mul_(-2)
        other.frame_memory.weight_x.mul_(-2)
    for one, two in zip(module.g(x), other.g(x), strict=True):
        torch.testing.assert_close(one[:, 0], two[:, 0])
        assert not torch.allclose(one[:, 1:], two[:, 1:])


def has_gates_of_the_right_range(make):
    """Joint gates of a frame add up to one; frame gates are free, but never negative."""
    module = built(make, ARGUMENTS)
    alpha, beta = module.g(example(b=8, t=10))
    assert alpha.shape == (8, 10, 4)
    assert (alpha > 0).all()
    torch.testing.assert_close(alpha.sum(dim=2), torch.ones(8, 10, dtype=torch.float64))
    assert (beta >= 0).all()
    assert (beta == 0).any(), "no frame is shut"
    assert (beta > 1).any(), "no frame is louder than one"
    assert not torch.allclose(beta.sum(dim=1), beta.sum(dim=1)[:1].expand(8))


def is_a_plain_lstm_when_gates_do_not_choose(make):
    """With even gates the network is PyTorch's own LSTM and the mean of its readouts."""
    module, x = neutral(built(make, ARGUMENTS)), example()
    lstm = nn.LSTM(12, 5, batch_first=True).double()
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(module.memory.weight_x)
        lstm.weight_hh_l0.copy_(module.memory.weight_h)
        lstm.bias_ih_l0.copy_(module.memory.bias)
        lstm.bias_hh_l0.zero_()
    torch.testing.assert_close(module(x), module.readout(lstm(x.flatten(2))[0]).mean(dim=1))


def gates_every_joint_by_its_own_number(make):
    """All weight on one joint: the others' coordinates no longer matter, its own do."""
    module, x = neutral(built(make, ARGUMENTS)), example()
    with torch.no_grad():
        module.joint_score.bias[2] = 60.0
    moved = x.clone()
    moved[:, :, [0, 1, 3]] += 1
    torch.testing.assert_close(module(moved), module(x))
    moved = x.clone()
    moved[:, :, 2] += 1
    assert not torch.allclose(module(moved), module(x))


def shuts_frames_out(make):
    """A clip whose frames all have beta = 0 scores nothing, not even the readout's bias."""
    module, x = neutral(built(make, ARGUMENTS)), example()
    with torch.no_grad():
        module.frame_look.bias.fill_(-1)
    torch.testing.assert_close(module(x), torch.zeros(2, 3, dtype=torch.float64))


def does_not_grow_with_the_length_of_the_clip(make):
    """A scene that stands still for ten times as long scores about the same."""
    module = neutral(built(make, ARGUMENTS))
    with torch.no_grad():
        module.memory.weight_h.zero_()
    x = example()[:, :1]
    short, long = module(x.repeat(1, 40, 1, 1)), module(x.repeat(1, 400, 1, 1))
    torch.testing.assert_close(short, long, rtol=0.3, atol=0.3)


def lets_no_frame_start_shut(make):
    """Fresh, the bias of the frame gate is one: a still, centred skeleton has beta_1 = 1."""
    module = make(**ARGUMENTS)
    beta = module.g(torch.zeros(1, 5, 4, 3))[1]
    torch.testing.assert_close(beta[:, 0], torch.ones(1))


def remembers_in_the_type_of_its_weights(make):
    """Under autocast the scores are those of the memory in float32, read out in half."""
    module, x = opened(make(**ARGUMENTS)), example(t=40).float()
    alpha, beta = module.g(x)
    h = module.memory(gated(alpha, x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = (beta[..., None] * module.readout(h)).sum(dim=1) / 40
        scores = module.f((alpha, beta), x)
    torch.testing.assert_close(scores.float(), wanted.float(), atol=1e-6, rtol=1e-6)


# ---------------------------------------------------------------- mutants


def _joint_gates(net, frames, past):
    return joint_gates(frames, past, net.joint_look, net.joint_recall, net.joint_score)


def _frame_gates(net, frames, past):
    return frame_gates(frames, past, net.frame_look, net.frame_recall)


class RemembersThisFrame(SpatioTemporalLSTM):
    """h_t where the equation has h_{t-1}: the shift by one is lost."""

    def g(self, x):
        frames = x.flatten(2)
        return (
            _joint_gates(self, frames, self.joint_memory(frames)),
            _frame_gates(self, frames, self.frame_memory(frames)),
        )


class ShiftedTheOtherWay(SpatioTemporalLSTM):
    """h_{t+1}: the gates look into the future."""

    def g(self, x):
        frames = x.flatten(2)
        later = [F.pad(m(frames), (0, 0, 0, 1))[:, 1:]
                 for m in (self.joint_memory, self.frame_memory)]  # fmt: skip
        return _joint_gates(self, frames, later[0]), _frame_gates(self, frames, later[1])


class SoftmaxOverFrames(SpatioTemporalLSTM):
    """Joint gates that add up to one over time, not over joints."""

    def g(self, x):
        alpha, beta = super().g(x)
        return alpha.log().softmax(dim=1), beta


class SoftmaxOverTheBatch(SpatioTemporalLSTM):
    """Joint gates that depend on the other clips (known error C4)."""

    def g(self, x):
        alpha, beta = super().g(x)
        return alpha.log().softmax(dim=0), beta


class SigmoidJoints(SpatioTemporalLSTM):
    """Joints that do not compete."""

    def g(self, x):
        alpha, beta = super().g(x)
        return alpha.log().sigmoid(), beta


class NoTanh(SpatioTemporalLSTM):
    """A joint gate without its hidden non-linearity."""

    def g(self, x):
        frames, past = x.flatten(2), before(self.joint_memory(x.flatten(2)))
        hidden = self.joint_look(frames) + self.joint_recall(past)
        return self.joint_score(hidden).softmax(dim=2), super().g(x)[1]


class NormalisedFrames(SpatioTemporalLSTM):
    """Frame gates that share one unit of weight: a softmax over time, which is not causal."""

    def g(self, x):
        alpha, beta = super().g(x)
        return alpha, x.shape[1] * beta.softmax(dim=1)


class SigmoidFrames(SpatioTemporalLSTM):
    """Frame gates below one."""

    def g(self, x):
        alpha, beta = super().g(x)
        return alpha, beta.sigmoid()


class SignedFrames(SpatioTemporalLSTM):
    """Frame gates without the ReLU: a frame may vote against itself (known error C12)."""

    def g(self, x):
        frames = x.flatten(2)
        past = before(self.frame_memory(frames))
        return super().g(x)[0], (self.frame_look(frames) + self.frame_recall(past))[..., 0]


class FramesReadTheGated(SpatioTemporalLSTM):
    """A frame gate that reads the gated skeleton in place of the skeleton."""

    def g(self, x):
        alpha, _ = super().g(x)
        frames = gated(alpha, x)
        return alpha, _frame_gates(self, frames, before(self.frame_memory(frames)))


class ForgetsTheFactor(SpatioTemporalLSTM):
    """The input shrinks to 1/k: ``rescale`` is accepted and ignored."""

    def f(self, weights, x):
        return super().f((weights[0] / self.joints, weights[1]), x)

    def attend(self, x):
        return self.f(self.g(x), x)


class MixesCoordinates(SpatioTemporalLSTM):
    """Gates laid out joint after joint over numbers laid out coordinate after coordinate."""

    def f(self, weights, x):
        alpha, beta = weights
        tiled = alpha.repeat(1, 1, x.shape[3]).view_as(x)  # k numbers, d times over
        return super().f((torch.ones_like(alpha) / self.joints, beta), self.joints * tiled * x)

    def attend(self, x):
        return self.f(self.g(x), x)


class Summed(SpatioTemporalLSTM):
    """A sum over frames where a mean is promised: scores grow with the length of the clip."""

    def f(self, weights, x):
        return super().f(weights, x) * x.shape[1]

    def attend(self, x):
        return self.f(self.g(x), x)


class LastFrame(SpatioTemporalLSTM):
    """Only the last frame's scores count."""

    def f(self, weights, x):
        alpha, beta = weights
        last = torch.zeros_like(beta)
        last[:, -1] = beta[:, -1]
        return super().f((alpha, last), x)

    def attend(self, x):
        return self.f(self.g(x), x)


class BiasOutsideTheSum(SpatioTemporalLSTM):
    """The readout taken out of the sum with its whole bias, not with beta times it."""

    def attend(self, x):
        alpha, beta = self.g(x)
        h = self.memory(gated(alpha, x, self.rescale))
        return self.readout((beta[:, None] @ h)[:, 0] / (x.shape[1] if self.average else 1))


class OneMemoryForBoth(SpatioTemporalLSTM):
    """Both gates read the joint gate's memory; the frame gate's own learns nothing."""

    def g(self, x):
        if not (self.where and self.when):
            return super().g(x)
        frames = x.flatten(2)
        past = before(self.joint_memory(frames))
        return _joint_gates(self, frames, past), _frame_gates(self, frames, past)


class RunsOverTheBatch(SpatioTemporalLSTM):
    """Time and batch changed places: a clip remembers the clip before it."""

    def f(self, weights, x):
        alpha, beta = weights
        h = self.memory(gated(alpha, x, self.rescale).transpose(0, 1)).transpose(0, 1)
        o = (beta[..., None] * self.readout(h)).sum(dim=1)
        return o / x.shape[1] if self.average else o

    def attend(self, x):
        return self.f(self.g(x), x)


class StartsShut(SpatioTemporalLSTM):
    """The frame gate's bias starts at -1: no frame is open, and none learns to open."""

    def reset_parameters(self):
        super().reset_parameters()
        if self.when:
            nn.init.constant_(self.frame_look.bias, -1)


class Detached(SpatioTemporalLSTM):
    """Gates that carry no gradient."""

    def g(self, x):
        return tuple(gate.detach() for gate in super().g(x))


class InPlace(SpatioTemporalLSTM):
    """Writes the gated skeleton into the caller's tensor (known error C5)."""

    def attend(self, x):
        alpha, beta = self.g(x)
        if not x.requires_grad:
            x.mul_((self.joints * alpha if self.rescale else alpha)[..., None])
        return self.f((torch.ones_like(alpha) / self.joints, beta), x)


class HalfReset(SpatioTemporalLSTM):
    """reset_parameters that forgets the main memory (known error C11)."""

    def reset_parameters(self):
        kept = self.memory
        del self.memory
        super().reset_parameters()
        self.memory = kept


class ForgetsDevice(SpatioTemporalLSTM):
    """device and dtype are accepted and dropped."""

    def __init__(self, joints, classes, *, device=None, dtype=None, **options):
        super().__init__(joints, classes, **options)


class Unvalidated(SpatioTemporalLSTM):
    """No check of the input."""

    def validate(self, x):
        pass


class LooseMemory(SpatioTemporalLSTM):
    """Memories that start with twice the bound."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.widen()

    def widen(self):
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if "memory" in name:
                    parameter.mul_(2)

    def reset_parameters(self):
        super().reset_parameters()
        self.widen()


class LowPrecision(SpatioTemporalLSTM):
    """Joint gates in the type of the clip."""

    def g(self, x):
        alpha, beta = super().g(x)
        return alpha.to(x.dtype), beta


class RecurrenceInHalf(SpatioTemporalLSTM):
    """Memories whose recurrence autocast rounds at every frame."""

    def f(self, weights, x):
        h = frame_by_frame(
            gated(weights[0], x, self.rescale).to(self.memory.bias.dtype),
            self.memory.weight_x, self.memory.weight_h, self.memory.bias,
        )  # fmt: skip
        z = self.readout(h)
        return self._averaged((weights[1][..., None] * z).sum(dim=1), x)

    def attend(self, x):
        return self.f(self.g(x), x)


class AroundTheLayers(SpatioTemporalLSTM):
    """Takes the readout out of the sum, whatever was done to it."""

    def attend(self, x):
        alpha, beta = self.g(x)
        h = self.memory(gated(alpha, x, self.rescale))
        o = weighted_readout(beta.to(h.dtype), h, self.readout.weight, self.readout.bias)
        return self._averaged(o, x)


MUTANTS = (
    RemembersThisFrame, ShiftedTheOtherWay, SoftmaxOverFrames, SoftmaxOverTheBatch, SigmoidJoints,
    NoTanh, NormalisedFrames, SigmoidFrames, SignedFrames, FramesReadTheGated, ForgetsTheFactor,
    MixesCoordinates, Summed, LastFrame, BiasOutsideTheSum, OneMemoryForBoth, RunsOverTheBatch,
    StartsShut, Detached, InPlace, HalfReset, ForgetsDevice, Unvalidated, LooseMemory,
    LowPrecision, RecurrenceInHalf, AroundTheLayers,
)  # fmt: skip


def wrong_clips(x):
    return (
        (x[0], "axes"),
        (x[None], "axes"),
        (torch.cat([x, x], dim=2), "joints"),
        (torch.cat([x, x], dim=3), "coordinates"),
        (x[:, :0], "no frames"),
    )


SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"joints": 3, "classes": 2, "hidden": 4, "gate_hidden": 3, "when": False},
        {"joints": 2, "classes": 2, "hidden": 4, "gate_hidden": 3, "where": False},
        {
            "joints": 3, "classes": 2, "coordinates": 2, "hidden": 2, "gate_hidden": 3,
            "rescale": False, "average": False,
        },
    ),
    reference=sta_lstm_reference,
    promises=(
        remembers_in_the_type_of_its_weights,
        looks_at_no_later_frame,
        remembers_the_frames_before_this_one,
        has_gates_of_the_right_range,
        is_a_plain_lstm_when_gates_do_not_choose,
        gates_every_joint_by_its_own_number,
        shuts_frames_out,
        does_not_grow_with_the_length_of_the_clip,
        lets_no_frame_start_shut,
    ),
    starts=(
        (
            {"joints": 20, "classes": 10, "hidden": 49, "gate_hidden": 36},
            {
                "joint_memory.*": of_torch(36),
                "frame_memory.*": of_torch(36),
                "memory.*": of_torch(49),
                "joint_look.*": of_torch(60),
                "joint_recall.*": of_torch(36),
                "joint_score.*": of_torch(36),
                "frame_look.weight": of_torch(60),
                "frame_look.bias": ("constant", 1.0),
                "frame_recall.*": of_torch(36),
                "readout.*": of_torch(49),
            },
        ),
    ),
    smallest=(
        {"joints": 1, "classes": 1, "coordinates": 1, "hidden": 1, "gate_hidden": 1},
        {"joints": 1, "classes": 1, "coordinates": 1, "hidden": 1, "gate_hidden": 1,
         "where": False, "when": False},
    ),
    loud={"joints": 64, "coordinates": 4},
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"joints": 20, "classes": 10},
        {"joints": 5, "classes": 4, "hidden": 7, "gate_hidden": 3},
        {"joints": 5, "classes": 4, "hidden": 7, "gate_hidden": 3, "when": False},
        {"joints": 5, "classes": 4, "hidden": 7, "gate_hidden": 3, "where": False},
        {
            "joints": 4, "classes": 1, "coordinates": 2, "hidden": 1, "gate_hidden": 1,
            "where": False, "when": False,
        },
    ),
    refused=(
        ({"joints": 0, "classes": 2}, "joints=0"),
        ({"joints": 2, "classes": 0}, "classes=0"),
        ({"joints": 2, "classes": 2, "coordinates": 0}, "coordinates=0"),
        ({"joints": 2, "classes": 2, "hidden": 0}, "hidden=0"),
        ({"joints": 2, "classes": 2, "gate_hidden": -1}, "gate_hidden=-1"),
    ),
    input_shape=lambda a, b, t: (b, t, a["joints"], a.get("coordinates", 3)),
    sizes=((3, 6), (1, 4), (3, 2), (1, 7)),  # one frame leaves the memories without a gradient
    small=(2, 3),
    wrong=wrong_clips,
    dynamic=(0,),
    captured=(1,),
)  # fmt: skip

# ---------------------------------------------------------------- the loss


def test_the_first_target_is_out_of_reach():
    """Equation (12), for gates of any clip, and both ends of its range."""
    k = 7
    alpha = (3 * example(b=40, t=5, k=k, d=1)[..., 0]).softmax(dim=2)
    a = alpha.mean(dim=1)
    penalty = joint_penalty(alpha)
    torch.testing.assert_close(penalty, k - 2 + a.square().sum(dim=1))
    assert (penalty >= (k - 1) ** 2 / k).all()
    assert (penalty <= k - 1).all()
    even = torch.full((1, 5, k), 1 / k, dtype=torch.float64)
    one = F.one_hot(torch.zeros(1, 5).long(), k).double()
    torch.testing.assert_close(joint_penalty(even)[0].item(), (k - 1) ** 2 / k)
    torch.testing.assert_close(joint_penalty(one)[0].item(), float(k - 1))
    torch.testing.assert_close(reachable_joint_penalty(even)[0].item(), 0.0)
    torch.testing.assert_close(reachable_joint_penalty(one)[0].item(), float(k * (k - 1)))


def test_the_unreachable_target_pulls_like_a_square():
    """On the logits, the gradient of (11) is that of the sum of squares alone."""
    logits = example(k=6, d=1)[..., 0].requires_grad_()
    wanted = logits.softmax(dim=2).mean(dim=1).square().sum()
    (by_square,) = torch.autograd.grad(wanted, logits)
    for penalty, factor in ((joint_penalty, 1), (reachable_joint_penalty, 36)):
        (got,) = torch.autograd.grad(penalty(logits.softmax(dim=2)).sum(), logits)
        torch.testing.assert_close(got, factor * by_square)


def test_the_loss_is_its_terms():
    net, x = built(SpatioTemporalLSTM, ARGUMENTS), example()
    scores, (alpha, beta) = net(x, need_weights=True)
    y = torch.tensor([0, 2])
    parts = [
        F.cross_entropy(scores, y),
        joint_penalty(alpha).mean(),
        frame_penalty(beta).mean(),
        weight_penalty(net.parameters()),
    ]
    got = regularised_loss(scores, y, alpha, beta, net.parameters(), 0.3, 0.2, 0.1)
    torch.testing.assert_close(got, parts[0] + 0.3 * parts[1] + 0.2 * parts[2] + 0.1 * parts[3])
    torch.testing.assert_close(frame_penalty(beta), beta.mean(dim=1))
    layer = nn.Linear(3, 2)
    torch.testing.assert_close(weight_penalty(layer.parameters()), layer.weight.abs().sum())
    with pytest.raises(ValueError, match=r"parameters holds no weight matrix: pass module"):
        weight_penalty([layer.bias])


# ---------------------------------------------------------------- tests of its own


def test_a_frame_that_helps_is_turned_up():
    """The gradient at beta_t is (y_hat - y) times the scores of frame t, over T."""
    net, x, y = built(SpatioTemporalLSTM, ARGUMENTS), example(), torch.tensor([0, 2])
    alpha, beta = net.g(x)
    beta = (beta + 0.5).detach().requires_grad_()
    scores = net.f((alpha, beta), x)
    (gradient,) = torch.autograd.grad(F.cross_entropy(scores, y, reduction="sum"), beta)
    with torch.no_grad():
        z = net.readout(net.memory(gated(alpha, x)))
        error = scores.softmax(dim=1) - F.one_hot(y, 3)
        torch.testing.assert_close(gradient, torch.einsum("bn,btn->bt", error, z) / 6)


def test_the_readout_may_be_taken_out_of_the_sum():
    h, beta = example(k=1, d=5)[:, :, 0], example(seed=3, k=1, d=1)[:, :, 0, 0].relu()
    layer = nn.Linear(5, 3).double()
    torch.testing.assert_close(
        weighted_readout(beta, h, layer.weight, layer.bias),
        (beta[..., None] * layer(h)).sum(dim=1),
    )


def test_the_fast_path_builds_no_scores_of_single_frames():
    """With many classes f holds T scores of a clip, attend holds one."""
    net = SpatioTemporalLSTM(joints=2, classes=1000, hidden=4, gate_hidden=4)
    x = torch.randn(1, 100, 2, 3)
    with torch.no_grad():
        scores = 4 * 100 * 1000
        assert peak_bytes(lambda: net.f(net.g(x), x)) > scores
        assert peak_bytes(lambda: net(x)) < scores / 4
        short, long = (peak_bytes(lambda n=n: net(x[:, :n])) for n in (50, 100))
    assert long < 2.1 * short


@settings(max_examples=20, deadline=None)
@given(
    b=st.integers(1, 3), t=st.integers(1, 6), k=st.integers(1, 5), d=st.integers(1, 3),
    n=st.integers(1, 4), where=st.booleans(), when=st.booleans(),
)  # fmt: skip
def test_any_skeleton_fits(b, t, k, d, n, where, when):
    net = SpatioTemporalLSTM(
        k, n, coordinates=d, hidden=3, gate_hidden=2, where=where, when=when
    ).double()
    x = torch.randn(b, t, k, d, dtype=torch.float64)
    y, (alpha, _) = net(x, need_weights=True)
    assert y.shape == (b, n)
    torch.testing.assert_close(alpha.sum(dim=2), torch.ones(b, t, dtype=torch.float64))
    torch.testing.assert_close(y, sta_lstm_reference(net, x))


def test_it_trains_like_any_other():
    net = SpatioTemporalLSTM(joints=3, classes=2, hidden=8, gate_hidden=4)
    x, y = example(b=16, k=3).float(), torch.arange(16) % 2
    x[y == 1, 2, 1] += 3
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimiser.step()
    assert (net(x).argmax(dim=1) == y).float().mean() > 0.9
    assert repr(net).startswith("SpatioTemporalLSTM(\n  joints=3, classes=2, hidden=8, gate_hidden")
