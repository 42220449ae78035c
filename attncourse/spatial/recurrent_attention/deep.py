r"""DRAM, the deep recurrent attention model (Ba, Mnih and Kavukcuoglu, 2015; ``ba2015dram``).

RAM with a product in place of the sum and with a second recurrent layer.  Equations, numbered as
in the chapter ``spatial/recurrent_attention``:

.. math::
    z_t &= f_{\text{image}}(X, l_t) \odot f_{\text{loc}}(l_t)                    & (3)\\
    r^1_t &= f^1(z_t, r^1_{t-1}), \quad r^2_t = f^2(r^1_t, r^2_{t-1})            & (4)\\
    \mu_{t+1} &= f_\mu(r^2_t), \quad l_{t+1} \sim N(\mu_{t+1}, \tau^2 I)         & (5)\\
    y &= f_{\text{cls}}(r^1_T)                                                   & (6)

========  =======  ==================================================================
symbol    shape    meaning
========  =======  ==================================================================
X         b c h w  the images
l         b t 2    locations (x, y) in [-1, 1]: the attention g(x)
z_t       b D      *what* times *where*, with a ReLU on each
r1        b D      lower state, which reads; the scores come from it
r2        b D      upper state, which decides; ``context`` starts it
mu        b 2      mean of the next location; tau is its spread, ``std``
y         b n      scores of n classes, from the last lower state
========  =======  ==================================================================

The classifier does not see r2, so that it cannot read the whole image past the glimpses.
Without ``context`` both states start at zero and the first look is in the middle.  DRAM's f1 and
f2 are LSTMs and its f_image is convolutional; here they are RAM's ReLU layers.  The paper reads a
sequence of objects; here one answer is given after the last look.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Card
from attncourse.layers import whole
from attncourse.spatial.recurrent_attention.cost import deep_multiply_adds, deep_parameter_count
from attncourse.spatial.recurrent_attention.module import RecurrentAttention


class DeepRecurrentAttention(RecurrentAttention):
    r"""Look a few times, with one state that reads and another that decides.

    .. math:: y = f_{\text{cls}}(r^1_T), \quad r^1_t = f^1(z_t, r^1_{t-1}), \quad
              l_{t+1} \sim N(\mu(r^2_t), \tau^2 I)

    Source: Ba, Mnih and Kavukcuoglu, *Multiple Object Recognition with Visual Attention*,
    ICLR 2015, arXiv 1412.7755.

    ``g``, ``f`` and what ``forward`` returns in training are those of
    :class:`RecurrentAttention`.  Torch has no forward-mode derivative of the sensor's
    ``grid_sample``, and on a GPU no deterministic backward pass.

    Args:
        channels: number of channels c of the images.
        classes: number of scores.
        steps: number of looks t.
        glimpse: side of a square in numbers, and of the finest one in pixels.
        scales: number of squares, each twice as wide as the one before.
        features: hidden width of what and where.
        width: width of the states.
        product: multiply what and where; otherwise add them, as RAM does.
        context: side of a small version of the image that starts the deciding state; 0 for none.
        std: spread of the sampled locations; set it anew to anneal it.
        joint: whether REINFORCE's gradient goes on into the state that reads.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, n)`, scores of the classes
        - weights: :math:`(b, t, 2)`, locations (x, y) in [-1, 1]

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> net = DeepRecurrentAttention(1, steps=4, context=12).eval()
        >>> scores, locations = net(torch.rand(2, 1, 60, 60), need_weights=True)
        >>> scores.shape, locations.shape
        (torch.Size([2, 10]), torch.Size([2, 4, 2]))
    """

    _defaults: ClassVar[dict[str, object]] = {
        **RecurrentAttention._defaults, "product": True, "context": 0,
    }  # fmt: skip

    def __init__(
        self,
        channels: int,
        classes: int = 10,
        *,
        steps: int = 6,
        glimpse: int = 8,
        scales: int = 1,
        features: int = 128,
        width: int = 256,
        product: bool = True,
        context: int = 0,
        std: float = 0.2,
        joint: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.context = context  # a number that RAM's constructor validates and builds from
        super().__init__(
            channels, classes, steps=steps, glimpse=glimpse, scales=scales, features=features,
            width=width, product=product, std=std, joint=joint, device=device, dtype=dtype,
        )  # fmt: skip

    def _add_states(self, factory: dict[str, Any]) -> None:
        """A second recurrent layer, and what starts its state."""
        super()._add_states(factory)
        self.upper = nn.RNNCell(self.width, self.width, nonlinearity="relu", **factory)
        if self.context:
            self.coarse = nn.Linear(self.channels * self.context**2, self.width, **factory)

    def _first_states(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The upper state may start from a small version of the whole image."""
        lower, upper = super()._first_states(x)
        if self.context:
            small = F.interpolate(x, (self.context, self.context), mode="bilinear")
            upper = F.relu(self.coarse(small.flatten(1)))
        return lower, upper

    def _to_decide(self, reading: Tensor, deciding: Tensor) -> Tensor:
        """Equation (4), its second half."""
        state: Tensor = self.upper(reading, deciding)
        return state

    def _validate_arguments(self) -> None:
        """Raise a ``ValueError`` for a network that cannot be built."""
        whole(context=self.context, steps=self.steps)
        if self.context < 0:
            raise ValueError(f"context={self.context} must be a side in pixels, or 0 for none")
        if self.steps == 1 and not self.context:
            raise ValueError("steps=1 leaves nothing to decide: take at least 2, or 1 with context")
        super()._validate_arguments()


CARD = Card(
    stem="deep_recurrent_attention",
    within="recurrent_attention",
    title="DRAM",
    category="spatial",
    module=DeepRecurrentAttention,
    key="ba2015dram",
    authors="Ba, Mnih, Kavukcuoglu",
    venue="ICLR",
    year=2015,
    decides="lₜ₊₁ ~ N(Wμ r²ₜ + bμ, τ²)",
    applies="y = f_cls(r¹_T), r¹ₜ = f¹(f_image(X, lₜ) ⊙ f_loc(lₜ), r¹ₜ₋₁)",
    weights="b t 2",
    parameters=deep_parameter_count,
    parameters_formula="d(kCm² + 4) + 2D(d + 1) + 4D(D + 1) + (D + 1)(n + 2)",
    macs=deep_multiply_adds,
    macs_formula="about T(kCm²d + 2dD + 2D²) + 2(T - 1)D², for any H and W",
    memory="two states of D",
    growth="C",
    drop_in=False,
)
