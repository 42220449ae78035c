"""A film that the reader steps through or plays: for what changes over time."""

from __future__ import annotations

from collections.abc import Sequence

from attncourse.views.explorer import _explorer
from attncourse.views.fragment import Fragment, data_uri
from attncourse.views.show import Picture


def explore_frames(
    frames: Sequence[Picture],
    *,
    id: str,
    alt: str,
    label: str,
    settings: Sequence[object] | None = None,
    start: int = 0,
    milliseconds: int = 400,
) -> Fragment:
    """Pictures in order, with a slider and a button that plays them.

    Each picture's own description is read out when it is shown.  Nothing plays by itself, for
    readers whom motion disturbs.

    A film is as wide as its figures, 100 pixels an inch, or as its pictures if they have fewer:
    ``views.show(figure, dpi=200, ...)`` makes it sharp on a fine screen as well.

    Args:
        frames: what ``views.show(figure, alt=...)`` returned, one picture a step.
        id: fixed identifier, unique in its page.
        alt: what the whole film shows, in a sentence.
        label: what the slider counts, such as ``training step``.
        settings: the number or name of each picture; 0, 1, 2, ... by default.
        start: which picture is shown first, and serves as poster.
        milliseconds: time of one picture when played.

    Raises:
        ValueError: if there are fewer than two pictures, or not one setting for each.
    """
    if len(frames) < 2:
        raise ValueError(f"{len(frames)} picture(s) make no film: pass at least two")
    names = list(range(len(frames)) if settings is None else settings)
    if len(names) != len(frames):
        raise ValueError(f"{len(names)} settings for {len(frames)} pictures: give one for each")
    spec = {
        "kind": "frames",
        "label": label,
        "settings": [str(name) for name in names],
        "start": start,
        "milliseconds": milliseconds,
        "width": min(frames[start].width, _pixels(frames[start].png)),
        "frames": [data_uri(frame.png) for frame in frames],
        "captions": [frame.alt for frame in frames],
    }
    return _explorer(id, alt, spec, frames[start])


def _pixels(png: bytes) -> int:
    """Width of a PNG, from its head."""
    return int.from_bytes(png[16:20], "big")
