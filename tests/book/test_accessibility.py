"""The pages for those who do not see them, do not use a mouse, or are disturbed by motion."""

from __future__ import annotations

import pytest

from tests.book.test_pages import CHAPTERS, PAGES

pytestmark = pytest.mark.browser

THEMES = ("light", "dark")


def turn(page, theme):
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.wait_for_timeout(150)


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious_in_light_and_dark(page, visit):
    """axe-core's rules, folds open so that what is hidden is judged too."""
    from axe_playwright_python.sync_playwright import Axe

    v = visit(page)
    v.page.evaluate("document.querySelectorAll('article details').forEach(d => d.open = true)")
    found = []
    for theme in THEMES:
        turn(v.page, theme)
        violations = Axe().run(v.page).response["violations"]
        for violation in violations:
            if violation["impact"] in ("serious", "critical"):
                nodes = violation["nodes"][:3]
                found.append((theme, violation["id"], [n["html"][:120] for n in nodes]))
    assert found == []


@pytest.mark.parametrize("page", ["book/intro.html", *(f"book/{n}.html" for n in CHAPTERS)])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(page, visit):
    """Tab visits every link, fold, slider and canvas of the article, in order, each with a
    visible outline, and never gets stuck."""
    p = visit(page).page
    wanted = p.evaluate(
        """() => [...document.querySelectorAll(
            'article a[href], article summary, article input, article button, '
            + 'article [tabindex="0"]'
        )].filter(e => e.checkVisibility({ visibilityProperty: true }) && e.tabIndex >= 0
                       && !e.closest('details:not([open]) > :not(summary)')).length"""
    )
    p.evaluate("document.querySelector('article').setAttribute('tabindex', '-1')")
    p.evaluate("document.querySelector('article').focus()")
    seen, left, bare = 0, False, []
    for _ in range(wanted + 100):  # boxes that scroll are stops as well
        p.keyboard.press("Tab")
        here = p.evaluate(
            """() => {
            const e = document.activeElement, s = getComputedStyle(e);
            if (!e.closest('article')) return null;
            const ring = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;
            return [e.outerHTML.slice(0, 90), ring || s.boxShadow !== 'none'];
            }"""
        )
        if here is None:
            left = True
            break
        seen += 1
        if not here[1]:
            bare.append(here[0])
    assert left, "the keyboard does not get out of the article"
    assert seen >= wanted
    assert bare == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_targets_are_large_enough_for_a_thumb(name, visit):
    """Folds, sliders and buttons of a chapter are at least 32 pixels high on a phone."""
    p = visit(f"book/{name}.html", width=390, touch=True).page
    small = p.evaluate(
        """() => [...document.querySelectorAll(
            'article summary, article input[type=range], article button:not(.copybtn)'
        )].filter(e => e.offsetParent !== null && e.getBoundingClientRect().height < 32)
          .map(e => [e.getBoundingClientRect().height, e.textContent.trim().slice(0, 40)])"""
    )
    assert small == []


@pytest.mark.parametrize("page", ["book/intro.html", "book/channel/squeeze_excitation.html"])
def test_reduced_motion_is_respected(page, browser, site):
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    p = context.new_page()
    p.goto(f"{site}/{page}", wait_until="load")
    moving = p.evaluate(
        """() => [...document.querySelectorAll('*')].filter(e => {
            const s = getComputedStyle(e);
            const long = t => t.split(',').some(v => parseFloat(v) > 0.01);
            return long(s.animationDuration) && s.animationName !== 'none'
                || long(s.transitionDuration);
        }).map(e => e.tagName + '.' + e.className).slice(0, 5)"""
    )
    smooth = p.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    context.close()
    assert moving == []
    assert smooth == "auto"
