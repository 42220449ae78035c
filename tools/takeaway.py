"""The book to take away: a zip of the site, a PDF of a chapter, an EPUB of all.

    python tools/takeaway.py archive                           # build/attention-course.zip
    python tools/takeaway.py print channel/squeeze_excitation  # build/pdf/...; all if none
    python tools/takeaway.py epub                              # build/attention-course.epub

Run it with the environment's Python after ``make book``.  The zip opens from the file system,
without a server and without a network.  The PDFs are printed by Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from chapter_rules import as_named, chapters
from course import HTML, ROOT, call
from epub_mend import mend
from screenshots import chromium, served

OUT = ROOT / "build"
NAME = "attention-course"
#: What only a site has: an EPUB is built without it.
_OF_THE_SITE = ("repository", "launch_buttons")


def archive() -> Path:
    """The built site in one zip, under one folder, with a page to open first."""
    target = OUT / f"{NAME}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(HTML.rglob("*")):
            if path.is_file() and path.name not in (".buildinfo", "objects.inv"):
                file.write(path, f"{NAME}/{path.relative_to(HTML).as_posix()}")
    part.replace(target)
    return target


def print_chapters(names: list[str]) -> list[Path]:
    """A PDF of each chapter: explorers as pictures; hints, solutions and answers at the end."""
    made = []
    with served() as site, chromium() as browser:
        for name in names or chapters():
            target = OUT / "pdf" / f"{name}.pdf"
            target.parent.mkdir(parents=True, exist_ok=True)
            page = browser.new_page()
            page.goto(f"{site}/book/{name}.html", wait_until="load")
            page.evaluate("() => window.MathJax?.startup?.promise ?? Promise.resolve()")
            # The pictures that wait until they are near must be there before the printing.
            page.evaluate(
                """() => Promise.all([...document.images].map(image => {
                    image.loading = "eager";
                    return image.decode().catch(() => {});
                }))"""
            )
            page.pdf(
                path=str(target), format="A4", print_background=True, tagged=True, outline=True,
                margin={"top": "16mm", "bottom": "16mm", "left": "16mm", "right": "16mm"},
            )  # fmt: skip
            page.close()
            made.append(target)
    return made


def epub_config() -> dict[str, Any]:
    """The book's configuration without what only a site has, and with MathML for formulas."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    for key in _OF_THE_SITE:
        config.pop(key, None)
    config["html"] = {k: v for k, v in config["html"].items() if not k.startswith("use_")}
    sphinx = config["sphinx"]
    sphinx["extra_extensions"] = []
    sphinx["local_extensions"] = {  # found from the place of the configuration, which is another
        name: str(ROOT / folder) for name, folder in sphinx["local_extensions"].items()
    }
    sphinx["config"] = {k: v for k, v in sphinx["config"].items() if not k.startswith("sitemap")}
    sphinx["config"] |= {
        "html_math_renderer": "mathml",
        "version": "1",
        "epub_basename": NAME,
        "epub_show_urls": "no",
    }
    return config


def epub() -> Path:
    """The whole book as an EPUB.

    Raises:
        RuntimeError: if Sphinx does not make it.
    """
    config, out = OUT / "_config.epub.yml", OUT / "epub"
    shutil.rmtree(out, ignore_errors=True)
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump(epub_config(), allow_unicode=True), encoding="utf-8")
    program = "from jupyter_book.cli.main import main; main()"
    options = ["build", ".", "--config", str(config), "--path-output", str(out), "-q"]
    builder = ["--builder", "custom", "--custom-builder", "epub"]
    if call(sys.executable, "-c", program, *options, *builder):
        raise RuntimeError("the EPUB was not built: see the lines above")
    target = OUT / f"{NAME}.epub"
    shutil.move(out / "_build" / "epub" / f"{NAME}.epub", target)
    mend(target)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Make one thing to take away and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("what", choices=("archive", "print", "epub"))
    parser.add_argument("chapter", nargs="*")
    options = parser.parse_args(arguments)
    wanted = as_named(options.chapter)
    if options.what != "epub" and not (HTML / "index.html").exists():
        print("the book is not built: make book")
        return 1
    made = {
        "archive": lambda: [archive()],
        "print": lambda: print_chapters(wanted),
        "epub": lambda: [epub()],
    }[options.what]()
    for path in made:
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
