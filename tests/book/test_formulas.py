"""Formulas of cards, tables and diagrams, and numbers as people write them."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("sphinx")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from attnbook import formulas  # noqa: E402
from attnbook.unicode_maths import Atom, mathml, read, svg_text  # noqa: E402

from tests.book.test_pages import PAGES  # noqa: E402

RECORDS = json.loads((ROOT / "book/_data/catalog.json").read_text(encoding="utf-8"))
FIELDS = ("decides", "applies", "parameters", "macs", "memory", "growth")
TEXTS = sorted({record[field] for record in RECORDS for field in FIELDS})


def plain(html):
    """The signs of a formula in their order, without markup."""
    return re.sub(r"\s|<[^>]*>", "", unescape(html))


@pytest.mark.parametrize(
    ("text", "atoms"),
    [
        ("lₜ₊₁", [Atom("letter", "l", "", "t+1")]),
        ("r²ₜ", [Atom("letter", "r", "2", "t")]),
        ("bμ", [Atom("letter", "b", "", "μ")]),
        ("f_cls", [Atom("letter", "f", "", "cls")]),
        ("W_z", [Atom("letter", "W", "", "z")]),
        ("4½C", [Atom("number", "4½"), Atom("letter", "C")]),
        ("2dD", [Atom("number", "2"), Atom("letter", "d"), Atom("letter", "D")]),
        ("dr", [Atom("letter", "d"), Atom("letter", "r")]),
        ("softmaxₘ", [Atom("name", "softmax", "", "m")]),
        ("GAP", [Atom("name", "GAP")]),
        ("all of T", [
            Atom("word", "all"), Atom("space", " "), Atom("word", "of"), Atom("space", " "),
            Atom("letter", "T"),
        ]),
    ],
)  # fmt: skip
def test_the_notation_is_read(text, atoms):
    assert read(text) == atoms


@pytest.mark.parametrize("text", TEXTS)
def test_every_card_becomes_well_formed_and_loses_no_sign(text):
    made = mathml(text)
    ElementTree.fromstring(f"<p>{made.replace('<wbr>', '')}</p>")
    same = dict(zip("-~Σᵀ", "−∼∑⊤", strict=True))
    wanted = "".join(same.get(c, c) for c in re.sub(r"[\s_]", "", text))
    lower = {a.lower for a in read(text)} | {a.upper for a in read(text)}
    # Raised and lowered characters come out as ordinary ones, so sorts and counts must agree.
    assert len(plain(made)) == len(wanted)
    assert "_" not in made
    assert all(plain(mathml(text)).count(c) for part in lower for c in part.replace("T", ""))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("2C²/r + 2CHW", ["2C2/r", "+2CHW"]),
        ("3NC/2, never N²", ["3NC/2,", "N2"]),
        ("y = s ⊙ x", ["y", "=s⊙x"]),
        ("N²(C + C/r)", ["N2(C+C/r)"]),
        ("T(4d(e+d+1) + 9u(e+u)) + n", ["T(4d(e+d+1)", "+9u(e+u))", "+n"]),
    ],
)
def test_a_line_breaks_between_terms_and_never_in_a_product(text, pieces):
    assert [plain(p) for p in re.findall(r"<math>.*?</math>", mathml(text))] == pieces


def test_names_are_upright_and_quantities_are_letters():
    assert "<mi>softmax</mi>" in mathml("softmax(x)")
    assert "<mi>C</mi><mi>H</mi><mi>W</mi>" in mathml("CHW")
    assert "<mi>cls</mi>" in mathml("f_cls")
    assert mathml("a < b") == "<math><mi>a</mi><mo>&lt;</mo><mi>b</mi></math>"


def test_text_of_a_drawing_goes_down_and_comes_back_up():
    assert svg_text("softmax") == "softmax"
    assert svg_text("c h' w'") == "c h&#x27; w&#x27;"
    made = svg_text("f¹: r²ₜ₋₁, x")
    moves = [int(m) for m in re.findall(r'dy="(-?\d+)"', made)]
    assert sum(moves) == 0, "what follows stands on the line again"
    assert plain(made) == "f1:r2t−1,x"


def test_cards_and_diagrams_of_a_page_are_set():
    page = (
        '<dl><div><dt>g</dt><dd class="ac-eq">σ(W₂ &lt;x&gt;)</dd></div>'
        "<div><dt>extra memory</dt><dd>one vector of C</dd></div></dl>"
        '<div class="ac-scroll" style="--ac-min:520px"><svg xmlns="a" viewBox="0 0 840 200">'
        '<text x="1">f_loc</text></svg><svg xmlns="a" class="ac-tall" viewBox="0 0 160 400">'
        '<text x="2">f_loc</text></svg></div>'
    )
    made = formulas.typeset(page)
    assert "<msub><mi>W</mi><mn>2</mn></msub>" in made
    assert "<dd>one vector of <math><mi>C</mi></math></dd>" in made
    assert "--ac-min:655px" in made
    for place in (1, 2):  # from left to right, and from the top down
        assert f'<text x="{place}">f<tspan dy="4" font-size="75%">loc</tspan></text>' in made


# ---------------------------------------------------------------- all built pages

KINDS = {
    "a negative zero": r"(?<![\w.\-−])[-−]0(?:\.0+)?(?![\w.])",
    "an unrounded float": r"\d\.\d{9,}",
    "a raw key as a heading": r"(?:^|\n)[a-z]+(?:_[a-z0-9]+)+:",
}


def shown(html):
    """What a reader of a page sees or hears, without code that is shown as code."""
    from bs4 import BeautifulSoup

    article = BeautifulSoup(html, "html.parser").find("article")
    said = [
        str(node[name])
        for name in ("aria-label", "alt", "title")
        for node in article.find_all(attrs={name: True})
    ]
    for node in article.select(
        "script, style, code, .highlight-ipython3, .cell_input, .math, math"
    ):
        node.decompose()
    return "\n".join([article.get_text("\n"), *said])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("from -0.000 to 1", "a negative zero"), ("−0 points", "a negative zero"),
        ("at 0.49999999999999994", "an unrounded float"),
        ("<b>fashion_mnist: 60,000</b>", "a raw key as a heading"),
        ("from -0.001 to 1e-05, 10-0, -0.5, 3.14159", ""),
    ],
)  # fmt: skip
def test_the_search_tells_the_kinds_apart(text, bad, kind):
    found = re.search(KINDS[kind], shown(f"<article><p>{text}</p></article>"))
    assert (found is not None) == (kind == bad)


@pytest.mark.parametrize("page", PAGES)
def test_numbers_and_names_are_those_of_people(page, html):
    text = shown((html / page).read_text(encoding="utf-8"))
    for kind, pattern in KINDS.items():
        found = [text[max(0, m.start() - 30) : m.end() + 10] for m in re.finditer(pattern, text)]
        assert found == [], kind
