"""Photograph every page of the built book, so that whoever changes the look can look.

    python tools/screenshots.py                          # every page, into build/screenshots
    python tools/screenshots.py channel/squeeze_excitation
    python tools/screenshots.py --cover                  # the README's picture, light and dark

Each page is taken at 1280 and 390 pixels, light and dark.  Run it with the environment's Python
after ``make book``.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import io
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
OUT = ROOT / "build" / "screenshots"
WIDTHS, THEMES = (1280, 390), ("light", "dark")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """Serve the built book on localhost and give its address."""
    handler = functools.partial(_Quiet, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium: the one named by CHROMIUM, the system's, or Playwright's own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
        browser = playwright.chromium.launch(executable_path=path, args=_SWITCHES)
        yield browser
        browser.close()


def pages(names: list[str]) -> list[str]:
    """Paths of the pages to take, all of the book's if none is named."""
    if names:
        return [f"book/{n.removeprefix('book/').removesuffix('.ipynb')}.html" for n in names]
    found = (p.relative_to(HTML).as_posix() for p in (HTML / "book").rglob("*.html"))
    return sorted(found)


def photograph(page: Any, address: str, theme: str, width: int, whole: bool = True) -> bytes:
    """One picture of one page."""
    page.set_viewport_size({"width": width, "height": 860})
    page.goto(address, wait_until="load")
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.evaluate("() => window.MathJax?.startup?.promise ?? Promise.resolve()")
    page.evaluate(
        """() => Promise.all([...document.images].map(image => {
            image.loading = "eager";
            return image.decode().catch(() => {});
        }))"""
    )
    page.wait_for_timeout(400)
    return page.screenshot(full_page=whole, animations="disabled")


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("chapter", nargs="*")
    parser.add_argument("--cover", action="store_true", help="write the README's picture")
    options = parser.parse_args(arguments)
    if not (HTML / "index.html").exists():
        print("the book is not built: make book")
        return 1
    with served() as site, chromium() as browser:
        for theme in THEMES:
            page = browser.new_context(color_scheme=theme, reduced_motion="reduce").new_page()
            if options.cover:
                target = ROOT / "book" / "_static" / f"cover-{theme}.png"
                target.write_bytes(
                    _lighter(photograph(page, f"{site}/book/intro.html", theme, 1280, whole=False))
                )
                print(target.relative_to(ROOT))
                continue
            for name in pages(options.chapter):
                for width in WIDTHS:
                    stem = name.removeprefix("book/").removesuffix(".html").replace("/", ".")
                    target = OUT / f"{stem}-{width}-{theme}.png"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(photograph(page, f"{site}/{name}", theme, width))
                    print(target.relative_to(ROOT))
    return 0


def _lighter(png: bytes) -> bytes:
    """The picture with a palette of 256 colours."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
