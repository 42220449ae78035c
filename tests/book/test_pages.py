"""The built book in a real browser: complete, private, readable, playable."""

from __future__ import annotations

import base64
import itertools
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin

import chapter_files
import chapter_rules as rules
import numpy as np
import pytest
import yaml

from attncourse.views.warp import read_bilinear, warp_points
from tests.book.conftest import PAINTED
from tests.book.machines import assert_python_s

pytestmark = pytest.mark.browser
CHAPTERS = rules.chapters()
#: A page may need so many times as long for its first text as a page of text alone.
SLOWER = 8


def pages():
    """Every page of the table of contents, from the source, so that none is forgotten."""
    toc = yaml.safe_load((rules.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = [entry["file"] for part in toc["parts"] for entry in chapter_files.entries(part)]
    return [f"{file}.html" for file in (toc["root"], *entries)]


PAGES = pages()


# ---------------------------------------------------------------- the files themselves


class Reader(HTMLParser):
    """Links, anchors, images and headings of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.images = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.ids.add(given["id"])
        for key in ("href", "src"):
            if given.get(key):
                self.links.append(given[key])
        if tag == "img":
            self.images.append(given)


@pytest.fixture(scope="session")
def read(html):
    return {
        p.relative_to(html).as_posix(): Reader(p.read_text(encoding="utf-8"))
        for p in html.rglob("*.html")
        if "_static" not in p.parts
    }


def test_every_entry_has_its_page(html):
    assert [p for p in PAGES if not (html / p).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_lead_somewhere(page, read, html):
    broken = []
    for link in read[page].links:
        if re.match(r"(https?:|mailto:|data:|javascript:)", link):
            continue
        path, anchor = urldefrag(urljoin(page, link.split("?")[0]))
        path = unquote(path or page)
        missing = anchor and path in read and unquote(anchor) not in read[path].ids
        if missing or not (html / path).exists():
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES)
def test_images_are_described(page, read):
    """All but the map's small pictures, beside which the chapter's title stands."""
    told = [i for i in read[page].images if i.get("class") != "ac-thumb"]
    assert [i for i in told if not i.get("alt", "").strip()] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_launch_links_are_right(name, read):
    """They come from the repository's one address, and name this very notebook."""
    from repository import repository

    links = " ".join(read[f"book/{name}.html"].links)
    assert f"colab.research.google.com/github/{repository()}/blob/main/book/{name}.ipynb" in links
    assert re.search(
        rf"mybinder\.org/v2/gh/{repository()}/main\?urlpath=\S*book/{name}\.ipynb", links
    )


# ---------------------------------------------------------------- every page, in the browser


@pytest.mark.parametrize("page", PAGES)
def test_page_is_complete_private_and_quiet(page, stay):
    """No other host, no console error, no broken formula, headings in order."""
    v = stay(page)
    assert v.foreign == []
    assert v.errors == []
    assert v.page.locator("mjx-merror").count() == 0
    maths = v.page.locator(".math").count()
    assert v.page.locator("mjx-container").count() >= maths, "some formula was not set"
    levels = v.page.eval_on_selector_all(
        "article h1, article h2, article h3, article h4", "hs => hs.map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), levels
    assert v.page.locator("article h1").count() == 1


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_a_phone(page, stay):
    v = stay(page, width=360)
    wide = v.page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 360, f"the page is {wide} px wide on a phone of 360"


@pytest.mark.parametrize("page", PAGES)
def test_first_load_is_light(page, stay):
    """Uncompressed: all that a first visit loads, and what the page adds to the shared files."""
    sizes = stay(page).sizes
    own = sum(size for url, size in sizes.items() if "/_static/" not in url)
    assert sum(sizes.values()) < 2_000_000, sorted(sizes.items(), key=lambda i: -i[1])[:8]
    assert own < 1_500_000


@pytest.mark.parametrize("page", PAGES)
def test_text_is_there_soon(page, stay, first_paint, plain_paint):
    """First paint of content against that of a page of nothing but as much text.

    The machine's speed, and most of what else it does, is in both.  The one load of the page
    that serves all tests is timed; only a page that seems slow is loaded again, for other work
    can only add to a time.
    """
    times, plain = [stay(page).page.evaluate(PAINTED)], [plain_paint()]
    while len(times) < 8 and min(times) > SLOWER * max(plain):
        times.append(first_paint(page))
        plain.append(plain_paint(again=True))
    assert min(times) <= SLOWER * max(plain), (times, plain)


#: What a reader may type, the page that must be among the answers, and the last place it may have.
SEARCHES = {
    "softmax jacobian": ("foundations/what_is_attention", 20),
    "excitation": ("channel/squeeze_excitation", 1),
    "SE block": ("channel/squeeze_excitation", 1),
    "senet": ("channel/squeeze_excitation", 1),
    "Hu": ("channel/squeeze_excitation", 2),
    "sqeeze": ("channel/squeeze_excitation", 1),
    "defromable convolutoin": ("spatial/deformable_convolution", 1),
    "batch normalisation": ("foundations/building_blocks", 1),
    "挤压": ("channel/squeeze_excitation", 1),
    "通道注意力": ("channel/index", 1),
    "道注意": ("glossary", 20),
}


def test_search_finds(visit):
    v = visit("search.html?q=softmax+jacobian")
    v.page.wait_for_selector("#search-results li .context")
    missed = {}
    for words, (page, place) in SEARCHES.items():
        found = v.page.evaluate(
            """words => {
                const list = Search._performSearch(...Search._parseQuery(Search.mended(words)));
                return list.reverse().map(found => found[0]);  // the best stands last
            }""",
            words,
        )
        if f"book/{page}" not in found[:place]:
            missed[words] = found[:5]
    assert missed == {}
    assert v.foreign == []


def test_the_page_of_the_search_mends_a_word_and_says_so(visit):
    v = visit("search.html?q=sqeeze+excitaton")
    v.page.wait_for_selector("#search-results li .context")
    assert v.page.inner_text(".ac-mended") == (
        "Nothing has “sqeeze excitaton”. These pages have squeeze excitation:"
    )
    excerpts = " ".join(v.page.eval_on_selector_all(".context", "all => all.map(e => e.innerText)"))
    assert "Show the code" not in excerpts
    assert "\\" not in excerpts, "the source of a formula"
    v.open("search.html?q=xyzzyq")
    v.page.wait_for_function("document.querySelector('#search-results h2')?.innerText.length")
    assert v.page.locator(".ac-mended").count() == 0


# ---------------------------------------------------------------- explorers


def in_outputs(pattern):
    """(chapter, what the pattern finds) in the stored outputs of every chapter."""
    found = []
    for name in CHAPTERS:
        for cell in rules.load(name)["cells"]:
            for output in cell.get("outputs", []):
                html = "".join(output.get("data", {}).get("text/html", ""))
                if '<figure class="ac"' in html:
                    found += [(name, match) for match in re.findall(pattern, html)]
    return found


#: (chapter, id) and (chapter, kind) of every explorer; all machines are of one kind here.
EXPLORERS = in_outputs(r'<figure class="ac" id="([\w-]+)" role')
KINDS = in_outputs(r'<script type="application/json">{"kind": *"(\w+)')
IDS = [f"{name}-{i}" for name, i in EXPLORERS]


def spec(page, identifier):
    return json.loads(page.locator(f"#{identifier} script[type='application/json']").text_content())


def state(page, identifier):
    return json.loads(page.locator(f"#{identifier}").get_attribute("data-state"))


def unfold(page):
    """Open the sections that deepen and hold an explorer, as a reader does."""
    folded = page.locator("details.ac-deeper:not([open]):has(figure.ac[role])")
    while folded.count():
        folded.first.locator("> summary").click()


def floats(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def halves(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f2").astype("f4")


def test_there_are_explorers():
    assert EXPLORERS


@pytest.mark.parametrize(("name", "identifier"), EXPLORERS, ids=IDS)
def test_explorer_shows_the_array_s_numbers(name, identifier, stay):
    """At sampled settings, what the page says equals what Python stored."""
    page = stay(f"book/{name}.html").page
    unfold(page)
    data = spec(page, identifier)
    figure = page.locator(f"#{identifier}")
    figure.scroll_into_view_if_needed()
    kind = data["kind"]
    if kind == "curves":
        sliders = figure.locator("input[type=range]")
        lengths = [len(v) for v in data["sliders"].values()]
        table = floats(data["curves"]).reshape(*lengths, len(data["series"]), -1)
        for setting in (tuple(0 for _ in lengths), tuple(n - 1 for n in lengths)):
            for index, value in enumerate(setting):
                sliders.nth(index).fill(str(value))
            shown = state(page, identifier)
            assert tuple(shown["chosen"]) == setting
            for row, values in zip(table[setting], shown["series"].values(), strict=True):
                np.testing.assert_allclose(values, row, rtol=1e-6)
        return
    if kind == "frames":
        bar = figure.locator("input[type=range]")
        for frame in (0, len(data["frames"]) - 1):
            bar.fill(str(frame))
            assert state(page, identifier) == {"frame": frame}
            drawing = "".join(data["parts"][n] for n in data["frames"][frame])
            kind, shown = figure.locator("img.ac-frame").get_attribute("src").split(",", 1)
            assert kind == "data:image/svg+xml", "films are drawings, sharp on every screen"
            assert unquote(shown) == drawing
            assert figure.locator(".ac-read").text_content() == data["captions"][frame]
        return
    if kind.startswith("machine:"):
        # Its buttons and keys are tried on small arrays in test_machines.
        assert_python_s(data, state(page, identifier))
        for button in figure.locator("button.ac-play").all()[:3]:
            button.click()
            assert_python_s(data, state(page, identifier))
        return
    if kind == "warp":
        image = floats(data["image"]).reshape(data["image_shape"])
        for name, theta in data["presets"]:
            figure.get_by_role("button", name=name, exact=True).click()
            shown = state(page, identifier)
            assert shown["theta"] == pytest.approx(theta)
            wanted = read_bilinear(image, warp_points(theta, data["out"]))
            np.testing.assert_allclose(shown["values"], wanted.ravel(), atol=1e-6)
        return
    canvas = figure.locator("canvas[tabindex]")
    rows, columns = data["grid"]
    box = canvas.bounding_box()
    for row, column in ((0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3)):
        page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / columns,
            box["y"] + (row + 0.5) * box["height"] / rows,
        )
        shown = state(page, identifier)
        assert (shown["row"], shown["column"]) == (row, column)
        if kind == "gates":
            wanted = floats(data["gates"]).reshape(rows, columns)[row, column]
            assert shown["gate"] == pytest.approx(float(wanted), rel=1e-6)
            assert f"{wanted:.3f}" in figure.locator(".ac-read").text_content()
        else:
            weights = halves(data["maps"]).reshape(rows * columns, -1)[row * columns + column]
            assert shown["top"] == int(weights.argmax())
            assert shown["weight"] == pytest.approx(float(weights.max()), rel=1e-6)
            inside = weights[weights > 0].astype(float)
            assert shown["entropy"] == pytest.approx(-(inside * np.log2(inside)).sum(), abs=1e-3)


@pytest.mark.parametrize(("name", "identifier"), EXPLORERS, ids=IDS)
def test_explorer_reacts_to_the_keyboard_and_says_so(name, identifier, stay):
    page = stay(f"book/{name}.html").page
    unfold(page)
    figure = page.locator(f"#{identifier}")
    control = figure.locator("canvas[tabindex], input[type=range]").first
    control.focus()
    before, words = state(page, identifier), figure.locator(".ac-read").text_content()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        if state(page, identifier) != before:
            break
    assert state(page, identifier) != before
    assert figure.locator(".ac-read").text_content() != words
    assert figure.locator(".ac-read").get_attribute("aria-live") == "polite"
    assert figure.get_attribute("aria-label")


@pytest.mark.parametrize(("name", "identifier"), EXPLORERS, ids=IDS)
def test_explorer_reacts_to_a_finger(name, identifier, stay):
    v = stay(f"book/{name}.html", width=390, touch=True)
    page = v.page
    unfold(page)
    figure = page.locator(f"#{identifier}")
    control = figure.locator("canvas[tabindex], input[type=range]").first
    control.scroll_into_view_if_needed()
    box = control.bounding_box()
    states = [state(page, identifier)]
    for x, y in ((0.1, 0.9), (0.9, 0.1)):
        v.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
        states.append(state(page, identifier))
    assert states[1] != states[2]


@pytest.mark.parametrize(("width", "screens"), [(1280, 3), (390, 5)])
@pytest.mark.parametrize("name", CHAPTERS)
def test_the_mechanism_works_within_the_first_screens(name, width, screens, stay):
    """Three at a desk, five on a phone."""
    height = 900  # of the window
    page = stay(f"book/{name}.html", width=width).page
    top = page.locator("figure[data-machine]").first.evaluate(
        "f => f.getBoundingClientRect().top + scrollY"
    )
    assert top < screens * height, f"{top / height:.1f} screens at {width} px"


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_text_of_figures_can_be_read_on_a_phone(name, stay):
    """Figures are drawn for 100 pixels an inch, and 9 points is their smallest text: 10 px."""
    page = stay(f"book/{name}.html", width=390).page
    found = page.eval_on_selector_all(
        ".ac-figure img",
        """all => all.map(i => {
            const box = i.closest(".ac-figure"), narrow = i.parentElement.querySelector("source");
            const wide = narrow ? narrow.width : parseFloat(i.style.width);
            const hidden = box.clientWidth < i.clientWidth;
            return [i.getBoundingClientRect().width / wide, box.tabIndex, hidden, !!narrow, i.alt];
        })""",
    )
    figures = ".cell_output img[style*='width']:not(figure img)"  # films have boxes of their own
    assert len(found) == page.locator(figures).count()
    for shown, reachable, hidden, narrow, alt in found:
        if shown:  # it lies in no closed fold
            assert shown >= 0.8, f"{9 / 72 * 100 * shown:.1f} px: {alt[:60]}"
            assert not (narrow and hidden), f"must be moved sideways: {alt[:60]}"
            assert reachable == 0 or not hidden, f"cannot be moved by keys: {alt[:60]}"


#: Texts of a drawing that leave it, or lie over another text, in pixels of the screen.
ILL_PLACED = """svg => {
    const whole = svg.getBoundingClientRect(), boxes = [...svg.querySelectorAll("text")]
        .map(text => [text.textContent, text.getBoundingClientRect()]);
    const out = boxes.filter(([, b]) => b.left < whole.left - 1 || b.right > whole.right + 1
        || b.top < whole.top - 1 || b.bottom > whole.bottom + 1).map(([text]) => text);
    const over = boxes.flatMap(([one, a], k) => boxes.slice(k + 1).filter(([, b]) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
    ).map(([other]) => `${one} / ${other}`));
    return [...out, ...over];
}"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_block_diagrams_stand_upright_on_a_phone(name, stay):
    """From the top down, nothing to be moved sideways, no text over another, none under 10 px."""
    page = stay(f"book/{name}.html", width=390).page
    unfold(page)
    drawings = page.locator(".ac-scroll > svg.ac-tall")
    assert drawings.count() == page.locator(".ac-scroll > svg.ac-across").count()
    assert page.locator(".ac-scroll > svg.ac-across:visible").count() == 0
    for drawing in drawings.all():
        assert drawing.evaluate("d => d.parentElement.scrollWidth <= d.parentElement.clientWidth")
        scale = drawing.evaluate("d => d.getBoundingClientRect().width / d.viewBox.baseVal.width")
        assert 11 * scale >= 10, "its smallest text"
        assert drawing.evaluate(ILL_PLACED) == []


#: An explorer as it stands in a page, with its poster: an image that no style or attribute hides.
POSTER = re.compile(
    r'<figure class="ac" id="([\w-]+)" role[^>]*>\s*<img class="ac-poster" alt="([^"]{31,})" '
    r'src="data:image/[^"]+"/?>'
)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_explorer_has_a_poster_that_is_described(name, html):
    text = (html / f"book/{name}.html").read_text(encoding="utf-8")
    assert [i for i, _ in POSTER.findall(text)] == [i for n, i in EXPLORERS if n == name]


def one_of_each_kind():
    """The fewest chapters, one after the other, that show all kinds of explorers."""
    kinds = {name: {kind for n, kind in KINDS if n == name} for name in CHAPTERS}
    chosen, left = [], {kind for _, kind in KINDS}
    while left:
        chosen.append(max(CHAPTERS, key=lambda name: len(kinds[name] & left)))
        left = left - kinds[chosen[-1]]
    return chosen


@pytest.mark.parametrize("name", one_of_each_kind())
def test_without_scripts_the_poster_stays(name, visit):
    v = visit(f"book/{name}.html", javascript=False)
    unfold(v.page)
    posters = v.page.locator("figure.ac[role] > .ac-poster")
    assert posters.count() == sum(n == name for n, _ in EXPLORERS)
    for index in range(posters.count()):
        assert posters.nth(index).is_visible()
        assert len(posters.nth(index).get_attribute("alt")) > 30


@pytest.mark.parametrize("name", CHAPTERS)
def test_with_scripts_the_poster_makes_way(name, stay):
    page = stay(f"book/{name}.html").page
    assert page.locator("figure.ac[role] > .ac-poster:visible").count() == 0
    assert page.locator("figure.ac[data-ready]").count() == sum(n == name for n, _ in EXPLORERS)


# ---------------------------------------------------------------- the quiz and the folds


@pytest.mark.parametrize("name", CHAPTERS)
def test_folds_open_with_the_keyboard(name, stay):
    page = stay(f"book/{name}.html").page
    folds = page.locator("article details:visible")
    assert folds.count() >= 3
    for index in range(min(3, folds.count())):
        fold = folds.nth(index)
        summary = fold.locator("summary").first
        summary.focus()
        was = fold.get_attribute("open")
        page.keyboard.press("Enter")
        assert fold.get_attribute("open") != was
        page.keyboard.press("Enter")
        assert fold.get_attribute("open") == was


def test_no_page_shows_a_dead_control(html):
    for name in CHAPTERS:
        text = (html / f"book/{name}.html").read_text(encoding="utf-8")
        for trace in (
            "application/vnd.jupyter.widget",
            "VBox(children=",
            "IntSlider(",
            "jupyter-widgets",
        ):
            assert trace not in text


@pytest.mark.parametrize("name", CHAPTERS)
def test_wide_formulas_begin_at_their_left_end_on_a_phone(name, stay):
    page = stay(f"book/{name}.html", width=360).page
    cut = page.evaluate(
        """() => [...document.querySelectorAll("div.math")].filter(box => {
            const formula = box.querySelector("mjx-math");
            const room = box.getBoundingClientRect();
            return formula.getBoundingClientRect().left < room.left - box.scrollLeft - 1
                || formula.scrollWidth > box.scrollWidth + 4;  // glyphs overhang a little
        }).map(box => box.textContent.slice(0, 60))"""
    )
    assert cut == []


#: Formulas that are wider than their boxes, and by how many pixels, those in sentences as well.
#: Folds have no width while they are shut; the glyphs of a sentence overhang their boxes a little.
TOO_WIDE = """() => {
    const shut = [...document.querySelectorAll("article details:not([open])")];
    for (const fold of shut) fold.open = true;
    const right = element => element.getBoundingClientRect().right;
    const over = [...document.querySelectorAll("div.math, span.math")].map(box => [
        box.matches("div") ? box.scrollWidth - box.clientWidth
            : right(box.querySelector("mjx-math")) - right(box),
        box.textContent.slice(0, 60),
    ]);
    for (const fold of shut) fold.open = false;
    return over.filter(([pixels]) => pixels > 1);
}"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", PAGES)
def test_formulas_fit_a_desk_and_a_phone(page, width, stay):
    """None must be moved sideways to be read; long ones are broken, by ``aligned``."""
    assert stay(page, width=width).page.evaluate(TOO_WIDE) == []
