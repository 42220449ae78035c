"""The controls of the experiments on mixed kernels are the controls that they claim to be."""

from __future__ import annotations

import math

import pytest
import torch

from attncourse.experiments.branch.conditional_convolution.nets import (
    WIDTHS,
    SameForAll,
    SharedNet,
    Shuffled,
    StyleNet,
    WorldNet,
    dynamic,
    entropy,
    of_kind,
    routed,
    static_first,
)
from attncourse.experiments.branch.conditional_convolution.probes import (
    CHANGES,
    LAYERS,
    answers,
    by_change,
    moved,
    pictures,
    units_of_answers,
)
from attncourse.experiments.register import experiments_of
from attncourse.experiments.results import published
from attncourse.experiments.scores import Score
from attncourse.experiments.summaries import Scale, SeedScores
from attncourse.measure import count_macs
from attncourse.tasks.four_worlds import FourWorlds

CHAPTER = "branch/conditional_convolution"


def batch(size=6):
    return FourWorlds(told=True).train_batch(0, 0, size)[0]


def test_a_shuffled_net_applies_the_weights_of_another_image():
    torch.manual_seed(0)
    layer, x = Shuffled(3, experts=4), torch.randn(5, 3, 4, 4)
    own = super(Shuffled, layer).g(x)
    torch.testing.assert_close(layer.g(x)[1:], own[:-1])
    torch.testing.assert_close(layer.g(x)[0], own[-1])


def test_weights_that_are_the_same_for_all_are_one_static_kernel():
    torch.manual_seed(0)
    layer, x = SameForAll(3, 5, experts=4), torch.randn(2, 3, 4, 4)
    torch.nn.init.normal_(layer.logits)
    kernel = torch.tensordot(layer.logits.sigmoid(), layer.weight, 1)
    torch.testing.assert_close(layer(x), torch.nn.functional.conv2d(x, kernel, padding=1))


def test_the_true_style_chooses_the_kernel_and_only_it():
    torch.manual_seed(0)
    net, x = StyleNet().eval(), batch()
    net(x)
    for conv in net.convs:
        assert conv.weights.argmax(dim=1).tolist() == x[:, 1, 0, 0].tolist()
        assert (conv.weights.sum(dim=1) == 1).all()
    with torch.no_grad():
        for conv in net.convs:
            conv.weight[2:] = 0.0
    bright = x[:, 1, 0, 0] < 2
    torch.testing.assert_close(net.features(x)[~bright], net.features(0 * x + 2)[~bright])


def test_one_routing_serves_all_layers():
    torch.manual_seed(0)
    net, x = SharedNet().eval(), batch()
    first, second, third = net.routing(x)
    assert first is not second
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, third)
    assert first.std() > 1e-3
    net(x).sum().backward()
    assert net.convs[0].router.weight.grad.abs().sum() > 0


def test_only_the_nets_that_are_told_see_the_style():
    torch.manual_seed(0)
    x = batch()
    other = x.clone()
    other[:, 1] = (other[:, 1] + 1) % 4
    for name, sees in (("static", False), ("SE", False), ("CondConv", False), ("dynamic", False),
                       ("shuffled", False), ("CondConv, one routing", False),
                       ("told the style", True), ("by true style", True)):  # fmt: skip
        net = experiments_of(CHAPTER)[0].variant(name).build().eval()
        assert torch.equal(net(x), net(other)) != sees, name


def test_the_temperature_falls_in_training_and_stays_in_eval():
    net = WorldNet(dynamic(30.0), anneal=4)
    seen = []
    for _ in range(6):
        net(batch())
        seen.append([float(conv.temperature) for conv in net.convs])
    assert [row[0] for row in seen] == [30.0, 22.75, 15.5, 8.25, 1.0, 1.0]
    assert all(len(set(row)) == 1 for row in seen)
    net.eval()(batch())
    assert int(net.count) == 6
    fresh = WorldNet(dynamic(30.0), anneal=4)
    fresh.load_state_dict(net.state_dict())
    assert float(fresh.convs[0].temperature) == 1.0


def test_a_static_first_layer_is_a_convolution():
    net = WorldNet(static_first)
    assert [type(conv).__name__ for conv in net.convs] == ["Conv2d"] + 2 * ["DynamicConvolution"]


def size_and_work(name):
    net = experiments_of(CHAPTER)[0].variant(name).build().eval()
    return sum(p.numel() for p in net.parameters()), count_macs(net, torch.zeros(1, 2, 8, 8))


def test_rivals_are_as_large_and_work_as_much_as_they_say():
    parameters, work = size_and_work("CondConv")
    assert (parameters, WIDTHS) == (1_394, (3, 3, 6))
    assert size_and_work("static")[0] == 544
    assert size_and_work("dynamic")[0] == 1_454
    assert size_and_work("static, equal compute")[1] == pytest.approx(work, rel=0.03)
    wide, more = size_and_work("static, equal parameters")
    assert wide == pytest.approx(parameters, rel=0.03)
    assert 2 < more / work < 3


def test_a_turn_moves_no_weight_of_the_first_layer():
    torch.manual_seed(0)
    for layer in (routed, dynamic(1.0)):
        net = WorldNet(layer).eval()
        turned, inverted = (moved(net, change) for change in CHANGES)
        assert turned[0].max() < 1e-6
        assert turned[1].max() > 1e-5
        assert inverted[0].mean() > 1e-4


def test_answers_are_kept_for_each_change_layer_and_digit():
    torch.manual_seed(0)
    net, nothing = WorldNet(routed).eval(), torch.empty(0)
    measured = Score(answers, bounds=(0.0, 1.0)).measure(net, nothing, nothing)
    units = units_of_answers(FourWorlds())
    assert measured.items is not None
    assert len(measured.items) == len(units.of) == 400 * len(CHANGES) * len(LAYERS)
    kept = {0: measured.items.numpy()}
    recorded = SeedScores({0: measured.value}, Scale((0.0, 1.0)), kept, units.of.numpy(), "digits")
    split = by_change(recorded)
    wanted = float(moved(net, "inverted")[1].double().mean())
    assert math.isclose(split["inverted", 2][0], wanted, rel_tol=1e-9)
    with pytest.raises(ValueError, match="without their items"):
        by_change(SeedScores({0: 0.1}))


def test_a_shuffled_net_is_measured_on_pictures_in_one_order():
    assert pictures().shape == (4, 400, 1, 8, 8)
    net = WorldNet(of_kind(Shuffled)).eval()
    assert moved(net, "turned")[0].max() < 1e-6


def test_entropy_is_one_for_even_shares():
    shares = torch.tensor([[0.25] * 4, [1.0, 0, 0, 0]])
    torch.testing.assert_close(entropy(shares), torch.tensor([1.0, 0.0]))


# ---------------------------------------------------------------- what the chapter's text says


def gains(experiment, against):
    found = published(CHAPTER).compare(experiment, against)
    return {row.name: row.gain for row in found.rows if row.gain is not None}


def test_the_truth_and_a_wider_net_are_clearly_better_than_learned_routing():
    found = gains("worlds", "CondConv")
    for name, more in (("by true style", 0.075), ("static, equal parameters", 0.080)):
        assert found[name].verdict == "clear"
        assert found[name].mean == pytest.approx(more, abs=0.002)
    for name, less in (("static", -0.039), ("static, equal compute", -0.022),
                       ("same for all", -0.028), ("shuffled", -0.028)):  # fmt: skip
        assert found[name].verdict == "no clear effect"
        assert found[name].mean == pytest.approx(less, abs=0.001)


def test_the_style_helps_most_where_it_chooses_kernels():
    found = gains("worlds", "static")
    assert found["told the style"].mean == pytest.approx(0.032, abs=0.001)
    assert found["by true style"].mean == pytest.approx(0.114, abs=0.001)
    assert found["told the style"].verdict == found["by true style"].verdict == "clear"
    assert found["shuffled"].mean == pytest.approx(found["same for all"].mean, abs=0.001)


def test_annealing_did_not_help():
    found = gains("worlds", "dynamic")
    hot, annealed = found["dynamic, hot"], found["dynamic, annealed"]
    assert hot.mean < annealed.mean < 0
    assert hot.excludes_zero
    assert hot.verdict == annealed.verdict == "no clear effect"


def test_with_four_times_the_steps_the_gain_is_clear_and_the_wider_net_stays_ahead():
    found = gains("longer", "CondConv")
    assert found["static"].verdict == found["static, equal parameters"].verdict == "clear"
    assert found["static"].mean == pytest.approx(-0.047, abs=0.001)
    assert found["static, equal parameters"].mean == pytest.approx(0.037, abs=0.001)
    runs = published(CHAPTER)
    static, routed_short = runs.values("longer", "static"), runs.values("worlds", "CondConv")
    assert sum(static.values()) > sum(routed_short.values())


def test_a_turn_moves_nothing_at_first_and_an_inversion_more_than_a_turn_later():
    for name in ("CondConv", "dynamic"):
        moved_by = by_change(published(CHAPTER).values("routing", name))
        mean = {key: sum(values.values()) / 5 for key, values in moved_by.items()}
        assert abs(mean["turned", 1]) < 1e-6
        for layer in (2, 3):
            assert 0 < mean["turned", layer] < mean["inverted", layer]
    hot = by_change(published(CHAPTER).values("routing", "dynamic, hot"))
    assert max(sum(values.values()) / 5 for values in hot.values()) < 0.025
