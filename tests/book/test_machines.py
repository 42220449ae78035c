"""Live machines in a browser: every number is Python's, by mouse, finger and keyboard."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from attncourse.channel import SqueezeExcitation
from attncourse.views import machines as m
from attncourse.views.machines.gate import filtered
from tests.book.machines import assert_python_s, gate_words

RNG = np.random.default_rng(5)
ALT = "Small arrays of random numbers and what a mechanism makes of them, step by step."
COLOURS = RNG.random((30, 3))
PICTURE = RNG.random((12, 10)).astype("f4")
FRAMES = RNG.random((6, 3)).round(1)
POINTS = np.random.default_rng(6).normal(size=(20, 2)).clip(-2, 2)
LIMITS = ((-1.0, 1.0), (0.0, 1.0), (-1.0, 1.0))


def se_layers(block):
    """The two layers of an SE block, for the machine."""
    down, up = (
        layer.detach().flatten(1).numpy() for layer in (block.reduce.weight, block.expand.weight)
    )
    return [
        m.GateLayer(
            down, block.reduce.bias.detach().numpy(), "relu", "Reduce", units=["h_1", "h_2"]
        ),
        m.GateLayer(up, block.expand.bias.detach().numpy(), "sigmoid", "Expand"),
    ]


def four_terms_heads():
    """A head that asks of contents and of places, for itself and for all."""
    draw = np.random.default_rng(7).normal
    return [
        m.Head("one", draw(size=(4, 3)), draw(size=(4, 3)), place=draw(size=(4, 2)),
               asks_key=draw(size=4), asks_place=draw(size=4)),
    ]  # fmt: skip


def every_machine():
    torch.manual_seed(0)
    block = SqueezeExcitation(4, reduction=2)
    eye = np.eye(4)
    squeezes = [
        m.Squeeze("mean", ["mean"], se_layers(block)),
        m.Squeeze("mean and std", ["mean", "std"],
                  [m.GateLayer(np.hstack([eye, -eye]), act="sigmoid")], units=list("abcdefgh")),
        m.Squeeze("norm", ["norm"],
                  [m.GateLayer(eye, np.full(4, -1), "1 + tanh", normalise=True)]),
        m.Squeeze("covariance", ["covariance"], [m.GateLayer(RNG.normal(size=(4, 16)), act="tanh")],
                  units=[f"{i}{j}" for i in "abcd" for j in "abcd"]),
        m.Squeeze("frequency", ["frequency"], [m.GateLayer(eye, act="sigmoid")]),
        m.Squeeze("max", ["max"], [m.GateLayer(eye, act="none")]),
        m.Squeeze("shares", ["mean"],
                  [m.GateLayer(np.random.default_rng(9).normal(size=(4, 4)), act="count softmax")]),
    ]  # fmt: skip
    x = RNG.random((4, 5, 6))
    heads = [
        m.Head("one", RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3)), RNG.normal(size=(2, 3)),
               RNG.normal(size=4), RNG.normal(size=4), RNG.normal(size=2)),
        m.Head("two", np.eye(3), np.eye(3), np.eye(2, 3)),
    ]  # fmt: skip
    names = [f"frame {t}" for t in range(6)]
    time = {
        "frames": names, "features": list("abc"), "value": RNG.normal(size=(2, 3)),
        "outputs": ["p", "q"], "limits": LIMITS, "presets": {"other": FRAMES[::-1]},
    }  # fmt: skip
    steps = ["Frames", "Scores", "Weights", "Sum"]
    kernels = RNG.normal(size=(2, 3, 3))
    branches = [
        m.Branch("near", kernels, [0.1, 0.2], RNG.normal(size=(2, 3))),
        m.Branch("far", kernels[::-1], [0.0, 0.1], RNG.normal(size=(2, 3)), dilation=2),
    ]
    return {
        "gate": m.gate_machine(
            x, squeezes, id="gate", alt=ALT, names=list("abcd"), presets={"other": x[::-1]},
            frequencies=[(0, 0), (0, 1), (1, 0), (2, 1)], epsilon=1e-5,
            goals=[m.Goal("Shut the gate of d.", ("gates", 3), below=2.0),
                   m.Goal("Open the gate of a far.", ("gates", 0), above=9.0)],
            own_picture=[m.BRIGHTNESS, m.EDGES_ACROSS, m.EDGES_DOWN,
                         m.Filter("blue less red", RNG.normal(size=(3, 3)), (-1, 0, 1), 0.2)],
        ),
        "attention": m.attention_machine(
            COLOURS, (5, 6), heads, id="attention", alt=ALT, features=["p", "q"],
            colours=np.eye(3), start=7, key=3, temperatures=(0.5, 1, 2), own_picture=True,
            masks=("all", "row and column", "window", "anchors", "not itself"),
            places={7: "A", 20: "B"}, presets={"B asks A": (20, 7)},
        ),
        "unnormalised": m.attention_machine(
            COLOURS, (1, 30), heads[1:], id="unnormalised", alt=ALT, features=["p", "q"],
            normaliser="number of keys", scale_choice=False, scaled=False, place="token {n}",
        ),
        "bare": m.attention_machine(
            COLOURS, (1, 30), heads[1:], id="bare", alt=ALT, features=["p", "q"],
            normaliser="none", scale_choice=False, scaled=False, place="token {n}",
        ),
        "four-terms": m.attention_machine(
            COLOURS, (5, 6), four_terms_heads(), id="four-terms", alt=ALT, features=list("abc"),
            codes=np.random.default_rng(8).normal(size=(9, 11, 2)), terms=(1, 0, 1, 0),
            scale_choice=False, scaled=False, start=8, key=3,
        ),
        "time": m.time_machine(
            FRAMES, m.FrameAttention(RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))), id="time",
            alt=ALT, titles=steps, symbols=steps, temperatures=(0.5, 1, 2), start=2, **time,
        ),
        "items": m.time_machine(
            FRAMES, m.FrameGate([1.0, 2.0, -1.0], 0.2, "softmax"), id="items", alt=ALT,
            titles=steps, symbols=steps, temperatures=(0.5, 1, 2), **time,
        ),
        "joints": m.time_machine(
            FRAMES, m.FrameGate([1.0, 2.0, -1.0], -0.3), id="joints", alt=ALT, average=True,
            joints=m.JointGate(RNG.normal(size=(4, 3)), RNG.normal(size=4),
                               RNG.normal(size=(3, 4)), RNG.normal(size=3)),
            titles=["Frames", "Joints", *steps[1:]], symbols=["x", "a", *steps[1:]],
            temperatures=(1, 10), **time,
        ),
        "mixture": m.mixture_machine(
            PICTURE, branches, id="mixture", alt=ALT, channels=["u", "v"],
            reduce=RNG.normal(size=(3, 2)), reduce_bias=RNG.normal(size=3),
            presets={"upside down": PICTURE[::-1]}, own_picture=True,
        ),
        "kernels": m.kernel_machine(
            PICTURE[:5, :5], kernels, [4.0, -4.0], [-2.0, 2.0], id="kernels", alt=ALT,
            names=["for bright", "for dark"], presets={"upside down": PICTURE[:5, :5][::-1]},
            own_picture=True,
        ),
        "gather": m.gather_machine(
            PICTURE, [1, 3, 4, 0], [m.Judge("bright"), m.Judge("dark", -6.0, 3.0)], id="gather",
            alt=ALT, start=1, presets={"upside down": PICTURE[::-1]}, own_picture=True,
            goals=[m.Goal("Shut the first.", ("gates", 0), below=0.2)],
        ),
        "lines": m.lines_machine(
            PICTURE, [m.Judge("bright"), m.Judge("dark", -6.0, 3.0)], id="lines", alt=ALT,
            presets={"upside down": PICTURE[::-1]}, own_picture=True,
            goals=[m.Goal("Shut the first row.", ("p", 0), below=0.2)],
        ),
        "blind": m.blind_machine(
            RNG.uniform(0.2, 0.9, (3, 4, 5)), id="blind", alt=ALT, query=7,
            shuffle=RNG.permutation(20), presets={"even": np.full((3, 4, 5), 0.5)},
            goals=[m.Goal("Hide a cell from criss-cross.", ("hidden",), above=0.5)],
        ),
        "roofline": m.roofline_machine(
            [
                m.CostForm("convolution", "9 * C ** 2 * H * W", "9 * C ** 2 + C"),
                m.CostForm("gate", "2 * C * H * W + C ** 2 // 8", "C ** 2 // 8", "C"),
                m.CostForm("pairs", "2 * (H * W) ** 2 * C", map="(H * W) ** 2"),
            ],
            {"slow": (10, 40), "fast": (20000, 3000)}, id="roofline", alt=ALT, start=(32, 7, 1),
            goals=[m.Goal("Make pairs dearer.", ("ratio", 2), above=1.0)],
        ),
        "filters": m.filter_machine(
            PICTURE[:5, :5], kernels, RNG.normal(size=(2, 3)), [-1.0, 0.5], id="filters", alt=ALT,
            names=["one", "two"], presets={"upside down": PICTURE[:5, :5][::-1]},
            own_picture=True,
        ),
        "glimpse": m.glimpse_machine(
            PICTURE, id="glimpse", alt=ALT, size=3, scales=3, presets={"corner": (-1.0, 1.0)},
            own_picture=True,
        ),
        "taps": m.taps_machine(
            PICTURE, RNG.normal(size=9), id="taps", alt=ALT, centre=(0.1, -0.2),
            presets={"apart": [0.5, -0.5] * 9, "far": [6.0, 6.0] * 9},
        ),
        "codebook": m.codebook_machine(
            POINTS, (4, 5), [[1, 0], [-1, 0.25], [0, -1.5]], id="codebook", alt=ALT, start=3,
            presets={"upside down": -POINTS},
            goals=[m.Goal("Give codeword 2 most of the pixels.", ("load", 1), above=0.5)],
        ),
    }  # fmt: skip


#: Named here, so that those who only look for tests draw no posters.
MACHINES = (
    "gate", "attention", "unnormalised", "bare", "four-terms", "time", "items", "joints",
    "mixture", "kernels", "gather", "lines", "blind", "roofline", "filters", "glimpse",
    "taps", "codebook",
)  # fmt: skip


@pytest.fixture(scope="session")
def page(browser):
    """One page with all of them, on a phone that has a keyboard."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.failures = []
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    machines = every_machine()
    assert tuple(machines) == MACHINES
    shown = "".join(view._repr_mimebundle_()["text/html"] for view in machines.values())
    page.set_content(f"<!doctype html><body>{shown}</body>")
    yield page
    assert page.failures == []
    context.close()


def spec(page, name):
    return json.loads(page.locator(f"#{name} script[type='application/json']").text_content())


def state(page, name):
    return json.loads(page.locator(f"#{name}").get_attribute("data-state"))


@pytest.mark.parametrize("name", MACHINES)
def test_numbers_at_the_start_are_python_s(page, name):
    assert not page.locator(f"#{name} .ac-poster").is_visible()
    assert_python_s(spec(page, name), state(page, name))


@pytest.mark.parametrize("name", MACHINES)
def test_numbers_after_every_button_and_choice_are_python_s(page, name):
    figure, data = page.locator(f"#{name}"), spec(page, name)
    seen = [state(page, name)]
    for control in figure.locator("button.ac-play, .ac-choice input").all():
        control.evaluate("c => c.click()")
        seen.append(state(page, name))
        assert_python_s(data, seen[-1])
    for bar in figure.locator("input[type=range]").all():
        bar.focus()
        for key in ("End", "ArrowLeft", "Home"):
            page.keyboard.press(key)
            seen.append(state(page, name))
            assert_python_s(data, seen[-1])
    if len(seen) > 1:
        assert any(later != seen[0] for later in seen), "no control does anything"


@pytest.mark.parametrize("name", MACHINES)
def test_numbers_after_keys_and_fingers_are_python_s(page, name):
    figure, data = page.locator(f"#{name}"), spec(page, name)
    for canvas in figure.locator("canvas[tabindex]").all()[:3]:
        canvas.focus()
        seen = [state(page, name)]
        for key in ("ArrowRight", "ArrowDown", " ", "+", "-", "End", "Home", "ArrowRight"):
            page.keyboard.press(key)
            seen.append(state(page, name))
            assert_python_s(data, seen[-1])
        assert any(later != seen[0] for later in seen), "the keyboard does nothing"
        canvas.scroll_into_view_if_needed()
        words = []
        for across, down in ((0.7, 0.8), (0.2, 0.3)):
            box = canvas.bounding_box()
            page.touchscreen.tap(box["x"] + across * box["width"], box["y"] + down * box["height"])
            assert_python_s(data, state(page, name))
            words.append((figure.locator(".ac-read").text_content(), state(page, name)))
        assert words[0] != words[1], "a finger does nothing"


def test_a_painted_gate_is_the_module_s(page):
    """After painting, the page's gates are those of the block whose weights it was given."""
    torch.manual_seed(0)
    block = SqueezeExcitation(4, reduction=2).double()
    page.locator("#gate .ac-choice input").first.evaluate("c => c.click()")
    page.locator("#gate canvas[tabindex]").nth(2).focus()
    for key in (" ", "ArrowDown", " ", "ArrowRight", "+"):
        page.keyboard.press(key)
    shown = state(page, "gate")
    x = torch.tensor(shown["x"], dtype=torch.float64).view(1, 4, 5, 6)
    np.testing.assert_allclose(shown["gates"], block.g(x).detach().flatten(), atol=1e-6)


def test_gates_that_agree_to_the_digits_shown_are_named_together(page):
    figure, names = page.locator("#gate"), list("abcd")

    def words():
        return figure.locator(".ac-read").text_content()

    figure.get_by_role("button", name="start again").click()
    for control in figure.locator(".ac-choice input").all():
        control.evaluate("c => c.click()")
        assert words().endswith(gate_words(names, state(page, "gate")["gates"]))
    figure.locator(".ac-choice input").nth(5).evaluate("c => c.click()")  # the maximum itself
    canvases = figure.locator("canvas[tabindex]")

    def paint(channels, key):
        for n in channels:
            canvases.nth(n).focus()
            for each in ("Home", *[key] * 10):
                page.keyboard.press(each)
        return words()

    said = paint((0, 2), "+")
    assert said.endswith(gate_words(names, state(page, "gate")["gates"]))
    assert "Widest open: a, b, c; most closed: d." in said, "the largest cell of b shows as 1.00"
    assert paint((1, 3), "+").endswith("d 1.00. All are alike.")
    figure.get_by_role("button", name="start again").click()


def test_goals_are_marked_when_they_are_reached(page):
    goals = page.locator("#gate .ac-goal")
    assert goals.nth(0).text_content().startswith("● reached")
    assert goals.nth(1).text_content().startswith("○")


def test_channels_change_places(page):
    button = page.get_by_role("button", name="start again").first
    button.click()
    before = np.reshape(state(page, "gate")["x"], (4, -1))
    page.get_by_role("button", name="Swap b and c").click()
    np.testing.assert_array_equal(
        np.reshape(state(page, "gate")["x"], (4, -1)), before[[0, 2, 1, 3]]
    )


def test_a_turn_moves_pixels_and_no_weight_and_inversion_moves_both(page):
    figure = page.locator("#kernels")
    figure.locator(".ac-choice input").first.evaluate("c => c.click()")
    figure.get_by_role("button", name="start again").click()
    before = state(page, "kernels")
    figure.get_by_role("button", name="turn by 90").click()
    turned = state(page, "kernels")
    np.testing.assert_allclose(
        np.reshape(turned["x"], (5, 5)), np.rot90(np.reshape(before["x"], (5, 5)), 1)
    )
    np.testing.assert_allclose(turned["weights"], before["weights"], atol=1e-12)
    figure.get_by_role("button", name="invert").click()
    inverted = state(page, "kernels")
    np.testing.assert_allclose(inverted["mean"], 1 - before["mean"], atol=1e-12)
    assert np.abs(np.subtract(inverted["weights"], before["weights"])).max() > 1e-3


def test_decisions_notice_what_the_theory_says(page):
    """After a shuffle three gates stay, non-local follows, and lines see; undo brings it back."""
    figure = page.locator("#blind")

    def words(press):
        figure.get_by_role("button", name="start again").click()
        figure.get_by_role("button", name=press, exact=True).click()
        return state(page, "blind")["words"]

    gates = dict.fromkeys(("SE", "GCT", "ECA"), "unchanged")
    lines = {"coordinate": "follows", "criss-cross": "follows"}
    seen = dict.fromkeys(lines, "changed")
    assert words("shuffle pixels") == {**gates, **seen, "non-local": "follows"}
    assert words("mirror") == {**gates, **lines, "non-local": "follows"}
    assert words("swap two rows") == {**gates, **lines, "non-local": "follows"}
    assert set(words("exchange A and B").values()) == {"changed"}
    assert state(page, "blind")["alone"] == 0
    quieter = words("halve all")
    assert [name for name, word in quieter.items() if word != "changed"] == ["GCT"]
    assert (quieter["GCT"], state(page, "blind")["alone"]) == ("unchanged", 1)
    before = state(page, "blind")["before"]
    figure.get_by_role("button", name="undo").click()
    assert state(page, "blind")["x"] == before
    figure.get_by_role("button", name="start again").click()
    figure.locator("canvas[tabindex]").first.focus()
    for key in ("End", " "):  # the query is pixel 7, in another row and column
        page.keyboard.press(key)
    assert state(page, "blind")["hidden"] == 1
    assert figure.locator(".ac-goal").text_content().startswith("● reached")


def test_decisions_are_compared_only_where_there_is_something_to_compare(page):
    """No word for a new map or for no change at all, and none that is told by last digits."""
    figure = page.locator("#blind")

    def press(name):
        button = figure.get_by_role("button", name=name, exact=True)
        if button.is_enabled():
            button.click()
        return state(page, "blind")

    unchanged = dict.fromkeys(spec(page, "blind")["names"], "unchanged")
    assert press("even")["words"] == unchanged  # a new map, not a change of the old one
    assert press("shuffle pixels")["words"] == unchanged  # no value is another
    assert state(page, "blind")["alone"] == 0
    for name in ("halve all", "add 0.1"):
        press("start again")
        for _ in range(50):
            found = press(name)
        assert found["words"] == dict.fromkeys(unchanged, "changed") | (
            {"GCT": "unchanged"} if name == "halve all" else {}
        )
        assert figure.get_by_role("button", name=name, exact=True).is_disabled()
        press("start again")
        assert figure.get_by_role("button", name=name, exact=True).is_enabled()


def test_noise_moves_gates_in_training_alone(page):
    figure = page.locator("#filters")
    figure.locator(".ac-choice input").first.evaluate("c => c.click()")
    figure.get_by_role("button", name="draw noise").click()
    assert set(state(page, "filters")["gates"]) <= {0, 1}
    assert not any(state(page, "filters")["noise"])
    for mode in (1, 2):
        figure.locator(".ac-choice input").nth(mode).evaluate("c => c.click()")
        noisy = state(page, "filters")
        assert all(noisy["noise"])
        assert all(0 <= gate <= 1 for gate in noisy["gates"])
    assert set(noisy["gates"]) <= {0, 1}
    figure.locator(".ac-choice input").first.evaluate("c => c.click()")


@pytest.mark.parametrize("name", ["mixture", "kernels", "gather", "lines", "filters", "glimpse"])
def test_a_picture_of_the_reader_s_own_turns_grey(page, tmp_path, name):
    from PIL import Image

    Image.new("RGB", (40, 48), (255, 0, 255)).save(tmp_path / "own.png")
    page.locator(f"#{name} input[type=file]").set_input_files(tmp_path / "own.png")
    names = ("mixture", "kernels", "gather", "lines", "filters")
    key = {"glimpse": "image", **dict.fromkeys(names, "x")}[name]
    page.wait_for_function(
        "([name, key]) => Math.abs((JSON.parse(document.getElementById(name).dataset.state)[key]"
        " || [0])[0] - 2 / 3) < 0.01",
        arg=[name, key],
    )
    np.testing.assert_allclose(state(page, name)[key], 2 / 3, atol=0.01)
    assert_python_s(spec(page, name), state(page, name))


def test_a_picture_of_the_reader_s_own_stays_in_the_page(page, tmp_path):
    from PIL import Image

    pixels = np.zeros((50, 60, 3), dtype=np.uint8)
    pixels[:25], pixels[25:, :, 2] = (255, 0, 0), 255  # red above blue
    Image.fromarray(pixels).save(tmp_path / "own.png")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#attention input[type=file]").set_input_files(tmp_path / "own.png")
    page.wait_for_function(
        "JSON.parse(document.querySelector('#attention').dataset.state).x[0] > 0.99"
    )
    shown = state(page, "attention")
    tokens = np.reshape(shown["x"], (5, 6, 3))
    np.testing.assert_allclose(tokens[0], np.broadcast_to([1, 0, 0], (6, 3)), atol=0.01)
    np.testing.assert_allclose(tokens[-1], np.broadcast_to([0, 0, 1], (6, 3)), atol=0.01)
    assert_python_s(spec(page, "attention"), shown)
    assert all(url.startswith(("data:", "blob:")) for url in asked)


def test_a_picture_of_the_reader_s_own_becomes_channels_by_the_stated_filters(page, tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    pixels[:, :30] //= 4
    Image.fromarray(pixels).save(tmp_path / "own.png")
    figure = page.locator("#gate")
    page.locator("#gate input[type=file]").set_input_files(tmp_path / "own.png")
    page.wait_for_function("JSON.parse(document.querySelector('#gate').dataset.state).picture")
    shown, data = state(page, "gate"), spec(page, "gate")
    wanted = filtered(
        np.reshape(shown["picture"], (5, 6, 3)), [m.Filter(**each) for each in data["own"]]
    )
    np.testing.assert_allclose(np.reshape(shown["x"], (4, 5, 6)), wanted, atol=1e-5)
    assert len(np.unique(wanted.round(3))) > 60, "four channels with something in each"
    assert_python_s(data, shown)
    names = figure.locator(".ac-step").first.locator(".ac-cell-name")
    assert names.all_text_contents()[0] == "a: brightness"
    stated = figure.locator("details")
    stated.locator("summary").click()
    assert (
        "c: brighter downwards. Kernel −0.5 −1 −0.5 / 0 0 0 / 0.5 1 0.5 of the mean of"
        in stated.text_content()
    )
    page.get_by_role("button", name="Swap a and b").click()
    assert names.all_text_contents()[:2] == ["a: brighter to the right", "b: brightness"]
    page.locator("#gate").get_by_role("button", name="start again").click()
    assert names.all_text_contents()[0] == "a"
    assert state(page, "gate")["picture"] is None


@pytest.mark.parametrize("name", MACHINES)
def test_it_fits_a_phone(page, name):
    wide = page.locator(f"#{name}").evaluate(
        "f => Math.max(...[...f.querySelectorAll('*')].map(n => n.getBoundingClientRect().right))"
    )
    assert wide <= 391


def test_scripts_stay_light(repository):
    """A machine with its bench under 25 kB; with all that the course's pages run, under 150 kB."""
    from attncourse.views.fragment import _asset

    views = repository / "attncourse" / "views"
    sizes = {
        f"{folder}/{file.name}": len(_asset(f"{folder}/{file.name}").encode())
        for folder in ("machines", "explorers")
        for file in (views / folder).glob("*.js")
    }
    pages = sum(file.stat().st_size for file in (repository / "book" / "_static").glob("*.js"))
    shared = sizes["explorers/core.js"] + sizes["machines/bench.js"]
    largest = max(size for name, size in sizes.items() if name.startswith("machines/"))
    assert shared + largest < 25_000
    assert pages + sum(sizes.values()) < 150_000
