"""The networks that follow the chain: RSTAN, what takes parts of it away, and its rivals."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from attncourse.layers import lstm_step
from attncourse.spatial_temporal import RecurrentSpatialTemporal
from attncourse.spatial_temporal.rstan.scorers import gathered, place_weights, scores
from attncourse.tasks.follow_chain import CHANNELS

FEATURES, SCORER, STATE, STEPS, DIGITS = 48, 48, 64, 3, 10


class Clock(RecurrentSpatialTemporal):
    """The scorers ask with one learned vector for each step, whatever was read before."""

    def __init__(self, channels: int, classes: int, **options: Any) -> None:
        super().__init__(channels, classes, **options)
        self.table = nn.Parameter(0.1 * torch.randn(self.steps, self.width))

    def asking(self, state: Tensor, step: int) -> Tensor:
        """The vector of the step."""
        return self.table[step].expand_as(state)


class Even(RecurrentSpatialTemporal):
    """No choice: all places and all frames weigh the same at every step."""

    def look(self, keys: Tensor, values: Tensor, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Even weights."""
        alpha = torch.full_like(values[..., 0], 1 / values.shape[2])
        gamma = torch.full_like(values[:, :, 0, 0], 1 / values.shape[1])
        return alpha, gamma, gathered(alpha, values)


class EvenFrames(RecurrentSpatialTemporal):
    """A choice of places alone: all frames weigh the same."""

    def look(self, keys: Tensor, values: Tensor, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The places that the state chooses, and even weights of frames."""
        alpha, gamma, u = super().look(keys, values, asked)
        return alpha, torch.full_like(gamma, 1 / gamma.shape[1]), u


class EvenPlaces(RecurrentSpatialTemporal):
    """A choice of frames alone: all places of a frame weigh the same."""

    def look(self, keys: Tensor, values: Tensor, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Even weights of places, and the frames that the state chooses."""
        alpha = torch.full_like(values[..., 0], 1 / values.shape[2])
        u = gathered(alpha, values)
        of_frames = scores(self.frame_key(u), self.frame_query(asked), self.frame_score)
        return alpha, of_frames.softmax(dim=1), u


class Follower(nn.Module):
    """One layer that makes features of each place, and a recurrent network that looks at them.

    Shape:
        - x: (b, 128, t, h, w)
        - scores: (b, steps, 10)
    """

    def __init__(
        self, kind: type[RecurrentSpatialTemporal] = RecurrentSpatialTemporal, **options: Any
    ) -> None:
        super().__init__()
        self.encoder = nn.Linear(CHANNELS, FEATURES)
        options = {"steps": STEPS, "hidden": SCORER, "width": STATE, **options}
        self.network = kind(FEATURES, DIGITS, **options)

    def features(self, x: Tensor) -> Tensor:
        """(b, 48, t, h, w)."""
        made: Tensor = self.encoder(x.movedim(1, -1))
        return made.movedim(-1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the digits at every step."""
        said: Tensor = self.network(self.features(x))
        return said


class Reader(nn.Module):
    """Places are chosen, frames are not: an LSTM reads all frames in their order, several times.

    After each reading of the whole clip it gives the answer of one step.  The state asks for
    places, as in RSTAN.

    Args:
        width: of the state.
    """

    def __init__(self, width: int = 72) -> None:
        super().__init__()
        self.width = width
        self.encoder = nn.Linear(CHANNELS, FEATURES)
        self.key = nn.Linear(FEATURES, SCORER)
        self.query = nn.Linear(width, SCORER, bias=False)
        self.score = nn.Linear(SCORER, 1, bias=False)
        self.lstm = nn.Linear(FEATURES + width, 4 * width)
        self.answer = nn.Linear(width, DIGITS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the digits after every reading."""
        values = self.encoder(x.flatten(3).movedim(1, 3))
        keys = self.key(values)
        state = cell = values.new_zeros(len(x), self.width)
        said = []
        for _ in range(STEPS):
            for t in range(values.shape[1]):
                e = scores(keys[:, t], self.query(state), self.score)
                alpha = place_weights(e[:, None])
                z = gathered(alpha, values[:, t : t + 1])[:, 0]
                gates = self.lstm(torch.cat([z, state], dim=1)).chunk(4, dim=1)
                state, cell = lstm_step(gates, cell)
            said.append(self.answer(state))
        return torch.stack(said, dim=1)


class Hops(nn.Module):
    """One token looks at all places of all frames, once for each answer, with the same weights.

    Its look is one flat softmax of scaled products with one head, its memory a residual and two
    layers: no LSTM, and no scorer with a tanh.

    Args:
        width: of the token and of the features.
        hidden: of the two layers.
    """

    def __init__(self, width: int = 64, hidden: int = 160) -> None:
        super().__init__()
        self.encoder = nn.Linear(CHANNELS, width)
        self.start = nn.Parameter(0.1 * torch.randn(width))
        self.seen, self.asks, self.held, self.said = (nn.LayerNorm(width) for _ in range(4))
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.answer = nn.Linear(width, DIGITS)

    def forward(self, x: Tensor, steps: int = STEPS) -> Tensor:
        """Scores of the digits after every look."""
        places = self.seen(self.encoder(x.flatten(2).mT))
        keys, values = self.key(places), self.value(places)
        token = self.start.expand(len(x), -1)
        told = []
        for _ in range(steps):
            asked = self.query(self.asks(token))[..., None] / keys.shape[2] ** 0.5
            weights = (keys @ asked).softmax(dim=1)
            token = token + self.out((weights.mT @ values)[:, 0])
            token = token + self.layers(self.held(token))
            told.append(self.answer(self.said(token)))
        return torch.stack(told, dim=1)


class Layers(nn.Module):
    """Self-attention: all places of all frames look at each other, layer after layer.

    A token for each step is added, and answers are read from these.

    Args:
        width: of a token.
        layers: how many.
        heads: in each layer.
    """

    def __init__(self, width: int = 40, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.encoder = nn.Linear(CHANNELS, width)
        self.steps = nn.Parameter(0.1 * torch.randn(STEPS, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.answer = nn.Linear(width, DIGITS)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the digits at every step."""
        places = self.encoder(x.flatten(2).mT)
        tokens = torch.cat([self.steps.expand(len(x), -1, -1), places], dim=1)
        for layer in self.layers:
            tokens = layer(tokens)
        said: Tensor = self.answer(self.norm(tokens[:, :STEPS]))
        return said
