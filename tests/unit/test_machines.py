"""Live machines refuse what does not fit, in words that name the argument and the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from attncourse import views
from attncourse.views import machines as m

ALT = "Small arrays of numbers and what a mechanism makes of them, step by step."
X = np.zeros((2, 3, 3))
GATE = m.GateLayer(np.eye(2), act="sigmoid")
STEPS = ["a", "b", "c", "d"]


def gate(x=X, names="ab", own_picture=(), **squeeze):
    given = {"name": "mean", "statistics": ["mean"], "layers": [GATE]} | squeeze
    return m.gate_machine(
        x, [m.Squeeze(**given)], id="gate", alt=ALT, names=list(names), own_picture=own_picture
    )


def attention(x=None, head=None, **more):
    x = np.zeros((6, 2)) if x is None else x
    head = head or m.Head("one", np.eye(2), np.eye(2))
    return m.attention_machine(
        x, (2, 3), [head], id="att", alt=ALT, features=["p", "q"], **more
    )  # fmt: skip


def time(x=None, **more):
    x = np.zeros((3, 2)) if x is None else x
    given = {"value": np.eye(2), "titles": STEPS, "symbols": STEPS} | more
    return m.time_machine(
        x, m.FrameGate([1.0, 1.0]), id="time", alt=ALT, frames=list("abc"), features=["p", "q"],
        outputs=["p", "q"], **given,
    )  # fmt: skip


def mixture(kernels=(1, 3, 3), score=(1, 1)):
    branch = m.Branch("near", np.zeros(kernels), [0.0], np.zeros(score))
    return m.mixture_machine(
        np.zeros((4, 4)), [branch], id="mix", alt=ALT, channels=["u"], reduce=np.zeros((1, 1)),
        reduce_bias=[0.0],
    )  # fmt: skip


def kernels(shape=(2, 3, 3), slopes=(1.0, -1.0), x=(4, 4)):
    return m.kernel_machine(
        np.zeros(x), np.zeros(shape), slopes, [0.0, 0.0], id="kernels", alt=ALT, names=["a", "b"]
    )


def codebook(x=None, words=None, **more):
    x = np.zeros((6, 2)) if x is None else x
    words = np.eye(2) if words is None else words
    return m.codebook_machine(x, (2, 3), words, id="codes", alt=ALT, **more)


def gather(x=None, extents=(2, 0), start=0):
    x = np.zeros((4, 5)) if x is None else x
    return m.gather_machine(x, extents, [m.Judge("bright")], id="cells", alt=ALT, start=start)


def lines(x=None, judges=1):
    x = np.zeros((4, 5)) if x is None else x
    return m.lines_machine(x, [m.Judge("bright")] * judges, id="lines", alt=ALT)


def blind(x=None, shuffle=None, query=0):
    x = np.full((3, 2, 2), 0.5) if x is None else x
    order = range(4) if shuffle is None else shuffle
    return m.blind_machine(x, id="blind", alt=ALT, shuffle=order, query=query)


def filters(shape=(2, 3, 3), weight=(2, 3), x=(4, 4)):
    return m.filter_machine(
        np.zeros(x), np.zeros(shape), np.zeros(weight), [0.0, 0.0], id="filters", alt=ALT,
        names=["a", "b"],
    )  # fmt: skip


REFUSED = {
    "names": (lambda: gate(names="abc"), "3 names"),
    "axes": (lambda: gate(x=np.zeros((3, 3))), r"pass \(c, h, w\)"),
    "statistic": (lambda: gate(statistics=["median"]), "choose of mean, max"),
    "frequencies": (lambda: gate(statistics=["frequency"]), "needs frequencies="),
    "width": (lambda: gate(statistics=["mean", "std"]), r"pass \(out, 4\)"),
    "gates": (lambda: gate(layers=[m.GateLayer(np.ones((3, 2)))]), "gives 3 gates for 2"),
    "filters": (lambda: gate(own_picture=[m.BRIGHTNESS]), "1 filters for 2 channels: give one"),
    "filter": (
        lambda: gate(own_picture=[m.BRIGHTNESS, m.Filter("wide", np.ones((5, 5)))]),
        r"'wide' has a kernel of shape \(5, 5\)",
    ),
    "act": (lambda: gate(layers=[m.GateLayer(np.eye(2), act="swish")]), "act='swish'"),
    "not finite": (lambda: gate(x=np.full((2, 3, 3), np.nan)), "NaN or infinite"),
    "grid": (lambda: attention(np.zeros((5, 2))), r"grid of 2 x 3 positions needs \(6, c\)"),
    "mask": (lambda: attention(masks=("diagonal",)), "mask 'diagonal' is unknown"),
    "normaliser": (lambda: attention(normaliser="sum"), "must be one of softmax"),
    "temperature": (lambda: attention(temperatures=(2,)), "must hold 1"),
    "query": (
        lambda: attention(head=m.Head("one", np.eye(3), np.eye(3))),
        r"both must be \(d, 2\)",
    ),
    "value": (
        lambda: attention(head=m.Head("one", np.eye(2), np.eye(2), np.ones((1, 2)))),
        "reads 1 numbers, but features names 2",
    ),
    "codes": (
        lambda: attention(codes=np.zeros((3, 3, 2))),
        r"a grid of 2 x 3 positions has displacements \(3, 5\)",
    ),
    "questions": (
        lambda: attention(codes=np.zeros((3, 5, 1))),
        r"'one' has place of shape \(\): with codes it must be \(2, 1\)",
    ),
    "frames": (lambda: time(np.zeros((4, 2))), r"3 frames and 2 features: pass \(t, c\)"),
    "outputs": (lambda: time(value=np.eye(3)), r"it must be \(2, 2\)"),
    "titles": (lambda: time(titles=STEPS[:3]), "3 titles and 4 symbols: this machine has 4"),
    "slider": (lambda: time(temperatures=(2,)), "must hold 1"),
    "preset": (lambda: time(presets={"other": np.zeros(3)}), r"must be \(3, 2\)"),
    "kernels": (lambda: mixture(kernels=(1, 2, 2)), "with an odd side"),
    "scores": (lambda: mixture(score=(1, 2)), r"it must be \(1, 1\)"),
    "even kernels": (lambda: kernels(shape=(2, 2, 2)), r"pass \(2, side, side\) with an odd"),
    "slopes": (lambda: kernels(slopes=(1.0,)), r"slopes has the shape \(1,\): pass \(2,\)"),
    "picture": (lambda: kernels(x=(4, 4, 3)), r"pass one grey image, \(h, w\)"),
    "even filters": (lambda: filters(shape=(2, 2, 2)), r"pass \(2, side, side\) with an odd"),
    "scores of filters": (lambda: filters(weight=(2, 2)), r"weight has the shape \(2, 2\): pass"),
    "one row": (lambda: filters(x=(1, 4)), r"pass one grey image, \(h, w\)"),
    "taps": (
        lambda: m.taps_machine(np.zeros((4, 4)), [1.0] * 8, id="taps", alt=ALT),
        "needs a square number of taps",
    ),
    "location": (
        lambda: m.glimpse_machine(np.zeros((4, 4)), id="glimpse", alt=ALT, size=2, start=(0, 3)),
        "must be 2 multiples of 0.02",
    ),
    "image": (
        lambda: m.glimpse_machine(np.zeros((4, 4, 3)), id="glimpse", alt=ALT, size=2),
        r"pass one grey image, \(h, w\)",
    ),
    "pixels": (lambda: codebook(np.zeros((5, 2))), r"2 x 3 pixels of two channels need \(6, 2\)"),
    "codewords": (lambda: codebook(words=np.zeros((3, 3))), r"pass \(k, 2\)"),
    "factor": (lambda: codebook(factor=-3.0), "must be one of factors"),
    "map": (lambda: gather(np.zeros((2, 3, 3))), r"pass one grey image, \(h, w\)"),
    "extent": (lambda: gather(extents=(-1,)), r"extents=\(-1,\), start=0 and 1 judges"),
    "map of lines": (lambda: lines(np.zeros((2, 3, 3))), r"pass one grey image, \(h, w\)"),
    "channels of decisions": (lambda: blind(np.zeros((2, 2, 2))), r"pass \(3, h, w\)"),
    "a pixel twice": (lambda: blind(shuffle=[0, 0, 1, 2]), "each of 0 to 3 once"),
    "a query outside": (lambda: blind(query=4), "query=4"),
    "no judge": (lambda: lines(judges=0), "pass one Judge at least"),
    "goal": (lambda: m.Goal("Open it.", ("gates", 0)).as_data(), "give one"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    "make", [gate, attention, time, mixture, kernels, codebook, gather, lines, blind, filters]
)
def test_a_machine_is_self_contained_and_repeats_byte_for_byte(make):
    html = make()._repr_mimebundle_()["text/html"]
    assert html == make()._repr_mimebundle_()["text/html"]
    assert "http" not in html
    assert html.count("<script") == 2
    assert html.count('class="ac-poster"') >= 1


def test_the_warp_is_a_sampler():
    html = views.explore_warp(np.zeros((4, 4)), id="warp", alt=ALT)._repr_mimebundle_()["text/html"]
    assert 'data-machine="sampler"' in html
