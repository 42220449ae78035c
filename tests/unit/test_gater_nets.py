"""The controls of the experiments on GaterNet are the controls that they claim to be."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.channel import GaterNet
from attncourse.experiments.channel.gater import FILTERS
from attncourse.experiments.channel.gater.nets import (
    GATES,
    AllOn,
    Another,
    Excited,
    FilterNet,
    GaterAlone,
    SigmoidGates,
    StaticMask,
    loss,
)
from attncourse.experiments.channel.gater.probes import (
    PARTS,
    by_giver,
    givers,
    looked_into,
    on_rates,
    rates_of,
    swapped,
    units_looked_into,
)
from attncourse.experiments.results import published
from attncourse.experiments.summaries import Scale, SeedScores, difference, summarise
from attncourse.tasks.four_worlds import FourWorlds


def images():
    return torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_controls_are_what_they_claim_to_be():
    x = images()
    torch.manual_seed(0)
    mask, another = FilterNet(StaticMask).eval(), FilterNet(Another).eval()
    assert torch.equal(mask.net.g(x), mask.net.g(-x))
    assert torch.equal(another.net.g(x), GaterNet.g(another.net, x).roll(1, 0))
    every = FilterNet(AllOn).eval()
    assert bool((every.net.g(x) == 1).all())
    sigmoid = FilterNet(SigmoidGates).eval().net.g(x)
    assert 0 < float(sigmoid.min().detach()) < float(sigmoid.max().detach()) < 1
    assert FilterNet(Excited).eval()(x).shape == GaterAlone().eval()(x).shape == (4, 10)


def test_the_loss_adds_the_penalty_to_the_cross_entropy():
    torch.manual_seed(0)
    net = FilterNet(AllOn, penalty=0.5).train()
    x, y = images(), torch.arange(4)
    logits, penalty = net(x)
    assert float(penalty) == 0.5
    wanted = F.cross_entropy(logits, y)
    torch.testing.assert_close(loss((logits, penalty), y), wanted + 0.5)
    torch.testing.assert_close(loss(logits, y), wanted)


def test_sizes_are_those_that_the_chapter_compares():
    sizes = {v.name: sum(p.numel() for p in v.build().parameters()) for v in FILTERS.variants}
    assert sizes["GaterNet"] == 7890
    for name in ("as many parameters", "gater alone, large"):
        assert abs(sizes[name] / 7890 - 1) < 0.06, name
    assert sizes["weak gater alone"] < sizes["gater alone"] < 1800


def test_givers_share_what_they_are_said_to_share():
    _, digits, styles = FourWorlds().test_cases()
    everyone = torch.arange(len(digits))
    for name, giver in givers().items():
        assert bool((giver != everyone).all())
        assert bool(((digits[giver] == digits) == ("same digit" in name)).all())
        same_style = name in ("same digit and style", "same style, other digit")
        assert bool(((styles[giver] == styles) == same_style).all())


def test_swapped_answers_are_kept_part_by_part():
    torch.manual_seed(0)
    net, task = FilterNet().eval(), FourWorlds()
    x, y = task.test_set()
    found = looked_into(net, x, y)
    right = (net(x).argmax(1) == y).double()
    units = units_looked_into(task)
    assert len(units.of) == len(found) == len(PARTS) * len(y) + GATES
    items = {0: found.double().numpy()}
    recorded = SeedScores({0: float(found.mean())}, Scale(), items, units.of.numpy(), "digits")
    parts = by_giver(recorded)
    assert tuple(parts) == PARTS
    assert parts["own"].by_item[0].tolist() == right.tolist()
    assert torch.equal(torch.as_tensor(rates_of(recorded)[0]).float(), on_rates(net, x))
    assert torch.equal(found[: len(PARTS) * len(y)], swapped(net, x, y))
    with pytest.raises(ValueError, match="record them again"):
        by_giver(SeedScores({0: 0.5}))


def test_the_recorded_runs_say_what_the_chapter_says():
    recorded = published("channel/gater")
    against = recorded.compare("filters", "GaterNet")
    for name, sign in (("5 a layer", -1), ("gater alone, large", 1), ("all filters", 1)):
        gain = against[name].gain
        assert gain.verdict == "clear", name
        assert sign * gain.mean > 0.03, name
    gain = against["gater alone"].gain
    assert gain.low > 0
    weak = recorded.compare("filters", "9 a layer", ["9 a layer", "weak gater"])["weak gater"]
    assert weak.gain.high < 0
    parts = {name: by_giver(recorded.values("gates", name)) for name in ("GaterNet", "weak gater")}
    apart = {
        name: difference(found["same digit, other style"], found["same style, other digit"])
        for name, found in parts.items()
    }
    assert apart["GaterNet"].low > 0.5
    assert apart["weak gater"].low < 0 < apart["weak gater"].high
    assert summarise(parts["GaterNet"]["answers the giver's digit"]).low > 0.4
    assert summarise(parts["weak gater"]["answers the giver's digit"]).high < 0.1
    for rates in rates_of(recorded.values("gates", "another image's")).values():
        assert set(torch.as_tensor(rates).round(decimals=2).tolist()) <= {0.0, 1.0}
