"""A film that the reader steps through or plays: for what changes over time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attncourse.views.explorer import _explorer
from attncourse.views.fragment import Fragment
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

    A film is made of drawings and sharp on every screen; images in it have their own pixels.  What
    the drawings have in common stands once in the page.  A picture's ``dpi`` is that of the poster.

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
    parts, numbers = shared_parts([frame.film for frame in frames])
    spec = {
        "kind": "frames",
        "label": label,
        "settings": [str(name) for name in names],
        "start": start,
        "milliseconds": milliseconds,
        "width": frames[start].width,
        "parts": parts,
        "frames": numbers,
        "captions": [frame.alt for frame in frames],
    }
    return _explorer(id, alt, spec, frames[start])


def shared_parts(drawings: Sequence[str]) -> tuple[list[str], list[list[int]]]:
    """Parts that drawings are made of, and for each drawing the numbers of its parts in order.

    What follows each other wherever it occurs is one part.
    """
    cut = [re.findall(r"<[^<]*", drawing) for drawing in drawings]
    follows: dict[str, set[str]] = {}
    precedes: dict[str, set[str]] = {}
    for tags in cut:
        for before, after in zip(["", *tags], [*tags, ""], strict=True):
            follows.setdefault(before, set()).add(after)
            precedes.setdefault(after, set()).add(before)
    known: dict[str, int] = {}
    numbers = []
    for tags in cut:
        runs: list[list[str]] = []
        for before, tag in zip(["", *tags], tags, strict=False):
            joined = runs and len(follows[before]) == 1 and len(precedes[tag]) == 1
            runs[-1].append(tag) if joined else runs.append([tag])
        numbers.append([known.setdefault("".join(run), len(known)) for run in runs])
    return list(known), numbers
