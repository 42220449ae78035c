"""Equations, figures, tables and exercises have anchors, and are links where they are named."""

from __future__ import annotations

import collections
import re
import sys
from pathlib import Path

import chapter_rules as rules
import pytest

pytest.importorskip("sphinx")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from attnbook import anchors, references  # noqa: E402
from docutils import nodes, utils  # noqa: E402

from tests.book.test_pages import PAGES  # noqa: E402

CHAPTERS = rules.chapters()

KNOWN = {
    **{f"eq-{n}": f"equation ({n})" for n in range(1, 7)},
    "fig-2": "Figure 2", "fig-3": "Figure 3", "tab-1": "Table 1", "exercise-2": "exercise 2",
}  # fmt: skip


def leads(html):
    """(text of a link, where to) in order."""
    return re.findall(r'<a class="ac-ref" href="#([\w-]+)"[^>]*>([^<]*)</a>', html)


# ---------------------------------------------------------------- what is linked, and what is not


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("From (3) and (4).", ["eq-3", "eq-4"]),
        ("Equation (6) has a picture.", ["eq-6"]),
        ("by equations (2) to (5), as", ["eq-2", "eq-5"]),
        ("in equations 2, 3 and 4", ["eq-2", "eq-3", "eq-4"]),
        ("<p>(3) moves it</p>", ["eq-3"]),
        ("Figures 2 and 3 scale", ["fig-2", "fig-3"]),
        ("Figure\n3, on the left", ["fig-3"]),
        ("exercise 2 asks; see Table 1.", ["exercise-2", "tab-1"]),
        ("the two terms of (6).", ["eq-6"]),
        ("(6) in Figure 3", ["eq-6", "fig-3"]),
        ("<td>closed form (5)</td><td>0</td>", ["eq-5"]),
        ('the sum <span class="math notranslate">\\(x\\)</span> of (2)', ["eq-2"]),
    ],
)
def test_what_is_named_is_a_link(text, wanted):
    assert [anchor for anchor, _ in leads(references.linked(text, KNOWN))] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "in a survey (2014)", "of the shape (3, 3)", "x.flatten(2).mean(-1)", "σ(2) is", "g(x)(3)",
        "Equation (9) is not here", "Figure 2 of the paper", "the paper’s Figure 2", "Figure 22",
        "the paper's (3)", "(3) of the paper", "Table 1 of Hu et al.", "their equation (2)",
        "its Table 1, distorted MNIST", "ECA-Net's Table 1", "version 3.2 and Figure 2.5",
        "<code>f (2)</code>", "<pre>(2)</pre>", '<a href="x">Figure 2</a>', "<h2>The sum (2)</h2>",
        '<div class="math notranslate">\\[(2)\\]</div>', "<summary>Derivation of (2)</summary>",
        "<math><mo>(2)</mo></math>", '<script>"(2)"</script>', "<svg><text>(2)</text></svg>",
        "<button>Figure 2</button>", '<p><em>f</em>(2)</p>', '<img alt="as (2) says" src="x">',
        '<span class="math notranslate">\\(f\\)</span>(2)',
    ],
)  # fmt: skip
def test_false_friends_stay_as_they_are(text):
    assert references.linked(text, KNOWN) == text


def test_a_comment_in_code_leads_to_its_equation_and_keeps_its_words():
    code = '<pre>s <span class="o">=</span> f(2) <span class="c1"># (2)  b c</span>\n(3)</pre>'
    made = references.linked(code, KNOWN)
    assert leads(made) == [("eq-2", "(2)")]
    assert re.sub(r"</?a\b[^>]*>", "", made) == code


def test_a_number_alone_says_in_full_where_it_leads():
    made = references.linked("Figures 2 and 3, by (4)", KNOWN)
    assert re.findall('aria-label="([^"]+)"', made) == ["Figure 2", "Figure 3", "equation (4)"]


# ---------------------------------------------------------------- anchors


PAGE = (
    '<div class="math notranslate nohighlight">\n\\[x \\tag{1}\\]</div>'
    '<div class="math notranslate nohighlight">\n\\[x\\]</div>'
    '<div class="cell docutils"><div class="cell_output docutils"><img src="a.png"></div></div>'
    "<p><strong>Figure 1.</strong> A picture.</p>"
    "<h2>Next</h2><p><strong>Figure 2.</strong> Another.</p>"
    '<section id="exercise-3-count-level-1">\n<h3>Exercise 3: Count (level 1)'
    '<a class="headerlink" href="#exercise-3-count-level-1">#</a></h3></section>'
)


def test_everything_with_a_number_has_an_anchor_and_a_sign():
    made, known = references.anchored(PAGE)
    assert list(known) == ["exercise-3", "eq-1", "fig-1", "fig-2"] or set(known) == {
        "eq-1", "fig-1", "fig-2", "exercise-3",
    }  # fmt: skip
    for anchor in known:
        assert made.count(f'id="{anchor}"') == 1
        assert f'href="#{anchor}"' in made
    assert '<div id="fig-1" class="cell_output' in made, "the picture, not its caption"
    assert '<p class="ac-caption" id="fig-2"' in made, "no picture of its own above it"
    assert 'id="exercise-3-count-level-1"' in made, "old links keep their place"


def test_a_book_without_scripts_has_anchors_without_signs():
    epub = '<div class="math"><math></math> <span class="eqno">(7)</span></div>'
    made, known = references.anchored(epub, signs=False)
    assert known == {"eq-7": "equation (7)"}
    assert 'id="eq-7"' in made
    assert "headerlink" not in made


def section(title, *children):
    made = nodes.section("", nodes.title(text=title), *children)
    return made


def test_the_outermost_section_of_a_title_keeps_the_plain_anchor():
    document = utils.new_document("page")
    document += section("The maths", section("What it costs"), section("Proof"), section("Proof"))
    document += section("What it costs")
    document += section("微")
    for s in document.findall(nodes.section):
        document.note_implicit_target(s, s)
        s["names"] = [s[0].astext().lower()]
        document.set_id(s)
    old = [s["ids"][0] for s in document.findall(nodes.section)]
    new = [anchors.new_names(document).get(i, i) for i in old]
    assert new == [
        "the-maths", "the-maths-what-it-costs", "proof", "the-maths-proof", "what-it-costs",
        "section",
    ]  # fmt: skip


# ---------------------------------------------------------------- the built pages


@pytest.mark.parametrize("page", PAGES)
def test_anchors_are_unique_and_say_what_they_are(page, html):
    text = re.sub(r"<script\b.*?</script>", "", (html / page).read_text("utf-8"), flags=re.DOTALL)
    found = re.findall(r'<[^>]*\sid="([^"]*)"', text)
    assert [i for i, n in collections.Counter(found).items() if n > 1] == []
    assert [i for i in found if re.fullmatch(r"id\d+", i)] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_number_that_a_chapter_names_is_a_link(name, html):
    """In its prose, in what its cells show, and in the comments of its code."""
    from bs4 import BeautifulSoup

    page = BeautifulSoup((html / f"book/{name}.html").read_text(encoding="utf-8"), "html.parser")
    article = page.find("article")
    known = {node["id"] for node in article.find_all(id=True)}
    source = "\n".join(
        c["source"] for c in rules.load(name)["cells"] if c["cell_type"] == "markdown"
    )
    numbered = {
        "eq": re.findall(r"\\tag\{(\w+)\}", source),
        "fig": re.findall(r"^\*\*Figure (\d+)\.\*\*", source, re.M),
        "tab": re.findall(r"^\*\*Table (\d+)\.\*\*", source, re.M),
        "exercise": re.findall(r"^### Exercise (\d+):", source, re.M),
    }
    wanted = {f"{kind}-{n}" for kind, numbers in numbered.items() for n in numbers}
    assert wanted - known == set()
    assert {a["href"].lstrip("#") for a in article.select("a.ac-ref")} <= wanted

    comments = [c.get_text() for c in article.select("pre .c1")]
    in_code = [n for c in comments for n in re.findall(r"(?<![\w)])\((\d{1,2})\)", c)]
    assert len(article.select("pre .c1 a.ac-ref")) == sum(f"eq-{n}" in wanted for n in in_code)

    skipped = (
        "a, label, code, pre, h1, h2, h3, h4, summary, .math, math, script, style, svg, .ac-number"
    )
    for node in article.select(skipped):
        node.replace_with("x" if "math" in (node.get("class") or ()) else "")
    text, prefix = article.get_text(), {"Figure": "fig", "Table": "tab"}
    left = [
        m.group()
        for m in re.finditer(r"(?<![\w)x])\((\d+)\)|\b(Figure|Table|[Ee]xercise)\s+(\d+)", text)
        if (f"eq-{m[1]}" if m[1] else f"{prefix.get(m[2], 'exercise')}-{m[3]}") in wanted
    ]
    assert left == []


# ---------------------------------------------------------------- in the browser

IN_SIGHT = """anchor => {
    const box = document.getElementById(anchor).getBoundingClientRect();
    return box.top >= 0 && box.top < innerHeight;
}"""


def within(v):
    """Whether the preview lies within the width of the window."""
    box = v.page.locator(".ac-preview").bounding_box()
    return box["x"] >= 0 and box["x"] + box["width"] <= v.page.viewport_size["width"]


#: Where a preview lies on a phone depends on no chapter: one of each wing stands for all.
ON_A_PHONE = list({name.split("/")[0]: name for name in CHAPTERS}.values())


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "width"), [*((n, 1280) for n in CHAPTERS), *((n, 320) for n in ON_A_PHONE)]
)
def test_a_preview_opens_by_hover_and_by_focus_and_closes(name, width, stay):
    v = stay(f"book/{name}.html", width=width)
    preview = v.page.locator(".ac-preview")
    kinds = {"eq": "mjx-container", "fig": "img, svg, table", "exercise": "p"}
    tried = 0
    for kind, holds in kinds.items():
        links = v.page.locator(f".bd-article p > a.ac-ref[href^='#{kind}-']:visible")
        if not links.count():
            continue
        tried += 1
        link = links.first
        link.scroll_into_view_if_needed()
        v.page.mouse.move(0, 0)  # off what the last test, or the scroll, brought under it
        preview.wait_for(state="hidden")
        link.hover()
        preview.wait_for(state="visible")
        assert preview.locator(holds).count()
        assert link.get_attribute("aria-describedby") == preview.get_attribute("id")
        assert preview.locator("[id], [tabindex], a").count() == 0
        assert within(v)
        v.page.keyboard.press("Escape")
        assert preview.is_hidden()
        assert link.get_attribute("aria-describedby") is None
        v.page.mouse.move(0, 0)
        link.focus()
        preview.wait_for(state="visible")
        assert within(v)
        link.blur()
        preview.wait_for(state="hidden")
    assert tried
    assert v.errors == []


@pytest.mark.browser
def test_a_deep_link_ends_where_it_leads_and_the_way_back_leads_back(visit):
    """Behind formulas that move it, into a fold, and by a finger."""
    page = "book/channel_spatial/dual_attention.html"
    v = visit(f"{page}#eq-9")
    v.page.wait_for_timeout(200)
    assert v.page.evaluate(IN_SIGHT, "eq-9")
    folded = v.page.locator("details.ac-deeper .ac-eqn").first.get_attribute("id")
    assert folded
    v.page.evaluate("anchor => { location.hash = anchor; }", folded)
    v.page.wait_for_function(IN_SIGHT, arg=folded)

    v.stand(width=390, touch=True)
    link = v.page.locator(".bd-article p > a.ac-ref[href^='#eq-']:visible").last
    link.scroll_into_view_if_needed()
    box = link.bounding_box()
    before = v.page.evaluate("scrollY")
    v.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    anchor = link.get_attribute("href").lstrip("#")
    v.page.wait_for_function("anchor => location.hash === '#' + anchor", arg=anchor)
    v.page.wait_for_function(IN_SIGHT, arg=anchor)
    assert v.page.locator(".ac-preview:visible").count() == 0
    assert abs(v.page.evaluate("scrollY") - before) > 100
    v.page.go_back()
    v.page.wait_for_function("top => Math.abs(scrollY - top) < 100", arg=before)
