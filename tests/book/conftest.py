"""A browser and a server of the built book for the tests of its pages."""

from __future__ import annotations

import functools
import http.server
import inspect
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: No sandbox, because CI runs as root in a container; nothing of the browser's own may call out.
#: No host but this one has an address: what a page wants from elsewhere never leaves the machine.
_SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


DESK, HEIGHT = 1280, 900
#: Milliseconds after which an answer will never come; no test measures with it.
PATIENCE = 180_000


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

        def end_headers(self):
            self.send_header("Cache-Control", "max-age=86400")  # the book does not change meanwhile
            super().end_headers()

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """A page that is left before it is loaded is no error."""

    handler = functools.partial(Quiet, directory=str(html))
    with Server(("127.0.0.1", 0), handler) as server:
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


PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


class Visit:
    """A page with what it asked for and complained about.

    Nothing is routed through Playwright, which would turn off the memory of a context: scripts
    that all pages share are read and compiled once.
    """

    def __init__(self, context, site, *, maths=True):
        self.context = context
        self.site = site
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.sizes: dict[str, int] = {}
        self.page = context.new_page()
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("request", self._note)
        self.page.on("response", self._weigh)
        self._touch = False
        self._media = None
        self._tools = context.new_cdp_session(self.page)
        if not maths:
            self._tools.send("Network.enable")
            self._tools.send("Network.setBlockedURLs", {"urls": ["*mathjax*"]})

    def forget(self):
        """Begin with nothing remembered, as a newcomer does."""
        self._tools.send(
            "Storage.clearDataForOrigin",
            {"origin": self.site, "storageTypes": "cookies,local_storage,indexeddb"},
        )
        return self

    def _note(self, request):
        if not request.url.startswith((self.site, "data:", "blob:")):
            self.foreign.append(request.url)

    def _weigh(self, response):
        """Note how large a file of the book is, whether it was sent or remembered."""
        if response.url.startswith(self.site):
            if response.status >= 400:
                self.errors.append(f"{response.status} {response.url}")
                return
            path = HTML / unquote(urlsplit(response.url).path).lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            self.sizes[response.url] = path.stat().st_size

    def open(self, path: str):
        """Load a page and wait until its maths is set."""
        self.sizes.clear()
        self.page.goto(f"{self.site}/{path}", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise ?? Promise.resolve()")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def stand(self, *, width=DESK, dark=False, touch=False, media="screen", motion=True):
        """Show the page as this kind of reader has it, without loading it again."""
        page, wanted = self.page, (media, dark, motion)
        other = wanted != self._media
        if other:  # all of the page is styled anew
            page.emulate_media(
                media=media,
                color_scheme="dark" if dark else "light",
                reduced_motion="no-preference" if motion else "reduce",
            )
            self._media = wanted
        if page.viewport_size["width"] != width:
            page.set_viewport_size({"width": width, "height": HEIGHT})
        if touch != self._touch:
            self._tools.send("Emulation.setTouchEmulationEnabled", {"enabled": touch})
            self._touch = touch
        self.theme("dark" if dark else "light", settle=other)
        return self

    def theme(self, name: str, *, settle: bool = True):
        """Choose light or dark, with every transition at its end.

        Without ``settle`` nothing happens if the page has that theme; it may have changed to it by
        itself, when its reader's system did, and then its transitions are still on their way.
        """
        self.page.evaluate(
            """async ([name, settle]) => {
            if (!settle && document.documentElement.dataset.theme === name) return;
            document.documentElement.dataset.theme = name;
            for (let frame = 0; frame < 2; frame++) {
                await new Promise(requestAnimationFrame);  // in which transitions begin
                for (const moving of document.getAnimations()) moving.finish();
            }
            }""",
            [name, settle],
        )

    def tap(self, x: float, y: float):
        """Touch the window with one finger, there, and let go."""
        for kind, points in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
            self._tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def close(self):
        self.page.close()


def page_of(item) -> str | None:
    """The page that a test which stays on one page is about."""
    if "stay" not in item.fixturenames or not hasattr(item, "callspec"):
        return None
    given = item.callspec.params
    return given.get("page") or (f"book/{given['name']}.html" if "name" in given else None)


def width_of(item) -> int:
    """How wide the window is in which a test shows its page, the first time if there are more."""
    given = item.callspec.params.get("width") if hasattr(item, "callspec") else None
    return given or _width_in_source(item.function)


@functools.cache
def _width_in_source(function) -> int:
    named = re.search(r"\bwidth=(\d+)", inspect.getsource(function))
    return int(named[1]) if named else DESK


def pytest_collection_modifyitems(items):
    """All tests of a page stand together, those of one width next to each other.

    The page is then loaded once for them, and laid out once a width.
    """
    order: dict[str, int] = {}
    for item in items:
        page = page_of(item)
        if page is not None:
            order.setdefault(page, len(order))
    items.sort(
        key=lambda item: (order[page], -width_of(item)) if (page := page_of(item)) else (-1, 0)
    )


@pytest.fixture(scope="session")
def _reader(browser):
    """A function: the one context of all readers, or of all whose browser runs no scripts."""
    made = {}

    def context(*, javascript=True):
        if javascript not in made:
            made[javascript] = browser.new_context(
                viewport={"width": DESK, "height": HEIGHT}, java_script_enabled=javascript
            )
            made[javascript].set_default_timeout(PATIENCE)
        return made[javascript]

    yield context
    for one in made.values():
        one.close()


@pytest.fixture(scope="session")
def _open_page(_reader, site):
    last = {}

    def opened(path):
        if last.get("path") != path:
            if last:
                last["visit"].close()
            last.update(path=path, visit=Visit(_reader(), site).forget())
            last["visit"].open(path)
        return last["visit"]

    yield opened
    if last:
        last["visit"].close()


@pytest.fixture
def stay(_open_page):
    """A function that shows a page of the book, loaded once for all tests that name it.

    A test leaves the page as it found it, but for explorers, each of which is set by the test
    that reads it.
    """
    return lambda path, **reader: _open_page(path).stand(**reader)


@pytest.fixture(scope="session")
def first_paint(browser, site):
    """A function: milliseconds until a page, by its path, shows its first text."""

    def seconds(path, text=None):
        context = browser.new_context(viewport={"width": DESK, "height": HEIGHT})
        page = context.new_page()
        if text:
            page.route(f"**/{path}", lambda r: r.fulfill(body=text, content_type="text/html"))
        page.goto(f"{site}/{path}", wait_until="commit")
        painted = page.wait_for_function(PAINTED, timeout=PATIENCE).json_value()
        context.close()
        return painted

    return seconds


@pytest.fixture(scope="session")
def plain_paint(first_paint):
    """A function: how long the yardstick takes, a page of nothing but text.

    It is timed three times here, and once more where somebody asks ``again``.
    """
    text = f"<!doctype html><title>Text</title>{'<p>Some words of a plain page.</p>' * 2000}"
    times = [first_paint("plain.html", text) for _ in range(3)]

    def measured(*, again=False):
        if again:
            times.append(first_paint("plain.html", text))
        return sorted(times[-5:])[len(times[-5:]) // 2]

    return measured


@pytest.fixture
def visit(_reader, site):
    """A function that opens a page for this test alone, of a reader who remembers nothing.

    With ``maths=False`` the formulas are not set, which takes most of a chapter's load.
    """
    made = []

    def opened(path, *, javascript=True, maths=True, **reader):
        v = Visit(_reader(javascript=javascript), site, maths=maths).forget()
        made.append(v)
        if javascript:
            v.open(path)
            v.stand(**reader)
        else:
            v.page.goto(f"{site}/{path}", wait_until="load")
        return v

    yield opened
    for v in made:
        v.close()
