"""The guide: a question, the mechanism that hears it, and the strongest rival that was recorded.

Nothing here is a number.  Each row names two variants of a recorded experiment of another chapter;
:func:`verdicts` reads their scores.  A rival is what learns without the mechanism's decision, with
as many parameters as its chapter gave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from attncourse.experiments.comparisons import Comparison
from attncourse.experiments.results import published


@dataclass(frozen=True)
class Advice:
    """One row.

    Attributes:
        question: what decides the answer, in the reader's words.
        attention: what to call the mechanism.
        chapter: path of the chapter that recorded it.
        experiment: name of the experiment.
        mechanism: its variant.
        rival: the variant to try first.
        cheap: what the rival is, in plain words.
    """

    question: str
    attention: str
    chapter: str
    experiment: str
    mechanism: str
    rival: str
    cheap: str


GUIDE = (
    Advice("which channel, by its mean", "SE", "channel/squeeze_excitation",
           "which_stream", "SE", "deep CNN", "a deeper CNN"),
    Advice("which channel, by its spread", "SRM", "channel/style_recalibration",
           "noisy_copies", "SRM", "1 / variance", "a gate of 1 / variance"),
    Advice("which channel, beside the others", "GCT", "channel/gated_channel_transformation",
           "random_gain", "GCT", "SE on log norms", "SE on log norms"),
    Advice("which channels go together", "GSoP", "channel/global_second_order_pooling",
           "which_pair", "GSoP", "mixed SE", "a 1x1 layer, then SE"),
    Advice("which region of a channel", "GE", "channel/gather_excite",
           "local_corruption", "θ, e = 4", "CNN", "1x1 layers, all copies at once"),
    Advice("whether a rare thing is anywhere", "EncNet", "channel/context_encoding",
           "look_alikes", "EncNet", "normed maximum", "the maximum of the map"),
    Advice("one place that all must hear of", "GC", "spatial/global_context",
           "needle", "attention", "deep pointwise net", "deeper layers of one pixel, then a mean"),
    Advice("what my row and my column hold", "criss-cross", "spatial/criss_cross",
           "rooks", "two passes", "strips", "convolutions along lines"),
    Advice("which other pixel belongs to me", "non-local", "spatial/non_local",
           "longer", "non-local", "wide global context", "one wide summary for all"),
    Advice("which patch repeats another", "ViT", "spatial/vision_transformer",
           "missing_glyph", "ViT", "mean mixing", "the mean of all patches"),
    Advice("whether two patches are alike", "ViT", "spatial/vision_transformer",
           "same_or_different", "ViT", "CNN, two-layer head", "a CNN with a head of two layers"),
    Advice("a neighbour that the pixel names", "deformable", "spatial/deformable_convolution",
           "follow_the_arrow", "deformable", "predicted weights", "predicted weights"),
    Advice("how the whole thing is placed", "STN", "spatial/spatial_transformer",
           "warped_digits", "STN", "CNN, global max, 5x5", "a CNN with a global maximum"),
    Advice("how it is placed, among clutter", "STN", "spatial/spatial_transformer",
           "clutter", "STN", "CNN, global max, 5x5", "a CNN with a global maximum"),
    Advice("how far it is turned", "STN", "spatial/spatial_transformer",
           "rotation_only", "STN", "CNN", "a CNN"),
    Advice("how large the thing is", "SK", "branch/selective_kernel",
           "scale", "SK", "even mixture", "both kernels, added"),
    Advice("which kernel suits the image", "dynamic", "branch/conditional_convolution",
           "worlds", "dynamic", "static, equal parameters", "a wider static network"),
    Advice("what looks like the marked thing", "DANet", "channel_spatial/dual_attention",
           "reference_discs", "both branches", "global context", "one summary for all"),
    Advice("whether I am inside a box", "coordinate", "channel_spatial/coordinate_attention",
           "one", "coordinate", "means given, wide", "means of lines, no gate"),
)  # fmt: skip


def verdicts() -> Iterator[tuple[Advice, Comparison]]:
    """Each row with the comparison of its mechanism against its rival."""
    for advice in GUIDE:
        names = [advice.rival, advice.mechanism]
        found = published(advice.chapter).compare(
            advice.experiment, against=advice.rival, variants=names
        )
        yield advice, found


#: Head of the table whose rows :func:`row` makes.
COLUMNS = ("what decides the answer", "mechanism", "score", "try first", "score", "difference")
#: As many seeds as most chapters have.
_SEEDS = 5


def row(advice: Advice, found: Comparison) -> list[str]:
    """A row of the guide as a table has it; where seeds fall into two clusters, no mean stands.

    Args:
        advice: the row.
        found: as :func:`verdicts` gives it.
    """
    runs = published(advice.chapter).experiments[advice.experiment]["runs"]
    weights = {run["variant"]: run["parameters"] for run in runs}

    def of(name: str) -> str:
        scores = found[name].summary
        learned = f"{scores.learned} of {scores.seeds} learned"
        score = learned if scores.two_clusters else f"{scores.mean:.3f}"
        return f"{score} ({weights[name]:,})"

    gain = found[advice.mechanism].gain
    assert gain is not None
    size = "" if gain.two_clusters else f"{round(gain.mean, 3) + 0.0:+.3f}, ".replace("-", "−")
    seeds = "" if gain.seeds == _SEEDS else f" ({gain.seeds} seeds)"
    mechanism, rival = of(advice.mechanism), of(advice.rival)
    difference = f"{size}{gain.verdict}{seeds}"
    return [advice.question, advice.attention, mechanism, advice.cheap, rival, difference]


def digits() -> Iterator[tuple[str, Comparison]]:
    """Chapter -> its mechanism against the plain network on the small digits, where recorded."""
    for chapter, name in DIGITS.items():
        found = published(chapter).compare("digits", against="plain", variants=["plain", name])
        yield chapter, found


#: Chapters that trained on the small digits, where nothing is arranged -> the mechanism's variant.
DIGITS = {
    "channel/squeeze_excitation": "SE",
    "channel/style_recalibration": "residual SRM",
    "channel/global_second_order_pooling": "GSoP",
    "channel/frequency_channel": "FcaNet",
    "channel/efficient_channel": "ECA",
    "spatial/non_local": "non-local",
    "spatial/global_context": "global context",
    "spatial/asymmetric_non_local": "asymmetric",
}
