"""The controls of the experiments on Highway and SKNet are the controls that they claim to be."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from attncourse.branch import Highway
from attncourse.exercises.branch.selective_kernel import GATE_BIAS, SELECTION_COUNT
from attncourse.experiments.branch.selective_kernel.nets import (
    ConstantGate,
    DeepNet,
    EvenMixture,
    IdentityStart,
    Shuffled,
    highway,
    selective,
)
from attncourse.experiments.branch.selective_kernel.probes import (
    CHANGES,
    answers,
    by_change,
    pictures,
    preference,
    rise,
    units_of_answers,
)
from attncourse.experiments.results import published
from attncourse.experiments.scores import Score
from attncourse.experiments.summaries import Scale, SeedScores, difference, summarise
from attncourse.tasks import digits
from attncourse.tasks.object_scale import ObjectScale


def test_a_constant_gate_is_a_highway_layer_that_does_not_look():
    x, gate, layer = torch.randn(4, 6), ConstantGate(6, -1.0), Highway(6, gate_bias=-1.0)
    with torch.no_grad():
        layer.transform.load_state_dict(gate.transform.state_dict())
        layer.gate.weight.zero_()
    torch.testing.assert_close(gate(x), layer(x))
    assert sum(p.numel() for p in gate.parameters()) == 6 * 6 + 6


def test_deep_nets_standardise_the_digits():
    train = digits()[0]
    seen = []
    net = DeepNet(lambda width: torch.nn.Identity(), 1)
    net.stem.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    assert net(train).shape == (1400, 10)
    assert abs(float(seen[0].mean())) < 1e-3
    assert abs(float(seen[0].std()) - 1) < 1e-3
    assert len(highway(-4.0).layers) == 50


def test_an_even_mixture_averages_and_has_nothing_to_select_with():
    block = EvenMixture(8, groups=2, min_hidden=4)
    x = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(block(x), torch.stack(block.branches(x)).mean(dim=0))
    assert sum(p.numel() for p in block.parameters()) == 2 * (9 * 8 * 8 // 2 + 2 * 8)


def test_shuffled_weights_are_those_of_another_image():
    torch.manual_seed(0)
    block = Shuffled(8, groups=2, min_hidden=4).eval()
    for p in (block.reduce.weight, block.scores.weight):
        torch.nn.init.normal_(p)
    x = torch.randn(3, 8, 5, 5)
    own = super(Shuffled, block).weigh(block.branches(x))
    torch.testing.assert_close(block.g(x)[1], own[0])
    assert not torch.allclose(block.g(x), own, atol=1e-3)


def test_the_rise_is_that_of_the_second_branch_from_small_to_large():
    torch.manual_seed(0)
    net = selective().eval()
    torch.nn.init.normal_(net.first.scores.weight)
    small, large = (net.attention(ObjectScale().enlarged(side)[0])[0] for side in (8, 20))
    gaps = [(a[:, 1] - a[:, 0]).mean(dim=1) for a in (small, large)]
    found = rise(net, torch.empty(0), torch.empty(0))
    torch.testing.assert_close(found, gaps[1] - gaps[0])
    assert found.abs().min() > 1e-9
    assert not rise(selective(EvenMixture).eval(), torch.empty(0), torch.empty(0)).any()
    assert preference(net, ObjectScale().enlarged(14)[0]).shape == (400,)


def test_changes_move_size_and_ink_apart():
    """Ink is the sum of the pixels; the noise is the same in all pictures."""
    ink = {change: float(pictures(change).sum()) for change in CHANGES}
    small = float(ObjectScale().enlarged(8)[0].sum())
    noise = small - float(ObjectScale(noise=0.0).enlarged(8)[0].sum())
    times = {change: (total - noise) / (small - noise) for change, total in ink.items()}
    assert math.isclose(times["elsewhere"], 1, rel_tol=1e-3)
    assert math.isclose(times["larger"], 6.25, rel_tol=0.02)
    assert math.isclose(times["larger and fainter"], 1, rel_tol=0.02)
    assert math.isclose(times["six copies"], 6, rel_tol=1e-3)
    assert math.isclose(times["nine copies"], 9, rel_tol=1e-3)
    assert math.isclose(times["more contrast"], 2.5, rel_tol=1e-3)


def test_answers_are_kept_for_each_change_and_digit():
    torch.manual_seed(0)
    net = selective().eval()
    torch.nn.init.normal_(net.first.scores.weight)
    nothing = torch.empty(0)
    measured = Score(answers, bounds=(-2.0, 2.0)).measure(net, nothing, nothing)
    assert measured.items is not None
    units = units_of_answers(ObjectScale())
    assert len(measured.items) == len(units.of) == 400 * len(CHANGES)
    kept = {0: measured.items.numpy()}
    recorded = SeedScores({0: measured.value}, Scale((-2.0, 2.0)), kept, units.of.numpy(), "digits")
    split = by_change(recorded)
    assert list(split) == list(CHANGES)
    assert math.isclose(split["larger"][0], float(rise(net, nothing, nothing).double().mean()))
    assert split["larger"].units is not None
    assert (split["nine copies"].units == split["larger"].units).all()
    with pytest.raises(ValueError, match="without their items"):
        by_change(SeedScores({0: 0.1}))


def test_a_plain_net_that_starts_as_the_identity_keeps_what_differs():
    x = digits()[0][:40]
    net = DeepNet(IdentityStart)
    torch.testing.assert_close(net.layers(net.embed(x)), net.embed(x))
    assert sum(p.numel() for p in net.layers[0].parameters()) == 32 * 32 + 32
    likeness = net.likeness(x)
    assert likeness.shape == (51,)
    torch.testing.assert_close(likeness, likeness[:1].expand(51))
    unit = F.normalize(net.embed(x), dim=1).detach()
    pairs = [float(unit[i] @ unit[j]) for i in range(40) for j in range(i)]
    assert math.isclose(float(likeness[0].detach()), sum(pairs) / len(pairs), rel_tol=1e-4)


def test_a_mean_readout_averages():
    torch.manual_seed(0)
    x, net = ObjectScale().train_batch(0, 0, 4)[0], selective(readout="mean").eval()
    features = net.second(net.widen(net.first(net.stem(x))))
    torch.testing.assert_close(net(x), net.classifier(features.mean(dim=(2, 3))))


def test_both_branches_of_a_net_get_a_gradient():
    net = selective()
    x, y = ObjectScale().train_batch(0, 0, 8)
    F.cross_entropy(net(x), y).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_numbers_asked_for_are_what_counting_says():
    assert SELECTION_COUNT.truth() == 1_021_120
    carried = (1 - torch.sigmoid(torch.tensor(GATE_BIAS.truth(), dtype=torch.float64))) ** 50
    assert math.isclose(float(carried), 0.5, rel_tol=1e-9)
    wrong = {name: round(value) for name, value in SELECTION_COUNT.wrong_answers()}
    assert wrong["a count that holds the branches"] > 1_021_120 > wrong["no normalisation"]


# ---------------------------------------------------------------- what the chapter's text says


def test_no_clear_gain_of_the_choice_but_foreign_weights_do_harm():
    runs = published("branch/selective_kernel")
    fresh = runs.compare("scale", seeds=range(10, 20))
    gain, harm = fresh["SK"].gain, fresh["SK, shuffled"].gain
    assert gain is not None
    assert harm is not None
    assert 0.004 < gain.mean < 0.005
    assert gain.verdict == "no clear effect"
    assert not gain.excludes_zero
    assert harm.mean < -0.005
    assert harm.excludes_zero
    against = runs.compare("scale", against="SK", seeds=range(10, 20))
    shuffled, equal = against["SK, shuffled"].gain, against["SK, equal reach"].gain
    assert shuffled is not None
    assert equal is not None
    assert shuffled.verdict == "clear"
    assert harm.mean < shuffled.mean / 2
    assert not equal.excludes_zero


def test_most_of_the_second_branch_is_not_its_reach():
    found = published("branch/selective_kernel").compare("reach", against="one 3x3 kernel")
    twice, both = found["two 3x3 kernels"].gain, found["even mixture"].gain
    assert twice is not None
    assert both is not None
    assert twice.verdict == both.verdict == "clear"
    assert 0.6 < twice.mean / both.mean < 0.8


def test_the_weight_follows_the_ink_where_ink_says_nothing_of_the_size():
    answers_of = by_change(published("branch/selective_kernel").values("ink_apart", "SK"))
    assert len(answers_of["larger"]) == 5
    assert difference(answers_of["six copies"], answers_of["larger"]).verdict == "clearly small"
    faint = summarise(answers_of["larger and fainter"])
    assert faint.low < 0 < faint.high < 0.1
    assert sum(rise > 0 for rise in answers_of["larger"].values()) == 4


def test_with_the_average_the_weight_then_follows_the_size_a_little():
    """Ink says nothing of the size in training; the paper's readout in place of the largest."""
    runs = published("branch/selective_kernel")
    answers_of = by_change(runs.values("ink_apart", "SK, mean readout"))
    faint, contrast = (answers_of[change] for change in ("larger and fainter", "more contrast"))
    assert len(faint) == len(contrast) == 5
    assert 0.03 < min(faint.values()) < max(faint.values()) < 0.135
    assert 0.03 < summarise(faint).low < 0.05
    assert max(contrast.values()) < 0 < summarise(contrast).high
    less = difference(contrast, answers_of["larger"])
    assert less.verdict == "clear"
    assert less.high < 0
    copies = summarise(answers_of["six copies"])
    assert copies.low < -0.05 < 0.05 < copies.high
    usual = by_change(runs.values("what_moves", "SK, mean readout"))["larger and fainter"]
    assert summarise(usual).low < 0 < summarise(usual).high


def test_with_ink_apart_finer_groups_settle_nothing_and_signs_agree_by_chance():
    runs = published("branch/selective_kernel")
    finer = by_change(runs.values("ink_apart", "SK, 16 groups, d = 32"))
    assert all(summarise(scores).low < 0 < summarise(scores).high for scores in finer.values())
    others = (change for change in finer if change != "larger")
    apart = {change: difference(finer[change], finer["larger"]) for change in others}
    assert {found.verdict for found in apart.values()} == {"no clear effect"}
    equal = by_change(runs.values("ink_apart", "SK, equal reach"))["larger and fainter"]
    assert len(equal) == 5
    assert max(equal.values()) < 0 < summarise(equal).high


def test_weight_moves_with_size_in_every_seed_and_with_equal_reach_in_some():
    runs = published("branch/selective_kernel")
    rises = runs.values("attention_rise", "SK")
    equal = runs.values("attention_rise", "SK, equal reach")
    assert len(rises) == len(equal) == 10
    assert min(rises.values()) > 0
    assert sum(rise > 0.05 for rise in equal.values()) == 4
    assert sum(rise < -0.05 for rise in equal.values()) == 2
    assert sum(rise > min(rises.values()) for rise in equal.values()) == 3
    found = runs.compare("attention_rise", against="SK, equal reach")["SK"].gain
    assert found is not None
    assert found.verdict == "clear"


def test_copies_move_the_weight_as_far_as_size_and_size_at_equal_ink_does_not():
    answers_of = by_change(published("branch/selective_kernel").values("what_moves", "SK"))
    assert all(len(scores) >= 5 for scores in answers_of.values())
    for change in ("larger", "six copies", "nine copies", "more contrast"):
        assert min(answers_of[change].values()) > 0.1
    copies = difference(answers_of["six copies"], answers_of["larger"])
    assert abs(copies.mean) < 0.05 < min(answers_of["larger"].values())
    assert difference(answers_of["nine copies"], answers_of["larger"]).mean > 0
    assert max(answers_of["larger and fainter"].values()) < 0.05
    assert summarise(answers_of["elsewhere"]).high < 0.05


def test_finer_groups_and_a_wider_hidden_layer_follow_the_ink_too():
    finer = "SK, 16 groups, d = 32"
    answers_of = by_change(published("branch/selective_kernel").values("what_moves", finer))
    larger, copies = answers_of["larger"], answers_of["six copies"]
    assert min(larger.values()) > 0.1 < min(copies.values())
    assert difference(copies, larger).verdict == "no clear effect"
    assert max(answers_of["larger and fainter"].values()) < 0
    ratio = sum(answers_of["more contrast"].values()) / sum(larger.values())
    assert 0.5 < ratio < 0.65
    contrast = summarise(answers_of["more contrast"])
    assert contrast.low < 0 < contrast.high
    less = difference(answers_of["more contrast"], larger)
    assert less.verdict == "clear"
    assert less.high < 0
    net = selective()
    assert [b.convs[0].weight.shape[1] for b in (net.first, net.second)] == [4, 8]
    net = selective(groups=16, min_hidden=32)
    assert net.first.convs[0].groups == net.second.convs[0].groups == 16
    assert net.first.reduce.out_features == net.second.reduce.out_features == 32


def test_plain_layers_that_start_as_the_identity_train():
    runs = published("branch/selective_kernel")
    identity = runs.values("depth", "identity start")
    assert len(identity) == 10
    assert min(identity.values()) > max(runs.values("depth", "plain").values()) + 0.2
    half = runs.compare("depth")["highway, bias 0"].gain
    assert half is not None
    assert half.verdict == "no clear effect"
    assert (round(half.low, 2), round(half.high, 2)) == (-0.14, 0.08)
    close = runs.compare("depth", against="highway, bias -4")
    for control in ("identity start", "constant gate"):
        gain = close[control].gain
        assert gain is not None
        assert abs(gain.mean) < 0.02


def test_a_gate_shut_far_enough_trains_and_a_plain_net_only_slowly():
    runs = published("branch/selective_kernel")
    shut, ajar = (runs.values("depth", f"highway, bias {bias}") for bias in (-3, -2))
    assert len(shut) == len(ajar) == 10
    assert min(shut.values()) > 0.8 > 0.5 > max(ajar.values())
    plain = runs.values("depth_longer", "plain")
    identity = runs.values("depth", "identity start").only(plain)
    assert min(plain.values()) > max(runs.values("depth", "plain").values()) + 0.1
    assert difference(plain, identity).verdict == "clear"
