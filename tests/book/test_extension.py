"""The book's Sphinx extension: its pure functions, without a build."""

from __future__ import annotations

import base64
import json
import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from attnbook import (  # noqa: E402
    chapter,
    costs,
    gpu,
    images,
    mathjax,
    mend,
    plan,
    reading_places,
    search,
    social,
    stamps,
    taxonomy,
    timings,
    trim,
    wings,
)
from sphinx.errors import ExtensionError  # noqa: E402

PLAN = plan.read(ROOT / "attncourse" / "plan.toml")
STAMP = {
    "source_sha256": "0" * 64,
    "seconds": 41.3,
    "device": "two CPU cores",
    "versions": {"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6"},
}
VOID = {"rect", "path", "circle", "img", "br", "input", "meta", "link"}


class Outline(HTMLParser):
    """Checks that tags are balanced and collects links, text and classes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.classes: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.classes += (given.get("class") or "").split()
        if tag == "a":
            self.links.append(given["href"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.classes += (dict(attrs).get("class") or "").split()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def only(*paths: str) -> plan.Address:
    """Addresses of a book that has these chapters and no others."""
    return lambda path: f"{path}.html" if path in paths else None


# ---- plan and map ----------------------------------------------------------------------------


def test_the_extension_reads_the_same_plan_as_the_package() -> None:
    from attncourse.plan import CHAPTERS

    assert [c.path for category in PLAN for c in category.chapters] == [c.path for c in CHAPTERS]
    assert [c.short for category in PLAN for c in category.chapters] == [c.short for c in CHAPTERS]


def test_the_map_shows_what_is_there_and_counts_what_is_to_come() -> None:
    ready = ("channel/squeeze_excitation", "spatial/non_local")
    html = taxonomy.map_html(PLAN, only(*ready))
    outline = Outline(html)
    assert outline.links == [f"{path}.html" for path in ready]
    assert re.findall(r'data-chapter="([^"]+)"', html) == list(ready)
    counts = [int(n) for n in re.findall(r">(\d+)(?: more)? (?:is|are) planned<", html)]
    assert sum(counts) == 34
    assert "coming" not in html
    assert "2 chapters are here, 34 more are planned." in taxonomy.count_html(PLAN, only(*ready))


def test_the_map_tells_minutes_and_shows_the_first_figure() -> None:
    about = taxonomy.About(35, "../_images/a.png")
    html = taxonomy.map_html(PLAN, only("spatial/non_local"), lambda chapter: about)
    assert ">35 min<" in html
    assert '<img class="ac-thumb" alt="" src="../_images/a.png">' in html
    Outline(html)


def test_a_matrix_is_a_picture_and_a_word() -> None:
    import io

    from PIL import Image

    alone = [[float(i == j) for j in range(8)] for i in range(8)]
    near = [[float(abs(i - j) < 2) for j in range(8)] for i in range(8)]
    every = [[0.1] * 8 for _ in range(8)]
    words = ["its own alone", "its own and 1 on each side", "all"]
    assert [wings.who(matrix) for matrix in (alone, near, every)] == words
    address = wings.matrix_png(near)
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as image:
        assert image.size == (8, 8)
        assert [image.getpixel((x, 0))[3] for x in range(4)] == [255, 255, 0, 0]


def test_the_ladder_shows_every_score_with_its_interval() -> None:
    path = ROOT / "book/results/channel/index.json"
    experiments = json.loads(path.read_text(encoding="utf-8"))["experiments"]
    gates = json.loads((ROOT / "book/_data/wings.json").read_text(encoding="utf-8"))["channel"]
    html = wings.table_html(experiments, gates, lambda stem: f'<a href="{stem}.html">x</a>')
    outline = Outline(html)
    assert outline.links == [f"{gate['stem']}.html" for gate in gates]
    assert list(experiments) == list(wings.ROWS)
    shown = re.findall(r"<b>(\d+)</b><small>(\d+) to (\d+)</small>", html)
    stored = [e["summary"][v] for v in experiments["mean"]["summary"] for e in experiments.values()]
    keys = ("mean", "low", "high")
    assert shown == [tuple(f"{100 * s[key]:.0f}" for key in keys) for s in stored]
    assert "<td>–</td>" in wings.cell(None, 0.5)


def test_the_places_read_are_counted_and_told_in_words() -> None:
    things = [
        {"colour": colour, "row": row, "column": column, "radius": 0}
        for colour, row, column in (("red", 0, 0), ("red", 2, 2), ("blue", 0, 2))
    ]
    matrix = [[0.5, 0.0, 0.2], [0.001, 0.0, 0.0], [0.0, 0.0, 0.299]]
    assert reading_places.places_read(matrix) == 3
    words = reading_places.in_words(matrix, (0, 0), things)
    assert [int(n) for n in re.findall(r"\d+", words)] == [3, 50, 30, 20, 0]
    data = json.loads((ROOT / "book/_data/wings.json").read_text(encoding="utf-8"))["spatial"]
    html = reading_places.grid_html(data, lambda stem: f'<a href="{stem}.html">x</a>')
    assert Outline(html).links == [f"{member['stem']}.html" for member in data["members"]]
    assert html.count("<image ") == 2 * len(data["members"])
    rings = sum(2 for member in data["members"] if not member["of_steps"])
    assert html.count("<circle ") == rings


def test_a_description_is_the_first_paragraph_without_a_formula() -> None:
    from docutils import nodes

    formula = nodes.paragraph("", "", nodes.Text("with "), nodes.math(text="x"))
    long = nodes.paragraph(text="word " * 60)
    text = social.description(nodes.section("", formula, long))
    assert text.startswith("word word")
    assert text.endswith("word ...")
    assert len(text) <= 205
    assert social.description(nodes.section("", formula)) == ""


def test_a_page_s_tags_are_escaped_and_name_the_book_s_own_picture() -> None:
    made = social.tags('f("x") & g', 'a "b"', "https://host/book/", "book/intro.html")
    assert 'content="f(&quot;x&quot;) &amp; g"' in made
    assert '"og:image" content="https://host/book/_static/cover-light.png"' in made
    assert "og:image" not in social.tags("t", "d", "", "p.html")


def test_the_map_asks_the_six_questions_in_order() -> None:
    html = taxonomy.map_html(PLAN, only())
    asked = re.findall(r'ac-map-asks">([^<]+)<', html)
    assert asked == [
        "The idea", "What?", "Where?", "When?", "Which?", "What and where?", "Where and when?",
        "The comparison",
    ]  # fmt: skip


def test_the_map_escapes_what_it_is_given() -> None:
    odd = plan.Chapter("channel", "odd", "A < B & C", "A", "x > 0.")
    category = plan.Category("channel", "Channel", "what", "g.", (odd,))
    html = taxonomy.map_html((category,), lambda path: 'a"b.html')
    assert "A &lt; B &amp; C" in html
    assert 'href="a&quot;b.html"' in html


@pytest.mark.parametrize("name", [category.name for category in PLAN])
def test_every_category_has_a_drawing_that_is_silent(name: str) -> None:
    svg = taxonomy.glyph(name)
    Outline(svg)
    assert 'aria-hidden="true"' in svg
    assert "http" not in svg


# ---- path strip --------------------------------------------------------------------------------


def test_the_strip_lights_the_present_chapter() -> None:
    found = plan.find(PLAN, "book/channel/squeeze_excitation")
    assert found
    category, here = found
    html = chapter.strip_html(category, here, only(here.path, "channel/frequency_channel"))
    outline = Outline(html)
    assert outline.links == ["channel/frequency_channel.html"]
    assert html.count('aria-current="page">Squeeze-and-Excitation') == 1
    assert outline.classes.count("ac-coming") == 7
    assert html.count(", coming") == 7, "greyed chapters say so in words"
    assert "what · channel" in outline.text


def test_a_page_that_is_no_chapter_has_no_strip() -> None:
    assert plan.find(PLAN, "book/glossary") is None


# ---- facts line --------------------------------------------------------------------------------


def test_the_facts_line_says_what_is_known() -> None:
    facts = chapter.Facts(
        30,
        25,
        STAMP,
        (("Colab", "https://c/x"),),
        "attncourse.channel.SqueezeExcitation",
        "https://s",
    )
    outline = Outline(chapter.facts_html(facts))
    assert outline.text == [
        "about 30 min to read, 25 min of exercises",
        "ran in 41 s on two CPU cores, not timed on a GPU",
        "needs no GPU and no download",
        "open in Colab",
        "attncourse.channel.SqueezeExcitation",
    ]
    assert outline.links == ["https://c/x", "https://s"]


def test_a_time_on_a_gpu_is_told_as_long_as_the_notebook_is_the_one_timed() -> None:
    timed = STAMP | {"seconds": 9.2, "device": "a GPU"}
    found = gpu.time_of({"channel/x": timed}, "channel/x", STAMP)
    html = chapter.facts_html(chapter.Facts(12, 25, STAMP, gpu=found))
    assert "ran in 41 s on two CPU cores, in 9 s on a GPU" in html
    assert "not timed" not in html
    assert gpu.time_of({"channel/x": timed}, "channel/y", STAMP) is None
    assert gpu.time_of({"channel/x": timed}, "channel/x", None) is None
    changed = STAMP | {"source_sha256": "1" * 64}
    assert gpu.time_of({"channel/x": timed}, "channel/x", changed) is None


@pytest.mark.parametrize("stamp", [None, {}, {"device": "a GPU"}])
def test_the_facts_line_invents_no_running_time(stamp: dict | None) -> None:
    html = chapter.facts_html(chapter.Facts(12, 0, stamp))
    assert "ran in" not in html
    assert "None" not in html


def test_one_thread_is_not_many() -> None:
    assert stamps.device({"device": "CPU, 1 threads"}) == "CPU, 1 thread"
    assert stamps.device({"device": "CPU, 11 threads"}) == "CPU, 11 threads"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (41.3, "41 s"), (59.6, "1 min"), (60, "1 min"), (105, "1 min 45 s")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert stamps.duration(seconds) == text


def test_references_are_no_broken_list() -> None:
    sphinx = (
        '<div role="list" class="citation-list">\n'
        '<div class="citation" id="id15" role="doc-biblioentry">x</div></div>'
        '<div role="list"></div>'
    )
    assert mend.mended(sphinx) == (
        '<div class="citation-list">\n<div class="citation" id="id15">x</div></div>'
        '<div role="list"></div>'
    )


# ---------------------------------------------------------------- pictures


def png(width: int, height: int) -> bytes:
    header = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR"
    return header + width.to_bytes(4, "big") + height.to_bytes(4, "big")


def test_a_picture_s_size_is_read_from_its_head(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png(1036, 374))
    assert images.size_of(file) == (1036, 374)
    file.write_bytes(b'<svg xmlns="x" width="518.4pt" height="187.2pt" viewBox="0 0 518.4 187.2">')
    assert images.size_of(file) == (720, 260)
    file.write_bytes(b"GIF89a" + b"0" * 40)
    assert images.size_of(file) is None
    assert images.size_of(tmp_path / "gone.png") is None


def test_pictures_from_files_have_a_size_and_wait() -> None:
    html = '<img alt="a" src="x.png" class="b" /><img src="data:image/png;base64,AA">'
    done = images.complete(html, {"x.png": (10, 20)}.get)
    assert done == (
        '<img loading="lazy" decoding="async" width="10" height="20" alt="a" src="x.png" '
        'class="b" /><img src="data:image/png;base64,AA">'
    )
    assert images.complete(done, {"x.png": (10, 20)}.get) == done, "once is enough"
    assert 'width="' not in images.complete('<img src="y.svg">', {}.get)


def test_figures_stand_in_boxes_that_know_their_width() -> None:
    html = (
        '<div id="fig-1" class="cell_output docutils"><pre>a number</pre>\n'
        '<img alt="a" src="x.png" style="width: 720px;"></div>'
        '<img src="x.png">'
    )
    done = images.complete(html, {"x.png": (1036, 20)}.get)
    assert done.count('<div class="ac-figure" style="--ac-wide:720px"><img loading="lazy"') == 1
    assert images.complete(done, {"x.png": (1036, 20)}.get) == done, "once is enough"


def test_a_phone_gets_a_figure_s_narrow_form(tmp_path) -> None:
    import zlib

    slim = '<svg xmlns="x" width="316.8pt" height="216pt"></svg>'
    packed = base64.b64encode(zlib.compress(slim.encode())).decode()
    file = tmp_path / "x.svg"
    file.write_text(f'<svg a="b"><metadata class="narrow">{packed}</metadata></svg>', "utf-8")
    beside = images.unpacked(file)
    assert beside.read_text("utf-8") == slim
    assert file.read_text("utf-8") == '<svg a="b"></svg>'
    assert images.unpacked(file) is None
    assert images.unpacked(tmp_path / "none.svg") is None
    head, end = b"\x89PNG\r\n\x1a\n" + bytes(20), bytes(4) + b"IEND" + bytes(4)
    pixels = tmp_path / "p.png"
    pixels.write_bytes(head + b"\0\0\0\5acNrsmall" + bytes(4) + end)
    beside = images.unpacked(pixels)
    assert beside == tmp_path / "p-narrow.png"
    assert beside.read_bytes() == b"small"
    assert pixels.read_bytes() == head + end
    assert images.unpacked(pixels) is None
    page = images.complete('<img alt="a" src="x.svg" style="width: 720px;">', {}.get)
    done = images.with_narrow(page, {"x.svg": ("y.svg", 440, 300)}.get)
    assert '<div class="ac-figure" style="--ac-wide:440px"><picture><source ' in done
    assert 'srcset="y.svg" width="440" height="300"><img ' in done
    assert images.with_narrow(page, {}.get) == page
    assert images.with_narrow(done, {"x.svg": ("y.svg", 440, 300)}.get) == done, "once is enough"


def test_a_fold_says_what_it_hides() -> None:
    fold = (
        '<details class="admonition hide above-input">\n<summary aria-label="Toggle">'
        '\n<p class="collapsed admonition-title">Show code cell content</p>\n</summary>\n'
        "<div><pre><span></span>{}\nx = 1</pre></div></details>"
    )
    solution = chapter.named_folds(fold.format('<span class="c1">#@title Solution 3</span>'))
    assert "Show solution 3</p>" in solution
    assert "Hide solution 3</p>" in solution
    assert "aria-label" not in solution
    assert "x = 1" in solution
    figure = chapter.named_folds(fold.format("figure = 1") + fold.format("#@title Solution 4"))
    assert figure.count("Show the code</p>") == 1
    assert figure.count("Show solution 4</p>") == 1


def test_a_wing_page_shows_its_chapters_and_no_others() -> None:
    spatial = next(c for c in PLAN if c.name == "spatial")
    html = taxonomy.wing_html(spatial, only(spatial.chapters[2].path))
    assert html.count("<li") == len(spatial.chapters)
    assert html.count("<a ") == 1
    assert "Squeeze" not in html


def test_the_map_links_a_wing_page_once_it_is_there() -> None:
    html = taxonomy.map_html(PLAN, lambda path: "s.html" if path == "spatial/index" else None)
    assert '<a href="s.html">Where?</a>' in html
    assert html.count("<a ") == 1


def test_an_unknown_category_of_the_map_is_refused() -> None:
    with pytest.raises(ExtensionError, match="no category 'colour'; the plan has: foundations"):
        taxonomy._chosen(PLAN, "colour")


def test_a_stamp_is_read_from_the_notebook(tmp_path: Path) -> None:
    notebook = tmp_path / "n.ipynb"
    assert stamps.stamp_of(notebook) is None
    notebook.write_text(json.dumps({"metadata": {}}))
    assert stamps.stamp_of(notebook) is None
    notebook.write_text(json.dumps({"metadata": {"attncourse": STAMP}}))
    assert stamps.stamp_of(notebook) == STAMP


# ---- cost --------------------------------------------------------------------------------------


def cost_row(**changes: object) -> dict:
    """A row of measurements in which everything is a round number."""
    sizes = [
        {
            "label": f"{n} px", "shape": [n], "grows": n,
            "forms": {
                "ours": {"seconds": n * 1e-3, "spread": 1e-4, "bytes": n * 2**20},
                "textbook": {"seconds": n * n * 1e-3, "spread": 1e-4, "bytes": n * n * 2**20},
            },
            "least": {"products": n * 10**6, "bytes": n * 10**5},
        }
        for n in (10, 20, 40)
    ]  # fmt: skip
    return {
        "chapter": "spatial/x", "name": "X", "along": "pixels", "sizes": sizes, "compiled": None,
        "roofline": {"bytes_per_second": 1e9, "multiply_adds_per_second": 2e9},
        "slopes": {"ours": 1.0, "textbook": 2.0}, "predicted": {"textbook": 2.0},
        "fresh": None,
    } | changes  # fmt: skip


COSTS = {
    "machine": {"device": "a machine", "system": "S", "python": "3.11", "torch": "2.13"},
    "roofline": cost_row()["roofline"],
    "rows": [cost_row()],
}


def test_a_distance_is_from_the_nearer_bound() -> None:
    """40 million products at 2 billion a second are 20 ms; 4 million bytes at 10^9, 4 ms."""
    assert costs.distance(cost_row()) == (pytest.approx(0.04), pytest.approx(0.02), "products")
    slow = cost_row(roofline={"bytes_per_second": 1e8, "multiply_adds_per_second": 2e9})
    assert costs.distance(slow) == (pytest.approx(0.04), pytest.approx(0.04), "memory")
    html = costs.distances_html([(cost_row(), "x.html"), (slow | {"name": "Y"}, "y.html")])
    outline = Outline(html)
    assert outline.links == ["y.html", "x.html"], "the nearest to its bound first"
    assert {"1.0", "2.0", "products", "memory"} <= set(outline.text)


def test_the_bound_is_the_slower_of_products_and_bytes() -> None:
    row = cost_row(roofline={"bytes_per_second": 100.0, "multiply_adds_per_second": 1000.0})
    row["sizes"][-1]["least"] = {"products": 500, "bytes": 10}
    assert costs.distance(row)[1:] == (0.5, "products")
    row["sizes"][-1]["least"] = {"products": 0, "bytes": 10}
    assert costs.distance(row)[1:] == (0.1, "memory")


def test_no_recorded_step_beats_what_the_machine_can_do() -> None:
    """Only where the tensors outgrow the caches, from which copies are faster than from memory."""
    for row in costs.read(ROOT / "book" / "_data" / "benchmarks.json")["rows"]:
        _, bound, _ = costs.distance(row)
        for form, cost in row["sizes"][-1]["forms"].items():
            assert cost["seconds"] > bound, (row["name"], form)


def test_a_row_tells_slopes_gain_and_fresh_memory() -> None:
    text = " ".join(Outline(costs.row_html(cost_row(), "x.html")).text)
    assert "ours 1.00, textbook 2.00 (predicted 2)" in text
    assert text.count("pixels") == 2, "both axes say what they count"
    assert "compile" not in text
    assert "fresh" not in text
    fresh, gain = {"ours": 0.05, "textbook": 0.1}, {"label": "20 px", "gain": 1.5}
    html = costs.row_html(cost_row(fresh=fresh, compiled=gain))
    text = " ".join(Outline(html).text)
    assert "textbook takes 2.00 times as long as ours, not 40.00" in text
    assert "a step at 20 px is 1.50 times as fast" in text
    assert "<a " not in html


def test_both_axes_have_values() -> None:
    """Powers of ten, or where there are too few the round numbers between; never a crowd."""
    assert costs.ticks(-0.5, 2.2) == [1, 10, 100]
    assert costs.ticks(0.9, 1.8) == [10, 20, 50]
    assert costs.ticks(-3, 3) == [0.001, 1, 1000]
    for span in (0.31, 0.5, 1, 2, 4, 7):
        for low in (-2.3, -0.4, 0.0, 1.7):
            found = costs.ticks(low, low + span)
            assert 1 <= len(found) <= 3
            assert all(low <= math.log10(value) <= low + span for value in found)
    text = Outline(costs.chart(cost_row(), "seconds")).text
    assert {"time, ms", "10", "100", "1,000", "20", "40", "pixels"} <= set(text)
    assert "memory, MB" in Outline(costs.chart(cost_row(), "bytes")).text


def test_a_folded_case_says_how_far_its_forms_are_apart() -> None:
    text = " ".join(Outline(costs.fold_html(cost_row(), "x.html")).text)
    assert "40 px: textbook 40.00 times the time, 40.00 times the memory" in text


def test_a_chapter_shows_its_own_rows_at_the_end_of_its_costs() -> None:
    body = (
        '<section id="what-it-costs"><h2>What it costs</h2><p>text</p></section>\n'
        '<section id="what-goes-wrong"><h2>What goes wrong</h2></section>'
    )
    shown = costs.in_chapter(body, COSTS, "spatial/x", "../costs.html")
    outline = Outline(shown)
    assert outline.links == ["../costs.html"]
    assert shown.index("text") < shown.index("ac-recorded-cost") < shown.index("what-goes-wrong")
    assert costs.in_chapter(body, COSTS, "spatial/y", "../costs.html") == body
    assert shown.count("Measured on a machine") == 1
    other = COSTS["machine"] | {"device": "another one"}
    table = COSTS | {"rows": [cost_row(machine=other)]}
    shown = costs.in_chapter(body, table, "spatial/x", "../costs.html")
    assert shown.count("Measured on another one") == 1
    assert "Measured on a machine" not in shown


def test_modules_are_listed_once() -> None:
    beside = cost_row()
    beside["sizes"][0]["forms"]["timm"] = beside["sizes"][0]["forms"]["ours"]
    assert costs.one_case_a_module([cost_row(), beside]) == [cost_row()]


# ---- what was recorded on a GPU ----------------------------------------------------------------


def test_a_section_of_the_gpu_page_is_there_when_its_record_is(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "book" / "gpu.md").read_text(encoding="utf-8")
    for heading in gpu.SECTIONS:
        assert f"\n## {heading}\n" in page
    assert "\n## " not in gpu.with_records(page, tmp_path)
    (tmp_path / gpu.RECORD).mkdir(parents=True)
    (tmp_path / gpu.RECORD / "chapters.json").write_text("{}")
    kept = gpu.with_records(page, tmp_path)
    assert re.findall(r"^## (.+)$", kept, re.M) == ["Chapters"]
    assert "{gpu-chapters}" in kept


def test_what_was_recorded_on_a_gpu_is_summarised(tmp_path: Path) -> None:
    assert gpu.summaries(tmp_path) == []
    assert gpu.chapter_times(tmp_path) == {}
    run = {"variant": "SE", "device": "a GPU"}
    summary = {
        "SE": {"mean": 0.9, "low": 0.85, "high": 0.95, "seeds": 10},
        "RAM": {"mean": 0.5, "low": 0.1, "high": 0.9, "seeds": 10, "learned": 4},
    }
    entry = {"budget": {"steps": 9360}, "runs": [run], "summary": summary}
    path = tmp_path / gpu.RECORD / "results" / "channel" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"chapter": "channel/x", "experiments": {"e": entry}}))
    assert gpu.summaries(tmp_path) == [
        ("channel/x", "e", "SE", "0.900 [0.850, 0.950], 10 seeds", "9,360 steps on a GPU"),
        ("channel/x", "e", "RAM", "4 of 10 seeds learned", "9,360 steps on a GPU"),
    ]


def test_launch_links_lead_to_the_notebook() -> None:
    options = {
        "repository_url": "https://github.com/o/r",
        "repository_branch": "main",
        "launch_buttons": {"colab_url": "https://c.org", "binderhub_url": "https://b.org/"},
    }
    assert chapter.launch_links(options, "book/a/b.ipynb") == (
        ("Colab", "https://c.org/github/o/r/blob/main/book/a/b.ipynb"),
        ("Binder", "https://b.org/v2/gh/o/r/main?urlpath=lab/tree/book/a/b.ipynb"),
    )
    assert chapter.launch_links({**options, "repository_url": "https://e.org/o/r"}, "b") == ()


def test_strip_and_facts_find_their_places() -> None:
    body = '<section>\n<h1>T<a class="headerlink">#</a></h1>\n<p>Promise.</p>\n<p>Text.</p>'
    placed = chapter.place(body, "[strip]", "[facts]")
    assert placed == (
        '<section>\n[strip]<h1>T<a class="headerlink">#</a></h1>\n'
        '<p class="ac-promise">Promise.</p>[facts]\n<p>Text.</p>'
    )
    assert chapter.place("<h1>T</h1><div>x</div>", "[s]", "[f]") == "[s]<h1>T</h1>[f]<div>x</div>"


def test_captions_are_recognised() -> None:
    body = "<h1>T</h1><p><strong>Figure 2.</strong> A.</p><p><strong>Note.</strong> B.</p>"
    placed = chapter.place(body, "", "")
    assert '<p class="ac-caption"><strong>Figure 2.' in placed
    assert "<p><strong>Note." in placed


# ---- timings -----------------------------------------------------------------------------------


def test_a_timing_row_says_when_nothing_was_recorded() -> None:
    assert timings.row(None) == ("not recorded", "", "")
    assert timings.row(STAMP) == (
        "41 s", "two CPU cores", "python 3.11.7, torch 2.13.0, numpy 2.4.6"
    )  # fmt: skip


def test_pins_are_read_by_normalised_name() -> None:
    text = '# comment\nSphinx_Design==0.6.1\nx==1; python_version < "3.12"\nx==2\nnot-a-pin>=3\n'
    assert timings.pins(text) == {"sphinx-design": "0.6.1", "x": "1"}


def test_the_timings_page_asks_only_for_pinned_packages() -> None:
    page = (ROOT / "book" / "timings.md").read_text(encoding="utf-8")
    block = re.search(r"```\{pinned-versions\}\n(.*?)```", page, re.DOTALL)
    assert block
    pinned = timings.pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert [n for n in block.group(1).split() if timings.normal(n) not in pinned] == []


# ---- MathJax -----------------------------------------------------------------------------------

FILES = [
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex-full.js",
    "input/tex/extensions/ams.js",
    "input/tex/extensions/all-packages.js",
    "input/mml/extensions/mml3.sef.json",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "output/chtml/fonts/woff-v2/MathJax_Zero.woff",
    "output/svg.js",
    "a11y/assistive-mml.js",
    "ui/menu.js",
    "sre/mathmaps/en.json",
    "sre/mathmaps/fr.json",
    "tex-mml-chtml.js",
    "node-main.js",
]


def test_mathjax_brings_what_a_page_may_ask_for_and_no_more() -> None:
    chosen = mathjax.select(FILES)
    assert chosen == sorted(chosen)
    assert set(FILES) - set(chosen) == {
        "input/tex-full.js",
        "input/tex/extensions/all-packages.js",
        "input/mml/extensions/mml3.sef.json",
        "output/svg.js",
        "sre/mathmaps/fr.json",
        "tex-mml-chtml.js",
        "node-main.js",
    }


def test_what_mathjax_loads_first_is_copied() -> None:
    chosen = {name.removesuffix(".js") for name in mathjax.select(FILES)}
    assert set(mathjax.CONFIG["loader"]["load"]) <= chosen
    assert mathjax.ENTRY.removeprefix("mathjax/").removesuffix(".js") in chosen


def test_a_changed_mathjax_package_is_noticed() -> None:
    with pytest.raises(ExtensionError, match=r"output/chtml\.js"):
        mathjax.select([name for name in FILES if name != "output/chtml.js"])


def test_the_installed_package_has_what_is_needed() -> None:
    try:
        found = mathjax.installed()
    except ExtensionError:
        pytest.skip("the book's requirements are not installed")
    chosen = mathjax.select(found)
    assert all(found[name].is_file() for name in chosen)
    assert sum(found[name].stat().st_size for name in chosen) < 4e6


# ---- search and language -------------------------------------------------------------------------


def test_chinese_is_indexed_whole_and_in_pairs() -> None:
    assert search.han_terms("挤压/激励 squeeze") == ["挤压", "激励"]
    assert search.han_terms("注意力图") == ["注意力图", "注意", "意力", "力图"]
    assert search.han_terms("no Chinese") == []


def test_search_still_finds_english() -> None:
    words = search.CourseSearch({}).split("channel attention 通道注意力")
    assert {"channel", "attention", "通道注意力", "通道"} <= set(words)


def test_chinese_is_marked_in_text_and_nowhere_else() -> None:
    html = '<p title="通道">通道 a<b>b</b></p><script>"通道"</script>'
    assert search.mark_language(html) == (
        '<p title="通道"><span lang="zh-Hans">通道</span> a<b>b</b></p><script>"通道"</script>'
    )


# ---- trimming ----------------------------------------------------------------------------------


def test_live_code_is_never_loaded() -> None:
    body = '<div class="cell"><div class="highlight">'
    assert not trim.keep("_static/sphinx-thebe.js", body)
    assert not trim.keep('const THEBE_JS_URL = "https://example.org/thebe"', body)


@pytest.mark.parametrize(
    ("asset", "body"),
    [
        ("_static/mathjax/startup.js", '<span class="math notranslate nohighlight">'),
        ('window.MathJax = {"loader": 1}', '<div class="math notranslate">'),
        ("_static/copybutton.js", '<div class="highlight">'),
        ("_static/mystnb.abc.css", '<div class="cell docutils">'),
        ("_static/sphinx-design.min.css", '<div class="sd-card">'),
    ],
)
def test_an_asset_comes_with_what_uses_it(asset: str, body: str) -> None:
    assert trim.keep(asset, body)
    assert not trim.keep(asset, "<p>plain</p>")


def test_the_course_s_own_assets_are_always_loaded() -> None:
    for asset in ("_static/course.css", "_static/course.js", "_static/doctools.js"):
        assert trim.keep(asset, "")


def test_heavy_scripts_leave_the_head() -> None:
    head = (
        '<script defer src="../_static/scripts/fontawesome.js?digest=1"></script>\n'
        '<script src="../_static/doctools.js"></script>\n<script src="../searchindex.js"></script>'
    )
    assert trim.without_scripts(head) == '\n<script src="../_static/doctools.js"></script>'


def test_repeated_styles_and_idle_spans_go() -> None:
    body = (
        "<style>.a{}</style><i>1</i><style>.a{}</style><style>.b{}</style>"
        '<span class="n">x</span> <span class="o">=</span> <span class="mi">1</span>'
    )
    assert trim.lighter(body) == (
        "<style>.a{}</style><i>1</i><style>.b{}</style>"
        'x <span class="o">=</span> <span class="mi">1</span>'
    )


def test_only_rules_that_can_match_nothing_go() -> None:
    css = (
        "/* .x */@charset 'u';.used{a:1}.gone{a:2}.used .gone,p.used:hover{a:3}p:not(.gone){a:4}"
        "@media print{.gone{a:5}.used{a:6}}@keyframes k{0%{a:7}to{a:8}}.bs-tooltip-auto .used{a:9}"
        "html[data-x='.gone'] p{a:10}"
    )
    kept = trim.without_unused_rules(css, {"used"})
    values = [int(value) for value in re.findall(r"a:(\d+)", kept)]
    assert values == [1, 3, 4, 6, 7, 8, 9, 10]
    assert kept.count("{") == kept.count("}")


# ---- the sheet and the script ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["course.css", "course.js"])
def test_the_book_s_own_assets_ask_no_other_host(name: str) -> None:
    text = (ROOT / "book" / "_static" / name).read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s'\"%)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not addresses


def test_light_and_dark_define_the_same_colours() -> None:
    css = (ROOT / "book" / "_static" / "course.css").read_text(encoding="utf-8")
    light, dark = re.findall(r"^html[^\n]*\{\n  --ac-bg.*?^\}", css, re.DOTALL | re.MULTILINE)[:2]
    names = [set(re.findall(r"(--ac-[a-z-]+):", block)) for block in (light, dark)]
    assert names[0] == names[1]
    assert len(names[0]) >= 14


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("ink", ["--ac-ink", "--ac-soft", "--ac-link", "--ac-link-hover"])
@pytest.mark.parametrize("paper", ["--ac-bg", "--ac-panel", "--ac-lit"])
def test_text_has_contrast(theme: int, ink: str, paper: str) -> None:
    css = (ROOT / "book" / "_static" / "course.css").read_text(encoding="utf-8")
    block = re.findall(r"^html[^\n]*\{\n  --ac-bg.*?^\}", css, re.DOTALL | re.MULTILINE)[theme]
    colours = dict(re.findall(r"(--ac-[a-z-]+): (#[0-9a-f]{3,6});", block))
    light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_code_of_a_mechanism_is_a_file_or_a_folder():
    assert chapter._source(ROOT, "channel/squeeze_excitation", "main") == (
        "blob/main/attncourse/channel/squeeze_excitation.py"
    )
    assert chapter._source(ROOT, "spatial/non_local", "a/b") == (
        "tree/a/b/attncourse/spatial/non_local"
    )
