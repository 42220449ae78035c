"""The networks that read the grid: encoders, decoders with other contexts, and what trains them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.spatial import ShowAttendTell
from attncourse.spatial.recurrent_attention.policy import Baseline
from attncourse.spatial.show_attend_tell import Told

CHANNELS, CELLS = 32, 9


class Encoder(nn.Module):
    """Patches of four by four pixels, and a convolution over them: one annotation for each cell.

    The second layer reads four by four patches around a cell, of which only four lie in it.

    Args:
        padding: ``zeros``, ``circular`` (the grid goes on at its other side, so that no place is
            a border), or ``apart``: each cell is convolved by itself and sees nothing else.
        table: add a learned vector for each position.
        side: cells along each side.

    Shape:
        - x: (b, 1, 8 side, 8 side)
        - annotations: (b, 32, side, side)
    """

    def __init__(self, padding: str = "zeros", *, table: bool = True, side: int = 3) -> None:
        super().__init__()
        self.apart, self.side = padding == "apart", side
        mode: Any = "zeros" if self.apart else padding
        self.patches = nn.Conv2d(1, CHANNELS, 4, stride=4)
        self.around = nn.Conv2d(CHANNELS, CHANNELS, 4, stride=2, padding=1, padding_mode=mode)
        self.table = nn.Parameter(0.1 * torch.randn(CHANNELS, side, side)) if table else None

    def forward(self, x: Tensor) -> Tensor:
        """Annotations, with their positions if there is a table."""
        images = len(x)
        if self.apart:
            cells = x.unfold(2, 8, 8).unfold(3, 8, 8)  # b 1 s s 8 8
            x = cells.reshape(-1, 1, 8, 8)
        x = F.relu(self.around(F.relu(self.patches(x))))
        if self.apart:
            x = x.view(images, self.side, self.side, CHANNELS).permute(0, 3, 1, 2)
        return x if self.table is None else x + self.table


class MeanContext(ShowAttendTell):
    """The same map for every word: all positions alike."""

    def log_weights(self, keys: Tensor, state: Tensor) -> Tensor:
        """Uniform weights, whatever the state."""
        alike = super().log_weights(keys, state)
        return torch.full_like(alike, 1 / alike.shape[1]).log()


class FlatContext(ShowAttendTell):
    """No map: every word gets the whole feature map, flattened and made narrower by one layer."""

    def __init__(self, channels: int, positions: int = CELLS, **options: object) -> None:
        super().__init__(channels, **options)  # type: ignore[arg-type]
        self.narrow = nn.Linear(positions * channels, channels)

    def context(self, weights: Tensor, values: Tensor, state: Tensor) -> Tensor:
        """The flattened map, the same for every word."""
        flat: Tensor = self.narrow(values.flatten(1))
        return F.relu(flat)


class StraightThrough(ShowAttendTell):
    """A draw that backpropagation takes for the mean: its slopes are made up."""

    def choose(self, log_weights: Tensor) -> tuple[Tensor, Tensor]:
        """One-hot values, with the derivatives of the softmax."""
        used, drawn = super().choose(log_weights)
        soft = log_weights.exp()
        return soft + (used - soft).detach(), drawn


class Blank(nn.Module):
    """A start that says nothing: zeros in place of what the mean annotation tells."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, mean: Tensor) -> Tensor:
        """(b, width) zeros."""
        return mean.new_zeros(len(mean), self.width)


class Ready(NamedTuple):
    """A learner in training: what the loss needs to have the caption told."""

    learner: Learner
    annotations: Tensor


class Learner(nn.Module):
    """Encoder and decoder, with a baseline and a schedule for hard attention.

    In training the result is what :func:`loss` takes, which knows the right words; in eval mode
    it is the scores of the words.

    Args:
        decoder: the class of the decoder.
        padding: of the encoder.
        table: whether annotations carry their position.
        blank: start the state from zeros in place of the mean annotation.
        soft_steps: number of steps with the mean, before the draws of a hard model begin.
        forget: draw the scorer anew after these steps, so that all but the map is trained.
        coverage: weight of the doubly stochastic penalty.
        entropy: weight of the entropy.
        baseline: whether the rewards to go are compared with a learned guess.
        log_reward: reward each word by the logarithm of its probability, as the paper does.
        options: of the decoder.
    """

    step: Tensor

    def __init__(
        self,
        decoder: Callable[..., ShowAttendTell] = ShowAttendTell,
        *,
        padding: str = "zeros",
        table: bool = True,
        blank: bool = False,
        soft_steps: int = 0,
        forget: bool = False,
        coverage: float = 0.0,
        entropy: float = 0.02,
        baseline: bool = True,
        log_reward: bool = False,
        **options: object,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(padding, table=table)
        self.decoder = decoder(CHANNELS, **options)
        if blank:
            self.decoder.first_state = Blank(self.decoder.width)  # type: ignore[assignment]
            self.decoder.first_cell = Blank(self.decoder.width)  # type: ignore[assignment]
        self.baseline = Baseline(self.decoder.width) if baseline else None
        self.hard, self.soft_steps, self.forget = self.decoder.hard, soft_steps, forget
        self.coverage, self.entropy, self.log_reward = coverage, entropy, log_reward
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor | Ready:
        """Scores (b, t, k), or in training all that the loss needs."""
        annotations = self.encoder(x)
        if not self.training:
            self.decoder.hard = self.hard
            scores: Tensor = self.decoder(annotations)
            return scores
        self.decoder.hard = self.hard and int(self.step) >= self.soft_steps
        if self.forget and int(self.step) == self.soft_steps:
            for layer in (self.decoder.key, self.decoder.query, self.decoder.score):
                layer.reset_parameters()
        self.step += 1
        return Ready(self, annotations)

    def told(self, x: Tensor) -> Told:
        """Scores and maps of a batch in eval mode, where the decoder hears its own words."""
        with torch.no_grad():
            return self.decoder.tell(self.encoder(x))
