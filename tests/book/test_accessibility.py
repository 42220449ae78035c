"""The pages for those who do not see them, do not use a mouse, or are disturbed by motion."""

from __future__ import annotations

import pytest

from tests.book.test_pages import CHAPTERS, PAGES

pytestmark = pytest.mark.browser


#: A rule of axe-core that looks at colours; the test after the next looks at those of every text.
COLOURS = "color-contrast"
#: Looks at the style of links, which all pages share, and takes as long as all other rules.
LINKS = "link-in-text-block"


#: The page whose formulas are judged as well.
WHOLE = "book/channel/squeeze_excitation.html"
#: Most of a chapter's elements stand inside its formulas, which MathJax makes alike on all pages.
TAKE_FORMULAS_OUT = """() => [...document.querySelectorAll("mjx-container")].map(formula => {
    const place = document.createTextNode("formula");
    formula.replaceWith(place);
    return [place, formula];
})"""
PUT_FORMULAS_BACK = "taken => taken.forEach(([place, formula]) => place.replaceWith(formula))"


def serious(page, *, formulas=True, context=None, **options):
    """What axe-core finds, folds open so that what is hidden is judged too."""
    from axe_playwright_python.sync_playwright import Axe

    options |= {"resultTypes": ["violations"], "preload": False}  # no rule here reads style sheets
    folds = page.evaluate_handle("[...document.querySelectorAll('article details:not([open])')]")
    folds.evaluate("folds => folds.forEach(fold => fold.open = true)")
    taken = page.evaluate_handle("() => []" if formulas else TAKE_FORMULAS_OUT)
    found = Axe().run(page, context, options=options)
    taken.evaluate(PUT_FORMULAS_BACK)
    folds.evaluate("folds => folds.forEach(fold => fold.open = false)")
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.fixture(scope="session")
def judged(browser):
    """The rules of axe-core whose breach is serious or critical, but for the two above."""
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page()
    page.set_content("<title>Nothing</title>")
    Axe().run(page, options={"runOnly": [COLOURS]})
    rules = page.evaluate(
        """axe._audit.rules.map(rule => [
            rule.id, rule.impact, rule.enabled && !rule.tags.includes("experimental")])"""
    )
    page.close()
    assert {impact for _, impact, _ in rules} == {"minor", "moderate", "serious", "critical"}
    heavy = [name for name, impact, on in rules if on and impact in ("serious", "critical")]
    assert len(heavy) > 50
    return [name for name in heavy if name not in (COLOURS, LINKS)]


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious(page, stay, judged):
    whole = page in (WHOLE, PAGES[0])
    rules = [*judged, LINKS] if whole else judged
    assert serious(stay(page).page, formulas=whole, runOnly=rules) == []


def test_axe_finds_what_is_wrong(browser, judged):
    """The rules that are asked for can fail: a nameless button, an image and a field untold."""
    page = browser.new_page()
    page.set_content("<html lang=en><title>x</title><button></button><img src='x'><input>")
    found = {name for name, _ in serious(page, runOnly=judged)}
    page.close()
    assert found == {"button-name", "image-alt", "label"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("page", "part"),
    [("book/intro.html", None), (WHOLE, {"include": [["#the-idea"], ["#exercises"]]})],
)
def test_axe_agrees_on_contrast(page, part, dark, stay):
    """It takes long, so that a page and two parts of a chapter, which have texts of all kinds,
    stand for all: what axe-core finds poor, the next test does."""
    assert serious(stay(page, dark=dark).page, context=part, runOnly=[COLOURS]) == []


#: The contrast of every text with what is behind it, where it is poor by WCAG: below 4.5 : 1,
#: or 3 : 1 for large letters.  Half-transparent layers are laid over one another.
POOR_CONTRAST = """() => {
  const parse = text => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(srgb") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = ([r, g, b, a], [R, G, B]) =>
    [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const light = rgb => rgb.map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const grounds = new Map();
  const ground = element => {
    if (!element) return [255, 255, 255];
    if (!grounds.has(element)) {
      const layer = parse(getComputedStyle(element).backgroundColor);
      const below = layer[3] < 1 ? ground(element.parentElement) : null;
      grounds.set(element, below ? over(layer, below) : layer.slice(0, 3));
    }
    return grounds.get(element);
  };
  const opacities = new Map();
  const shown = element => {
    if (!element) return 1;
    if (!opacities.has(element)) {
      const own = +getComputedStyle(element).opacity;
      opacities.set(element, own * shown(element.parentElement));
    }
    return opacities.get(element);
  };
  const texts = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { textContent, parentElement: e } = walker.currentNode;
    if (textContent.trim() && !e.closest("svg:not(.ac-cost), script, style, noscript, [disabled]"))
      texts.add(e);
  }
  let seen = 0;
  const poor = [];
  for (const e of texts) {
    if (!e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(e);
    if (style.clipPath !== "none" || style.clip !== "auto") continue;
    let [r, g, b, a] = parse(e.closest("svg") ? style.fill : style.color);
    a *= shown(e);
    const behind = ground(e);
    const [high, low] = [light(over([r, g, b, a], behind)), light(behind)]
      .sort((one, two) => two - one);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
    const contrast = (high + 0.05) / (low + 0.05);
    seen += 1;
    if (contrast < (large ? 3 : 4.5)) {
      poor.push([contrast.toFixed(2), style.color, behind.map(Math.round).join(),
                 `${e.className} ${e.textContent.trim().slice(0, 40)}`]);
    }
  }
  return { seen, poor };
}"""


@pytest.mark.parametrize("page", PAGES)
def test_text_has_contrast_in_light_and_dark(page, stay):
    """Of every text of the page, folds open, from the colours that the browser shows."""
    for dark in (False, True):
        p = stay(page, dark=dark).page
        folds = p.evaluate_handle("[...document.querySelectorAll('article details:not([open])')]")
        folds.evaluate("folds => folds.forEach(fold => fold.open = true)")
        found = p.evaluate(POOR_CONTRAST)
        folds.evaluate("folds => folds.forEach(fold => fold.open = false)")
        assert found["seen"] > 20
        assert found["poor"] == []


def test_poor_contrast_is_noticed(browser):
    """The measure can fail: mid grey on white, light grey on grey, a dimmed paragraph."""
    page = browser.new_page()
    page.set_content(
        """<p style="color: #777">grey</p><div style="background: rgba(0, 0, 0, .5)">
        <p style="color: #ccc">on grey</p></div><p style="color: #000; opacity: .4">dimmed</p>
        <p style="color: #000">good</p><p style="color: #777; font-size: 30px">large</p>"""
    )
    poor = page.evaluate(POOR_CONTRAST)["poor"]
    page.close()
    assert [row[-1].strip() for row in poor] == ["grey", "on grey", "dimmed"]


#: Everything in the article that can be seen and used.
STOPS = """() => [...document.querySelectorAll(
    'article a[href], article summary, article input, article button, article [tabindex]'
)].filter(e => e.checkVisibility({ visibilityProperty: true }) && e.tabIndex >= 0
               && !e.closest('details:not([open]) > :not(summary)')
               && (e.type !== 'radio' || e.checked))"""
#: Note every stop of the focus, with whether it can be seen, until the focus leaves the article.
FOLLOW = """() => {
    const article = document.querySelector('article');
    article.setAttribute('tabindex', '-1');
    article.focus();
    window.stops = { seen: 0, bare: [], left: false };
    document.addEventListener('focusin', function follow({ target: e }) {
        if (!e.closest('article')) {
            stops.left = true;
            document.removeEventListener('focusin', follow);
            return;
        }
        stops.seen += 1;
        const s = getComputedStyle(e);
        const ring = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;
        if (!ring && s.boxShadow === 'none') stops.bare.push(e.outerHTML.slice(0, 90));
    });
}"""
#: Stops that do not take the focus, that take it out of order, or that do not show it.
FOCUSED = """stops => {
    const wrong = { refuses: [], ordered: [], bare: [] };
    for (const e of stops) {
        e.focus({ focusVisible: true, preventScroll: true });
        const said = e.outerHTML.slice(0, 90), s = getComputedStyle(e);
        const ring = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;
        if (document.activeElement !== e) wrong.refuses.push(said);
        else if (!ring && s.boxShadow === 'none') wrong.bare.push(said);
        if (e.tabIndex > 0) wrong.ordered.push(said);
    }
    return wrong;
}"""
#: Stops where a script takes the Tab key, or the focus, away from the browser.  What the browser
#: itself does with Tab, the test after the next sees on one page.
KEPT = """stops => stops.filter(e => {
    e.focus({ preventScroll: true });
    const key = { key: "Tab", code: "Tab", keyCode: 9, bubbles: true, cancelable: true };
    return !e.dispatchEvent(new KeyboardEvent("keydown", key)) || document.activeElement !== e;
}).map(e => e.outerHTML.slice(0, 90))"""
#: A preview that a stop has opened would keep its copy of a page without formulas.
LET_GO = """() => {
    dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    document.activeElement.blur();
}"""


@pytest.mark.parametrize("page", ["book/intro.html", *(f"book/{n}.html" for n in CHAPTERS)])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(page, stay):
    """Every link, fold, slider and canvas of the article takes the focus, in the page's order,
    with a visible outline; and none that listens to keys keeps Tab for itself."""
    p = stay(page).page
    stops = p.evaluate_handle(STOPS)
    assert p.evaluate("stops => stops.every(e => !e.closest('mjx-container'))", stops)
    taken = p.evaluate_handle(TAKE_FORMULAS_OUT)  # with them each step takes eight times as long
    assert p.evaluate(FOCUSED, stops) == {"refuses": [], "ordered": [], "bare": []}
    assert p.evaluate(KEPT, stops) == [], "the keyboard does not get out of these stops"
    p.evaluate(LET_GO)
    taken.evaluate(PUT_FORMULAS_BACK)
    assert p.locator(".ac-preview:not([hidden])").count() == 0, "a preview stays open"


def test_a_stop_that_keeps_tab_is_noticed(browser):
    page = browser.new_page()
    page.set_content(
        """<button id="good">good</button><button id="kept">kept</button>
        <input id="moves"><p tabindex="0" id="text">text</p>"""
    )
    page.evaluate(
        """() => {
            kept.addEventListener("keydown", e => e.preventDefault());
            moves.addEventListener("keydown", e => good.focus());
        }"""
    )
    kept = page.evaluate(KEPT, page.evaluate_handle("[good, kept, moves, text]"))
    page.close()
    assert [text.split('id="')[1].split('"')[0] for text in kept] == ["kept", "moves"]


@pytest.mark.parametrize("page", [WHOLE])
def test_tab_visits_a_chapter_in_order(page, stay):
    """The browser's own way through one chapter, from the first stop to the end of the article."""
    p = stay(page).page
    wanted = p.evaluate(f"({STOPS})().length")
    p.evaluate(FOLLOW)
    for count in range(1, wanted + 101):  # boxes that scroll are stops as well
        p.keyboard.press("Tab")
        if count % 20 == 0 and p.evaluate("stops.left"):
            break
    stops = p.evaluate("stops")
    assert stops["left"], "the keyboard does not get out of the article"
    assert stops["seen"] >= wanted
    assert stops["bare"] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_targets_are_large_enough_for_a_thumb(name, stay):
    """Folds, sliders and buttons of a chapter are at least 32 pixels high on a phone."""
    p = stay(f"book/{name}.html", width=390, touch=True).page
    small = p.evaluate(
        """() => [...document.querySelectorAll(
            'article summary, article input[type=range], article button:not(.copybtn)'
        )].filter(e => e.offsetParent !== null && e.getBoundingClientRect().height < 32)
          .map(e => [e.getBoundingClientRect().height, e.textContent.trim().slice(0, 40)])"""
    )
    assert small == []


@pytest.mark.parametrize("page", ["book/intro.html", "book/channel/squeeze_excitation.html"])
def test_reduced_motion_is_respected(page, stay):
    p = stay(page, motion=False).page
    moving = p.evaluate(
        """() => [...document.querySelectorAll('*')].filter(e => {
            const s = getComputedStyle(e);
            const long = t => t.split(',').some(v => parseFloat(v) > 0.01);
            return long(s.animationDuration) && s.animationName !== 'none'
                || long(s.transitionDuration);
        }).map(e => e.tagName + '.' + e.className).slice(0, 5)"""
    )
    smooth = p.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    assert moving == []
    assert smooth == "auto"
