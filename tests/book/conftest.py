"""A browser and a server of the built book for the tests of its pages."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: No sandbox, because CI runs as root in a container; nothing of the browser's own may call out.
_SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def missing(reason: str) -> None:
    """Skip on a user's machine, fail in CI."""
    if os.environ.get("ATTNCOURSE_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book."""
    if not (HTML / "index.html").exists():
        missing("the book is not built: make book")
    return HTML


@pytest.fixture(scope="session")
def site(html):
    """Address of the built book on localhost."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Quiet, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """Chromium: the system's, the one named by CHROMIUM, or Playwright's own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
        own = playwright.chromium.executable_path
        if not found and not Path(own).exists():
            missing("no Chromium: install it, or run  python -m playwright install chromium")
        chromium = playwright.chromium.launch(executable_path=found or own, args=list(_SWITCHES))
        yield chromium
        chromium.close()


class Visit:
    """A page with what it asked for and complained about."""

    def __init__(self, browser, site, *, width=1280, javascript=True, dark=False, touch=False):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=javascript,
            color_scheme="dark" if dark else "light",
            has_touch=touch,
        )
        self.site = site
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.sizes: dict[str, int] = {}
        self.context.route("**/*", self._only_here)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("response", self._weigh)

    def _only_here(self, route):
        if route.request.url.startswith((self.site, "data:", "blob:")):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def _weigh(self, response):
        if response.url.startswith(self.site):
            if response.status >= 400:
                self.errors.append(f"{response.status} {response.url}")
            elif response.status < 300:
                self.sizes[response.url] = len(response.body())

    def open(self, path: str):
        """Load a page and wait until its maths is set."""
        self.sizes.clear()
        self.page.goto(f"{self.site}/{path}", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise ?? Promise.resolve()")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def close(self):
        self.context.close()


@pytest.fixture(scope="module")
def stay(browser, site):
    """Like ``visit``, but the page stays open for the next test that asks for the same one.

    For tests that each touch a part of the page that is their own.
    """
    last = {}

    def opened(path, **options):
        if last.get("asked") != (path, options):
            if last:
                last["visit"].close()
            last.update(asked=(path, options), visit=Visit(browser, site, **options))
            last["visit"].open(path)
        return last["visit"]

    yield opened
    if last:
        last["visit"].close()


@pytest.fixture
def visit(browser, site):
    """A function that opens a page of the book; closed after the test."""
    made = []

    def opened(path, **options):
        v = Visit(browser, site, **options)
        made.append(v)
        if options.get("javascript", True):
            v.open(path)
        else:
            v.page.goto(f"{site}/{path}", wait_until="load")
        return v

    yield opened
    for v in made:
        v.close()
