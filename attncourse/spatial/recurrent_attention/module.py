r"""RAM, the recurrent model of visual attention (Mnih et al., 2014; key ``mnih2014ram``).

Equations, numbered as in the chapter ``spatial/recurrent_attention``; (1) and (2) are the sensor
in ``sensor.py``, (10), (14) and (15) the training in ``policy.py``.  The chapter writes (3) to
(6) for DRAM, which is in ``deep.py``; RAM has a sum in (3) and one state in (4):

.. math::
    z_t &= f_{\text{image}}(X, l_t) + f_{\text{loc}}(l_t)                        & (3)\\
    r_t &= f(z_t, r_{t-1})                                                       & (4)\\
    \mu_{t+1} &= f_\mu(r_t), \quad l_{t+1} \sim N(\mu_{t+1}, \tau^2 I)           & (5)\\
    y &= f_{\text{cls}}(r_T)                                                     & (6)

==========  =========  ==============================================================
symbol      shape      meaning
==========  =========  ==============================================================
X           b c h w    the images
l           b t 2      locations (x, y) in [-1, 1]: the attention g(x)
rho(X, l)   b k c m m  one glimpse: k squares of m x m numbers
z_t         b D        *what* plus *where*, with a ReLU on the sum
r_t         b D        the one state, which reads, decides and answers
mu          b 2        mean of the next location; tau is its spread, ``std``
y           b n        scores of n classes, from the last state
==========  =========  ==============================================================

The paper samples the first location; here it is the middle of the image.  The location head
starts at zero, so that a fresh policy looks at the middle on average; papers leave its start
open.  In public code the head sees a state cut from the graph, so that REINFORCE does not shape
what the network sees; that is the default, and ``joint=True`` lets it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import whole
from attncourse.spatial.recurrent_attention.cost import multiply_adds, parameter_count
from attncourse.spatial.recurrent_attention.policy import Glimpsed, log_density
from attncourse.spatial.recurrent_attention.sensor import read_glimpse


class RecurrentAttention(Attention):
    r"""Look at an image a few times, each time where the last look suggests, then answer.

    .. math:: y = f_{\text{cls}}(r_T), \quad
              r_t = f\bigl(f_{\text{image}}(X, l_t) + f_{\text{loc}}(l_t),\, r_{t-1}\bigr), \quad
              l_{t+1} \sim N(\mu(r_t), \tau^2 I)

    Source: Mnih, Heess, Graves and Kavukcuoglu, *Recurrent Models of Visual Attention*, NIPS 2014,
    arXiv 1406.6247.  :class:`DeepRecurrentAttention` is DRAM.

    ``g(x)`` gives the locations, ``f(locations, x)`` reads the glimpses there; ``forward`` looks
    once for both.  In eval mode a location is the policy's mean and the whole is a differentiable
    function of ``x``.  In training mode locations are sampled and cut from the graph, and
    ``forward`` returns a ``Glimpsed`` with what ``hybrid_loss`` needs.  Torch has no forward-mode
    derivative of the sensor's ``grid_sample``, and on a GPU no deterministic backward pass.

    Args:
        channels: number of channels c of the images.
        classes: number of scores.
        steps: number of looks t.
        glimpse: side of a square in numbers, and of the finest one in pixels.
        scales: number of squares, each twice as wide as the one before.
        features: hidden width of what and where.
        width: width of the state.
        product: multiply what and where, as DRAM does, in place of adding them.
        std: spread of the sampled locations; set it anew to anneal it.
        joint: whether REINFORCE's gradient goes on into what is read.
        device: where the parameters live.
        dtype: their type.

    Shape:
        - x: :math:`(b, c, h, w)`
        - y: :math:`(b, n)`, scores of the classes
        - weights: :math:`(b, t, 2)`, locations (x, y) in [-1, 1]

    Raises:
        ValueError: if an argument is impossible, or if ``x`` does not fit.

    Examples:
        >>> net = RecurrentAttention(1, steps=4, glimpse=8, scales=3).eval()
        >>> scores, locations = net(torch.rand(2, 1, 60, 60), need_weights=True)
        >>> scores.shape, locations.shape
        (torch.Size([2, 10]), torch.Size([2, 4, 2]))
    """

    #: Side of a small version of the whole image, which RAM has not.
    context: int = 0
    #: What ``extra_repr`` leaves out.
    _defaults: ClassVar[dict[str, object]] = {
        "classes": 10, "steps": 6, "glimpse": 8, "scales": 1, "features": 128, "width": 256,
        "product": False, "std": 0.2, "joint": False,
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
        product: bool = False,
        std: float = 0.2,
        joint: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.classes, self.steps = channels, classes, steps
        self.glimpse, self.scales, self.features, self.width = glimpse, scales, features, width
        self.product, self.std, self.joint = product, std, joint
        self._validate_arguments()
        factory: Any = {"device": device, "dtype": dtype}
        self.what_in = nn.Linear(scales * channels * glimpse**2, features, **factory)
        self.what_out = nn.Linear(features, width, **factory)
        self.where_in = nn.Linear(2, features, **factory)
        self.where_out = nn.Linear(features, width, **factory)
        self._add_states(factory)
        self.emit = nn.Linear(width, 2, **factory)
        self.classify = nn.Linear(width, classes, **factory)
        self._centre_policy()

    def _add_states(self, factory: dict[str, Any]) -> None:
        """The layers that carry a state from look to look."""
        self.lower = nn.RNNCell(self.width, self.width, nonlinearity="relu", **factory)

    def reset_parameters(self) -> None:
        """Draw every layer anew from PyTorch's default; the location head starts at zero."""
        for layer in self.children():
            layer.reset_parameters()  # type: ignore[operator]
        self._centre_policy()

    def _centre_policy(self) -> None:
        nn.init.zeros_(self.emit.weight)
        nn.init.zeros_(self.emit.bias)

    def validate(self, x: Tensor) -> None:
        """Raise a ``ValueError`` unless ``x`` is (b, channels, h, w)."""
        validate_features(x, self.channels)

    def look(self, x: Tensor, location: Tensor) -> Tensor:
        """Equation (3): z_t (b, width), what is seen and where."""
        pixels = read_glimpse(x, location, self.glimpse, self.scales)
        what = self.what_out(F.relu(self.what_in(pixels.flatten(1))))
        where = self.where_out(F.relu(self.where_in(location.to(x.dtype))))
        return F.relu(what) * F.relu(where) if self.product else F.relu(what + where)

    def decide(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Equation (5): the next location, its mean, and the sample's log-density."""
        mean = self.emit(state)
        mean = mean.to(torch.promote_types(mean.dtype, torch.float32))
        if not self.training:
            return mean.clamp(-1, 1), mean, mean.new_zeros(mean.shape[0])
        sample = (mean + self.std * torch.randn_like(mean)).detach()
        # The density is that of the sample, not of where the border stopped it.
        return sample.clamp(-1, 1), mean, log_density(sample, mean, self.std)

    def _first_states(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The state that reads and the one that decides, before the first look."""
        empty = x.new_zeros(x.shape[0], self.width)
        return empty, empty

    def _to_decide(self, reading: Tensor, deciding: Tensor) -> Tensor:
        """The state that decides, after a look: RAM's one state does both."""
        return reading

    def glimpses(self, x: Tensor) -> Glimpsed:
        """All looks, one after the other, each where the last one suggests."""
        reading, deciding = self._first_states(x)
        locations, decisions = [], []
        for step in range(self.steps):
            if step or self.context:
                location, *decision = self.decide(deciding)
                decisions.append((*decision, deciding.detach()))
            else:
                location = x.new_zeros(x.shape[0], 2)
            locations.append(location)
            reading = self.lower(self.look(x, location), reading)
            if step + 1 < self.steps:  # nothing is decided after the last look
                seen = reading if self.joint or not self.training else reading.detach()
                deciding = self._to_decide(seen, deciding)
        stacked = [torch.stack(parts, dim=1) for parts in zip(*decisions, strict=True)]
        return Glimpsed(self.classify(reading), torch.stack(locations, dim=1), *stacked)

    def g(self, x: Tensor) -> Tensor:
        """The locations, (b, t, 2): the policy's means, or samples in training."""
        return self.glimpses(x).locations

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The scores, (b, n), after looking at the given locations in turn."""
        reading = x.new_zeros(x.shape[0], self.width)
        for location in weights.unbind(dim=1):
            reading = self.lower(self.look(x, location), reading)
        return self.classify(reading)

    def forward(self, x: Tensor, need_weights: bool = False) -> Any:
        """The scores, or in training a ``Glimpsed``; with the locations if asked for."""
        self.validate(x)
        seen = self.glimpses(x)
        result = seen if self.training else seen.logits
        return (result, seen.locations) if need_weights else result

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        own = ((name, getattr(self, name), value) for name, value in self._defaults.items())
        return ", ".join([str(self.channels), *(f"{n}={v}" for n, v, d in own if v != d)])

    def _validate_arguments(self) -> None:
        """Raise a ``ValueError`` for a network that cannot be built."""
        sizes = ("channels", "classes", "glimpse", "scales", "features", "width")
        whole(**{name: getattr(self, name) for name in (*sizes, "steps")})
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        fewest = 1 if self.context else 2
        if self.steps < fewest:
            raise ValueError(f"steps={self.steps} leaves nothing to decide: take at least {fewest}")
        if not self.std > 0:
            raise ValueError(f"std={self.std} must be positive: the policy learns from its samples")


CARD = Card(
    stem="recurrent_attention",
    title="RAM",
    category="spatial",
    module=RecurrentAttention,
    key="mnih2014ram",
    authors="Mnih, Heess, Graves, Kavukcuoglu",
    venue="NIPS",
    year=2014,
    decides="lₜ₊₁ ~ N(Wμ rₜ + bμ, τ²)",
    applies="y = f_cls(r_T), rₜ = f(f_image(X, lₜ) + f_loc(lₜ), rₜ₋₁)",
    weights="b t 2",
    parameters=parameter_count,
    parameters_formula="d(kCm² + 4) + 2D(d + 1) + 2D(D + 1) + (D + 1)(n + 2)",
    macs=multiply_adds,
    macs_formula="about T(kCm²d + 2dD + 2D²), for any H and W",
    memory="one state of D",
    growth="C",
    drop_in=False,
)
