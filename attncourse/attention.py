r"""The one formula behind every mechanism of the course, and its identity card.

Guo et al. (2022) write every attention mechanism as

.. math:: y = f(g(x), x)

where :math:`g` generates the attention and :math:`f` applies it to the input.  A mechanism
of this package is an :class:`Attention` with these two methods and nothing hidden between
them: ``forward(x)`` equals ``f(g(x), x)``, even where it takes a faster path.

Letters of the package, fixed once: ``b`` images in the batch, ``c`` channels, ``h`` rows,
``w`` columns, ``n`` positions (``h * w``), ``k`` branches, kernels or codewords, ``t`` frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

#: Category -> the question that its g answers, in the order of the course.
CATEGORIES: dict[str, str] = {
    "channel": "what",
    "spatial": "where",
    "temporal": "when",
    "branch": "which",
    "channel_spatial": "what and where",
    "spatial_temporal": "where and when",
}


#: How what is held besides input and output grows with the input's size, from less to more.
GROWTHS = ("C", "T", "N", "CT", "CN", "C²", "T²", "N²")

#: What ``g`` gives.  A mechanism narrows it to what its card says.
Weights = Any


class Attention(nn.Module, ABC):
    """A block ``y = f(g(x), x)``.

    Subclasses implement :meth:`g` and :meth:`f`.  Where an exact form exists that never
    builds the weights, they override :meth:`attend` with it; tests hold it to ``f(g(x), x)``.
    """

    @abstractmethod
    def g(self, x: Tensor) -> Weights:
        """Generate the attention weights of ``x``: a tensor, or a tuple of them."""

    @abstractmethod
    def f(self, weights: Weights, x: Tensor) -> Tensor:
        """Apply ``weights`` to ``x``."""

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` that names the argument, its value and the remedy."""

    def attend(self, x: Tensor) -> Tensor:
        """Return ``f(g(x), x)`` in the fastest exact way known for this mechanism."""
        return self.f(self.g(x), x)

    def forward(self, x: Tensor, need_weights: bool = False) -> Tensor | tuple[Tensor, Weights]:
        """Attend to ``x``.

        Args:
            x: the features; the class says which shape.
            need_weights: also return ``g(x)``; then the weights are built explicitly.

        Returns:
            ``y``, or ``(y, weights)`` when the weights are asked for.
        """
        self.validate(x)
        if need_weights:
            weights = self.g(x)
            return self.f(weights, x), weights
        return self.attend(x)


def validate_features(x: Tensor, channels: int) -> None:
    """Raise a ``ValueError`` unless ``x`` has the shape ``(b, channels, h, w)``, h and w >= 1."""
    if x.ndim != 4:
        remedy = "add a batch axis with x[None]" if x.ndim == 3 else "reshape it to four axes"
        raise ValueError(
            f"x must have the shape (b, c, h, w), got {x.ndim} axes {tuple(x.shape)}: {remedy}"
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"x has {x.shape[1]} channels (shape {tuple(x.shape)}), but this block was built for "
            f"channels={channels}: build it with channels={x.shape[1]}, or move the channel axis "
            f"to position 1 with x.movedim(-1, 1)"
        )
    _validate_positions(x)


def validate_clips(x: Tensor, channels: int, frames: int, why: str) -> None:
    """Raise a ``ValueError`` unless ``x`` is (b, channels, frames, h, w), h and w >= 1.

    ``why`` tells what fixes the number of frames.
    """
    if x.ndim != 5:
        remedy = (
            f"split the batch with x.unflatten(0, (-1, {frames})).movedim(1, 2)"
            if x.ndim == 4 and x.shape[1] == channels
            else "add a batch axis with x[None]" if x.ndim == 4 else "reshape it to five axes"
        )  # fmt: skip
        raise ValueError(
            f"x must have the shape (b, c, t, h, w), got {x.ndim} axes {tuple(x.shape)}: {remedy}"
        )
    if x.shape[1] != channels:
        raise ValueError(
            f"x has {x.shape[1]} channels (shape {tuple(x.shape)}), but this block was built for "
            f"channels={channels}: build it with channels={x.shape[1]}, or, if time comes before "
            f"the channels, pass x.movedim(1, 2)"
        )
    if x.shape[2] != frames:
        raise ValueError(
            f"x has {x.shape[2]} frames (shape {tuple(x.shape)}), but this block was built for "
            f"frames={frames}: {why}; build it with frames={x.shape[2]}, or sample {frames} frames "
            f"of the clip"
        )
    _validate_positions(x)


def _validate_positions(x: Tensor) -> None:
    if 0 in x.shape[-2:]:
        raise ValueError(
            f"x has no positions (shape {tuple(x.shape)}): its mean is undefined; "
            f"pass at least one row and one column"
        )


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the course knows about a mechanism, in one place.

    The chapter's identity card, the catalogue, the comparison tables and the contract tests
    all read it.  ``parameters`` and ``macs`` are closed forms; tests hold them to counts.

    Attributes:
        stem: the mechanism's name in snake case; for the first of a chapter, the file name that
            chapter, module, exercises, experiment and test share.
        title: the mechanism's own name; a chapter that treats several may be headed otherwise.
        category: one of :data:`CATEGORIES`.
        module: the class.
        key: citation key in ``book/references.bib``.
        authors: short author list.
        venue: where it was published.
        year: when.
        decides: ``g`` in symbols.
        applies: ``f`` in symbols.
        weights: shape of ``g(x)``; several shapes, separated by commas, for a tuple.
        parameters: constructor arguments -> number of learned parameters.
        parameters_formula: the same in symbols.
        macs: (sizes of ``input`` after b and c, constructor arguments) -> multiply-adds for one
            image, clip or sequence.
        macs_formula: the same in symbols.
        memory: what is held besides input and output, in words.
        growth: how that grows with the input, one of :data:`GROWTHS`; N counts positions.
        drop_in: whether ``module(channels)`` maps (b, c, h, w) to the same shape.
        input: shape of ``x``.
        within: stem of the chapter that treats the mechanism, if it stands there beside another.
    """

    stem: str
    title: str
    category: str
    module: type[Attention]
    key: str
    authors: str
    venue: str
    year: int
    decides: str
    applies: str
    weights: str
    parameters: Callable[..., int]
    parameters_formula: str
    macs: Callable[..., int]
    macs_formula: str
    memory: str
    growth: str
    drop_in: bool = True
    input: str = "b c h w"
    within: str = ""

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise ValueError(
                f"category={self.category!r} is unknown: choose one of {', '.join(CATEGORIES)}"
            )
        if self.growth not in GROWTHS:
            raise ValueError(
                f"growth={self.growth!r} is unknown: choose one of {', '.join(GROWTHS)}"
            )

    @property
    def chapter(self) -> str:
        """Path shared by all wings, such as ``channel/squeeze_excitation``."""
        return f"{self.category}/{self.within or self.stem}"

    @property
    def leads(self) -> bool:
        """Whether the chapter has its name and authors."""
        return not self.within

    @property
    def label(self) -> str:
        """The chapter, and the mechanism within it where that is another."""
        return self.chapter if self.leads else f"{self.chapter}:{self.stem}"

    @property
    def question(self) -> str:
        """The question that ``g`` answers: what, where, when, which."""
        return CATEGORIES[self.category]
