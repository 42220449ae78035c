"""The controls of the experiments on STA-LSTM do what they are called."""

from __future__ import annotations

import itertools

import pytest
import torch

from attncourse.experiments.spatial_temporal.sta_lstm import EXPERIMENTS, UTKINECT, loss
from attncourse.experiments.spatial_temporal.sta_lstm.nets import (
    TURNS,
    Exchanged,
    InTurns,
    LastFrame,
    Louder,
    Penalised,
    StaticFrames,
    StaticWeights,
    exchanged,
    turn,
)
from attncourse.spatial_temporal import SpatioTemporalLSTM
from attncourse.spatial_temporal.sta_lstm.loss import joint_penalty
from attncourse.tasks.cued_joint import CuedJoint
from attncourse.tasks.skeletons import Folds, SkeletonTask
from attncourse.training import Budget

X = torch.randn(6, 5, 4, 3, generator=torch.Generator().manual_seed(0))


def net():
    torch.manual_seed(1)
    return SpatioTemporalLSTM(4, 3, hidden=8, gate_hidden=4)


def test_every_clip_gets_the_gates_of_another():
    gates = torch.arange(30.0).view(30, 1)
    other = exchanged(gates, "another clip")
    assert not (other == gates).any()
    assert sorted(other.flatten().tolist()) == gates.flatten().tolist()
    assert torch.equal(exchanged(gates, "mean"), torch.full((30, 1), 14.5))
    assert exchanged(gates, None) is gates


def test_gates_are_exchanged_in_testing_only():
    model = net()
    control = Exchanged(model, joints="another clip")
    assert torch.equal(control.train()(X), model(X))
    alpha, beta = model.g(X)
    wanted = model.f((exchanged(alpha, "another clip"), beta), X)
    torch.testing.assert_close(control.eval()(X), wanted)
    torch.testing.assert_close(Exchanged(model).eval()(X), model(X))
    still = Exchanged(model, joints="mean", frames="mean").eval()(X)
    assert not torch.allclose(still, model(X))


def test_static_weights_do_not_look():
    model = StaticWeights(4, 3, frames=5, hidden=8)
    with torch.no_grad():
        model.joint_logits.normal_()
        model.frame_weights.normal_()
    one, two = model.g(X), model.g(X.flip(0) + 1)
    torch.testing.assert_close(one, two)
    y, _ = model(X, need_weights=True)
    torch.testing.assert_close(y, model(X))
    fresh = StaticWeights(4, 3, frames=5, hidden=8)
    assert torch.equal(fresh.g(X)[1], torch.ones(6, 5))


def test_static_frames_leave_the_joint_gate_its_eyes():
    model = StaticFrames(4, 3, frames=5, hidden=8, gate_hidden=4)
    with torch.no_grad():
        model.frame_weights.normal_()
    one, two = model.g(X), model.g(X.flip(0) + 1)
    torch.testing.assert_close(one[1], two[1])
    assert not torch.allclose(one[0], two[0])


def test_louder_scores_are_the_same_scores():
    model = Louder(4, 3, gain=10.0, hidden=8, gate_hidden=4)
    plain = SpatioTemporalLSTM(4, 3, hidden=8, gate_hidden=4, when=False)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(X), 10 * plain(X))
    assert torch.equal(Louder(4, 3, where=False).g(X)[0], torch.full((6, 5, 4), 0.25))


def test_louder_lists_are_the_same_lists():
    sizes = {"hidden": 8, "gate_hidden": 4}
    louder, list_ = (StaticFrames(4, 3, 5, gain=g, **sizes) for g in (10.0, 1.0))
    list_.load_state_dict(louder.state_dict())
    torch.testing.assert_close(louder(X), 10 * list_(X))


def test_the_last_frame_alone_is_read():
    model = LastFrame(4, 3, hidden=8, gate_hidden=4)
    alpha, beta = model.g(X)
    assert beta.tolist() == [[0, 0, 0, 0, 1]] * 6
    states = model.memory((4 * alpha[..., None] * X).flatten(2))
    torch.testing.assert_close(model(X), model.readout(states[:, -1]))


def test_the_sum_is_the_mean_times_the_frames():
    networks = {v.name: v.build for v in EXPERIMENTS[0].variants}
    x = torch.randn(2, 24, 12, 3, generator=torch.Generator().manual_seed(2))
    for name in ("plain", "wider", "static weights", "T", "S", "S + T"):
        torch.manual_seed(3)
        mean = networks[name]()
        torch.manual_seed(3)
        summed = networks[f"{name}, sum"]()
        torch.testing.assert_close(summed(x), 24 * mean(x))
    torch.manual_seed(3)
    papers = networks["S, sum, without K"]()
    assert not papers.rescale
    assert not papers.average


def test_a_gate_learns_only_in_its_turn():
    seen = set()
    for step in range(40):
        control = InTurns(net(), steps=40).train()
        control.step = step
        control(X).square().sum().backward()
        joints = control.net.joint_look.weight.grad is not None
        frames = control.net.frame_look.weight.grad is not None
        assert (joints, frames) == turn("alternating", step / 40)
        assert control.net.memory.weight_x.grad is not None
        seen.add((joints, frames))
    assert seen == {(True, False), (False, True)}
    assert torch.equal(control.eval()(X), control.net(X))


def test_schedules_share_the_time_as_they_say():
    steps = [turn("alternating", n / 100) for n in range(100)]
    assert sum(j for j, _ in steps) == sum(f for _, f in steps) == 50
    changes = sum(a != b for a, b in itertools.pairwise(steps))
    assert changes == TURNS - 1
    stages = [turn("staged", n / 9) for n in range(9)]
    assert stages == [(False, True)] * 3 + [(True, False)] * 3 + [(True, True)] * 3
    with pytest.raises(ValueError, match="turns='random' is unknown"):
        turn("random", 0.5)


def test_the_penalty_joins_the_loss_in_training():
    model, y = net(), torch.tensor([0, 1, 2, 0, 1, 2])
    control = Penalised(model, lambda1=0.5)
    plain = loss(model(X), y)
    torch.testing.assert_close(
        loss(control.train()(X), y), plain + 0.5 * joint_penalty(model.g(X)[0]).mean()
    )
    torch.testing.assert_close(loss(control.eval()(X), y), plain)


@pytest.mark.parametrize(
    "experiment",
    [e for e in EXPERIMENTS if "wider" in {v.name for v in e.variants}],
    ids=lambda e: e.name,
)
def test_the_wider_network_has_as_many_parameters(experiment):
    count = {v.name: sum(p.numel() for p in v.build().parameters()) for v in experiment.variants}
    assert count["S + T"] <= count["wider"] < 1.04 * count["S + T"]
    assert (
        len(
            {count[n] for n in count if n.endswith("gates exchanged") and "," not in n}
            | {count["S + T"]}
        )
        == 1
    )
    for name in (n for n in count if n.endswith(", sum")):
        assert count[name] == count[name.removesuffix(", sum")]


def test_every_variant_learns_a_step():
    task = CuedJoint(clips=50, test_size=20)
    for variant in EXPERIMENTS[0].variants:
        run, score = EXPERIMENTS[0].run(
            variant.name, 0, budget=Budget(steps=2, batch_size=10), task=task
        )
        assert len(run.losses) == 2
        assert 0 <= score <= 1


def test_folds_are_counted_by_their_clips():
    def fold(tests):
        return SkeletonTask(
            torch.randn(12, 22, 20, 3), torch.arange(12) % 10, torch.randn(tests, 22, 20, 3),
            torch.full((tests,), 3), classes=10, source=f"{tests} tests",
        )  # fmt: skip

    folds = Folds((fold(1), fold(4)), "two")
    run, score = UTKINECT.run("plain", 0, budget=Budget(steps=1, batch_size=4), task=folds)
    assert 5 * score == pytest.approx(round(5 * score))
    assert run.seconds > 0
    with pytest.raises(TypeError, match="this experiment takes Folds"):
        UTKINECT.run("plain", 0, task=CuedJoint())
