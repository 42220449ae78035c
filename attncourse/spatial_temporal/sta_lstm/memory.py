"""The LSTM of STA-LSTM, equation (1) of the chapter: its weights, and two ways over the frames."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attncourse.layers import lstm_step
from attncourse.precision import exact
from attncourse.transforms import in_torch_func


def lstm(
    x: Float[Tensor, "b t e"],
    w_x: Float[Tensor, "q e"],
    w_h: Float[Tensor, "q u"],
    bias: Float[Tensor, " q"],
) -> Float[Tensor, "b t u"]:
    """Equation (1): h_1 to h_T in one call, with gates in the order input, forget, cell, output."""
    # A recurrence carries its rounding errors along, so it keeps the type of its weights.
    with exact(x):
        x = x.to(w_x.dtype)
        if in_torch_func():
            return frame_by_frame(x, w_x, w_h, bias)
        start = x.new_zeros(1, x.shape[0], w_h.shape[1])
        weights = [w_x, w_h, bias, torch.zeros_like(bias)]  # the library's form has two biases
        # train=True keeps what a backward pass on a GPU needs; there is no dropout.
        return torch.lstm(x, (start, start), weights, True, 1, 0.0, True, False, True)[0]


def frame_by_frame(
    x: Float[Tensor, "b t e"],
    w_x: Float[Tensor, "q e"],
    w_h: Float[Tensor, "q u"],
    bias: Float[Tensor, " q"],
) -> Float[Tensor, "b t u"]:
    """The same a frame at a time: ``vmap`` has no rule for the call that takes all at once."""
    h = c = x.new_zeros(x.shape[0], w_h.shape[1])
    states = []
    for of_frame in F.linear(x, w_x, bias).unbind(1):
        admit, keep, new, show = (of_frame + F.linear(h, w_h)).chunk(4, dim=1)
        h, c = lstm_step((admit, keep, show, new), c)
        states.append(h)
    return torch.stack(states, dim=1)


def before(h: Float[Tensor, "b t u"]) -> Float[Tensor, "b t u"]:
    """h_0 to h_{T-1}: what is remembered when a frame arrives."""
    return F.pad(h, (0, 0, 1, 0))[:, :-1]


class Memory(nn.Module):
    """The weights of one LSTM layer of ``hidden`` units, with the one bias of its equations."""

    def __init__(self, inputs: int, hidden: int, **factory: Any) -> None:
        super().__init__()
        self.weight_x = nn.Parameter(torch.empty(4 * hidden, inputs, **factory))
        self.weight_h = nn.Parameter(torch.empty(4 * hidden, hidden, **factory))
        self.bias = nn.Parameter(torch.empty(4 * hidden, **factory))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights evenly from -1/sqrt(hidden) to 1/sqrt(hidden), as PyTorch does."""
        bound = self.weight_h.shape[1] ** -0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """The states after every frame, (b, t, hidden)."""
        return lstm(x, self.weight_x, self.weight_h, self.bias)
