"""What every chapter's page gets at build time: a path strip above, a facts line below its title.

Nothing of it is stored in the notebook.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sphinx.application import Sphinx

from attnbook import costs, gpu, reading
from attnbook import plan as plans
from attnbook.plan import BOOK, Address, Category, Chapter
from attnbook.stamps import device, duration, stamp_of

_CAPTION = re.compile(r"<p>(?=<strong>(?:Figure|Table) [\d.]+</strong>)")
_FOLD = re.compile(
    r'(?P<details><details class="admonition hide[^>]*>\s*)<summary.*?</summary>'
    r"(?P<start>.*?<pre>[^\n]*)",
    re.DOTALL,
)
_SOLUTION = re.compile(r"#@title Solution (\d+)")
_AIMS = re.compile(r"<p>(After this chapter you can)</p>\s*(<ul.*?</ul>)", re.DOTALL)
_HEAD = re.compile(r"(<h1\b.*?</h1>)(\s*<p>.*?</p>)?", re.DOTALL)


def strip_html(category: Category, here: Chapter, address: Address) -> str:
    """Where you are: the category's question and its chapters, the present one lit."""
    items = []
    for chapter in category.chapters:
        name, href = escape(chapter.short), address(chapter.path)
        if chapter == here:
            items.append(f'<li><span class="ac-here" aria-current="page">{name}</span></li>')
        elif href is None:
            note = '<span class="ac-hidden">, coming</span>'
            items.append(f'<li><span class="ac-coming" title="coming">{name}{note}</span></li>')
        else:
            items.append(f'<li><a href="{escape(href)}">{name}</a></li>')
    title = category.name.replace("_", " &amp; ")
    return (
        '<nav class="ac-path" aria-label="Chapters of this part">'
        f'<span class="ac-path-part">{escape(category.question)} · {title}</span>'
        f"<ol>{''.join(items)}</ol></nav>"
    )


@dataclass(frozen=True)
class Facts:
    """What the line under a chapter's title says; what is not known is left out."""

    minutes: int
    exercises: int = 0
    stamp: dict[str, Any] | None = None
    launch: tuple[tuple[str, str], ...] = ()
    class_path: str = ""
    source: str = ""
    gpu: dict[str, Any] | None = None


def facts_html(facts: Facts) -> str:
    """One line: reading time, measured running time, where to run it, what to import."""
    parts = [f"about {facts.minutes} min to read"]
    if facts.exercises:
        parts[0] += f", {facts.exercises} min of exercises"
    ran = ran_text(facts.stamp, facts.gpu)
    if ran:
        parts += [escape(ran), "needs no GPU and no download"]
    parts += [f'<a href="{escape(url)}">open in {escape(name)}</a>' for name, url in facts.launch]
    if facts.class_path:
        path = f"<code>{escape(facts.class_path)}</code>"
        parts.append(f'<a href="{escape(facts.source)}">{path}</a>' if facts.source else path)
    items = "".join(f"<li>{part}</li>" for part in parts)
    return f'<ul class="ac-facts" aria-label="Facts about this chapter">{items}</ul>'


def ran_text(stamp: dict[str, Any] | None, gpu: dict[str, Any] | None = None) -> str:
    """``ran in 41 s on two CPU cores``, or nothing if the notebook carries no stamp.

    A time on a GPU is told where one was taken, and missed where not.
    """
    if not stamp or "seconds" not in stamp:
        return ""
    where = f" on {device(stamp)}" if device(stamp) else ""
    if gpu:
        also = f", in {duration(float(gpu['seconds']))} on {device(gpu)}"
    else:
        also = ", not timed on a GPU" if "CPU" in where else ""
    return f"ran in {duration(float(stamp['seconds']))}{where}{also}"


def launch_links(options: dict[str, Any], path: str) -> tuple[tuple[str, str], ...]:
    """(name, address) for each service that can open the notebook ``path`` of the repository."""
    buttons = options.get("launch_buttons", {})
    repository = options.get("repository_url", "").rstrip("/")
    branch = options.get("repository_branch", "main")
    if not repository.startswith("https://github.com/"):
        return ()
    slug = repository.removeprefix("https://github.com/")
    links = []
    if colab := buttons.get("colab_url", "").rstrip("/"):
        links.append(("Colab", f"{colab}/github/{slug}/blob/{branch}/{path}"))
    if binder := buttons.get("binderhub_url", "").rstrip("/"):
        links.append(("Binder", f"{binder}/v2/gh/{slug}/{branch}?urlpath=lab/tree/{quote(path)}"))
    return tuple(links)


def named_folds(body: str) -> str:
    """``body`` in which each folded cell says what it hides, in place of one phrase for all."""

    def named(found: re.Match[str]) -> str:
        title = _SOLUTION.search(found["start"])
        name = f"solution {title[1]}" if title else "the code"
        return (
            f"{found['details']}<summary>"
            f'<p class="collapsed admonition-title">Show {name}</p>'
            f'<p class="expanded admonition-title">Hide {name}</p>'
            f"</summary>{found['start']}"
        )

    return _FOLD.sub(named, body)


def place(body: str, strip: str, facts: str) -> str:
    """The page's ``body`` with the strip above its title and the facts after its promise."""

    def around(found: re.Match[str]) -> str:
        title, promise = found.group(1), found.group(2) or ""
        promise = promise.replace("<p>", '<p class="ac-promise">', 1)
        return f"{strip}{title}{promise}{facts}"

    # What the chapter aims at is folded: whoever comes to see the mechanism sees it sooner.
    body = _AIMS.sub(r'<details class="ac-aims"><summary>\1 …</summary>\2</details>', body, count=1)
    body = named_folds(_CAPTION.sub('<p class="ac-caption">', body))
    return _HEAD.sub(around, body, count=1)


def on_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Add strip and facts to the context of a chapter's page."""
    root = Path(app.srcdir)
    plan = plans.read(root / app.config.attnbook_plan)
    found = plans.find(plan, pagename)
    if found is None or doctree is None or "body" not in context:
        return
    category, here = found
    builder, known = app.builder, app.env.found_docs

    def address(path: str) -> str | None:
        docname = f"{BOOK}/{path}"
        return builder.get_relative_uri(pagename, docname) if docname in known else None

    notebook = Path(app.env.doc2path(pagename))
    stamp = stamp_of(notebook)
    found_reading = reading.measure(json.loads(notebook.read_text(encoding="utf-8")))
    options = app.config.html_theme_options
    record = next(
        (r for r in _records(root / app.config.attnbook_catalog) if r["chapter"] == here.path), {}
    )
    repository = options.get("repository_url", "").rstrip("/")
    branch = options.get("repository_branch", "main")
    facts = Facts(
        minutes=reading.rounded(found_reading.path.minutes),
        exercises=found_reading.exercise_minutes,
        stamp=stamp,
        gpu=gpu.time_of(gpu.chapter_times(root), here.path, stamp),
        launch=launch_links(options, notebook.relative_to(root).as_posix()),
        class_path=record.get("class", ""),
        source=f"{repository}/{_source(root, here.path, branch)}" if repository else "",
    )
    body = place(context["body"], strip_html(category, here, address), facts_html(facts))
    if table := costs.read(root / app.config.attnbook_benchmarks):
        page = builder.get_relative_uri(pagename, f"{BOOK}/costs")
        body = costs.in_chapter(body, table, here.path, page)
    context["body"] = body


def _source(root: Path, path: str, branch: str) -> str:
    """Where a mechanism's code stands in the repository: one file, or a folder of its name."""
    if (root / "attncourse" / path).is_dir():
        return f"tree/{branch}/attncourse/{path}"
    return f"blob/{branch}/attncourse/{path}.py"


def _records(catalog: Path) -> list[dict[str, Any]]:
    return json.loads(catalog.read_text(encoding="utf-8")) if catalog.exists() else []
