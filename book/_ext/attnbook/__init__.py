"""The book's own Sphinx extension: map, path strip, facts line, timings, local MathJax.

Standard library and Sphinx only: the book builds without torch and without the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config

from attnbook import (
    anchors,
    answers,
    chapter,
    comparison,
    costs,
    cover,
    deeper,
    epub,
    formulas,
    gpu,
    images,
    mathjax,
    mend,
    progress,
    reading_places,
    references,
    search,
    social,
    taxonomy,
    timings,
    trim,
    wings,
)

_HERE = Path(__file__).parent


def _configure(app: Sphinx, config: Config) -> None:
    config.templates_path.append(str(_HERE / "templates"))
    config.mathjax_path = mathjax.ENTRY
    config.mathjax3_config = mathjax.CONFIG
    home = urlsplit(config.html_baseurl).path or "/"
    config.notfound_urls_prefix = home
    config.notfound_context = {
        "title": "Page not found",
        "body": "<h1>Page not found</h1><p>There is no page at this address. It may have moved: "
        f'try the <a href="{home}book/intro.html">map of the course</a> or the '
        f'<a href="{home}search.html">search</a>.</p>',
    }


def _connect(app: Sphinx) -> None:
    """Work on the pages of the site; of an EPUB only formulas and references are worked on."""
    if app.builder.format != "html":
        return
    app.connect("html-page-context", formulas.on_page, priority=600)
    app.connect("html-page-context", references.on_page, priority=610)
    if app.builder.name != "html":
        return
    app.connect("html-page-context", chapter.on_page)
    app.connect("html-page-context", search.on_page)
    search.on_inited(app)
    app.connect("doctree-resolved", search.on_doctree)
    app.connect("html-page-context", mend.on_page)
    app.connect("html-page-context", social.on_page)
    app.connect("html-page-context", comparison.on_page)
    app.connect("html-page-context", progress.on_page)
    app.connect("html-page-context", trim.on_page, priority=950)
    app.connect("build-finished", mathjax.copy_files)
    app.connect("build-finished", trim.trim_styles)
    app.connect("build-finished", images.complete_pages)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("attnbook_plan", "attncourse/plan.toml", "env")
    app.add_config_value("attnbook_catalog", "book/_data/catalog.json", "env")
    app.add_config_value("attnbook_exercises", "book/_data/exercises.json", "env")
    app.add_config_value("attnbook_benchmarks", "book/_data/benchmarks.json", "env")
    app.add_config_value("attnbook_wings", "book/_data/wings.json", "env")
    app.add_config_value("attnbook_constraints", "constraints.txt", "env")
    app.connect("config-inited", _configure, priority=400)
    app.add_transform(anchors.NamedAnchors)
    app.add_search_language(search.CourseSearch)
    app.add_node(
        taxonomy.taxonomy_map,
        html=(taxonomy.visit_html, taxonomy.depart),
        latex=(taxonomy.visit_text, taxonomy.depart),
        text=(taxonomy.visit_text, taxonomy.depart),
    )
    app.add_node(
        cover.cover,
        html=(cover.visit_html, taxonomy.depart),
        latex=(taxonomy.visit_text, taxonomy.depart),
        text=(taxonomy.visit_text, taxonomy.depart),
    )
    app.add_directive("cover", cover.Cover)
    app.add_directive("taxonomy-map", taxonomy.TaxonomyMap)
    app.add_directive("chapter-timings", timings.ChapterTimings)
    app.add_directive("progress-table", progress.ProgressTable)
    app.add_directive("comparison", comparison.Comparison)
    app.add_directive("ladder", wings.Ladder)
    app.add_directive("wing-drawing", wings.WingDrawing)
    app.add_directive("reading-places", reading_places.ReadingPlaces)
    app.add_directive("benchmarks", costs.Benchmarks)
    app.add_directive("distances", costs.Distances)
    app.add_directive("gpu-chapters", gpu.GpuChapters)
    app.add_directive("gpu-experiments", gpu.GpuExperiments)
    app.add_directive("pinned-versions", timings.PinnedVersions)
    epub.setup(app)
    app.connect("source-read", gpu.on_source)
    app.connect("doctree-resolved", answers.on_doctree, priority=890)
    app.connect("doctree-resolved", deeper.on_doctree, priority=900)
    app.connect("builder-inited", _connect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
