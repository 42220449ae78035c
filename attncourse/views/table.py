"""Tables of results that read in light and dark, on a phone, and aloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attncourse.views.fragment import Fragment, escape


def table(
    columns: Sequence[str],
    groups: Mapping[str, Sequence[Sequence[str]]],
    *,
    caption: str,
    strong: Sequence[str] = (),
) -> Fragment:
    """A table whose rows stand in named groups.

    Args:
        columns: headings; the first is that of the rows' names.
        groups: heading of a group -> its rows, each as long as ``columns``.
        caption: what the table shows.
        strong: names of rows to set in bold.

    Raises:
        ValueError: if a row is not as long as ``columns``.
    """
    lines = [caption, "  ".join(columns)]
    body = ""
    for name, rows in groups.items():
        lines.append(name)
        wide = f'scope="rowgroup" colspan="{len(columns)}"'
        body += f'<tr class="ac-group"><th {wide}>{escape(name)}</th></tr>'
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"row {row!r} has {len(row)} cells for {len(columns)} columns")
            mark = ' class="ac-mech"' if row[0] in strong else ""
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
            body += f'<tr{mark}><th scope="row">{escape(row[0])}</th>{cells}</tr>'
            lines.append("  " + "  ".join(row))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    html = (
        f'<div class="ac ac-scroll"><table class="ac-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    return Fragment(html, "\n".join(lines))
