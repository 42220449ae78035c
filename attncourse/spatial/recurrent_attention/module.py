r"""RAM, the recurrent model of visual attention (Mnih et al., 2014; key ``mnih2014ram``).

With the two recurrent layers of DRAM (Ba, Mnih and Kavukcuoglu, 2015; ``ba2015dram``).
Equations, numbered as in the chapter ``spatial/recurrent_attention``; (1) and (2) are the sensor
in ``sensor.py``, (10), (14) and (15) the training in ``policy.py``:

.. math::
    z_t &= f_{\text{image}}(X, l_t) \odot f_{\text{loc}}(l_t)                    & (3)\\
    r^1_t &= f^1(z_t, r^1_{t-1}), \quad r^2_t = f^2(r^1_t, r^2_{t-1})            & (4)\\
    \mu_{t+1} &= W_\mu r^2_t + b_\mu, \quad l_{t+1} \sim N(\mu_{t+1}, \tau^2 I)  & (5)\\
    y &= f_{\text{cls}}(r^1_T)                                                   & (6)

==========  =========  ==============================================================
symbol      shape      meaning
==========  =========  ==============================================================
X           b c h w    the images
l           b t 2      locations (x, y) in [-1, 1]: the attention g(x)
rho(X, l)   b k c m m  one glimpse: k squares of m x m numbers
z_t         b D        *what* times *where*
r1, r2      b d        lower state, which reads; upper state, which decides
mu          b 2        mean of the next location; tau is its spread, ``std``
y           b n        scores of n classes, from the last lower state
==========  =========  ==============================================================

RAM's own form is ``product=False, layers=1``: it adds what and where in place of (3), and one
state both reads and decides.  Both papers sample the first location; here it is the middle of
the image, or, with ``context``, read off a small version of the whole image, as in DRAM.  DRAM's
f1 and f2 are LSTMs and its f_image is convolutional; here they are RAM's ReLU layers.
The location head starts at zero, so that a fresh policy looks at the middle on average; papers
leave its start open.  In public code the head sees a state cut from the graph, so that REINFORCE
does not shape what the network sees; that is the default, and ``joint=True`` lets it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention, Card, validate_features
from attncourse.layers import whole
from attncourse.spatial.recurrent_attention.policy import Glimpsed, log_density
from attncourse.spatial.recurrent_attention.sensor import read_glimpse


class RecurrentAttention(Attention):
    r"""Look at an image a few times, each time where the last look suggests, then answer.

    .. math:: y = f_{\text{cls}}(r^1_T), \quad r^1_t = f^1(z_t, r^1_{t-1}), \quad
              l_{t+1} \sim N(\mu(r^2_t), \tau^2 I)

    Source: Mnih, Heess, Graves and Kavukcuoglu, *Recurrent Models of Visual Attention*, NIPS 2014,
    arXiv 1406.6247; two layers and product: Ba, Mnih and Kavukcuoglu, arXiv 1412.7755.

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
        width: width of the states.
        product: multiply what and where, as in DRAM; otherwise add them, as in RAM.
        layers: 2 for a state that reads and one that decides, as in DRAM; 1 for RAM's single one.
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
        >>> net = RecurrentAttention(1, steps=4, glimpse=8, scales=3).eval()
        >>> scores, locations = net(torch.rand(2, 1, 60, 60), need_weights=True)
        >>> scores.shape, locations.shape
        (torch.Size([2, 10]), torch.Size([2, 4, 2]))
    """

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
        layers: int = 2,
        context: int = 0,
        std: float = 0.2,
        joint: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.classes, self.steps = channels, classes, steps
        self.glimpse, self.scales, self.features, self.width = glimpse, scales, features, width
        self.product, self.layers, self.context = product, layers, context
        self.std, self.joint = std, joint
        _validate_arguments(self)
        factory: Any = {"device": device, "dtype": dtype}
        self.what_in = nn.Linear(scales * channels * glimpse**2, features, **factory)
        self.what_out = nn.Linear(features, width, **factory)
        self.where_in = nn.Linear(2, features, **factory)
        self.where_out = nn.Linear(features, width, **factory)
        self.lower = nn.RNNCell(width, width, nonlinearity="relu", **factory)
        if layers == 2:
            self.upper = nn.RNNCell(width, width, nonlinearity="relu", **factory)
        if context:
            self.coarse = nn.Linear(channels * context**2, width, **factory)
        self.emit = nn.Linear(width, 2, **factory)
        self.classify = nn.Linear(width, classes, **factory)
        self._centre_policy()

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

    def glimpses(self, x: Tensor) -> Glimpsed:
        """All looks, one after the other, each where the last one suggests."""
        lower = upper = x.new_zeros(x.shape[0], self.width)
        if self.context:
            small = F.interpolate(x, (self.context, self.context), mode="bilinear")
            upper = F.relu(self.coarse(small.flatten(1)))
        locations, decisions = [], []
        for step in range(self.steps):
            if step or self.context:
                location, *decision = self.decide(upper)
                decisions.append((*decision, upper.detach()))
            else:
                location = x.new_zeros(x.shape[0], 2)
            locations.append(location)
            lower = self.lower(self.look(x, location), lower)
            if step + 1 < self.steps:  # nothing is decided after the last look
                seen = lower if self.joint or not self.training else lower.detach()
                upper = self.upper(seen, upper) if self.layers == 2 else seen
        stacked = [torch.stack(parts, dim=1) for parts in zip(*decisions, strict=True)]
        return Glimpsed(self.classify(lower), torch.stack(locations, dim=1), *stacked)

    def g(self, x: Tensor) -> Tensor:
        """The locations, (b, t, 2): the policy's means, or samples in training."""
        return self.glimpses(x).locations

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The scores, (b, n), after looking at the given locations in turn."""
        lower = x.new_zeros(x.shape[0], self.width)
        for location in weights.unbind(dim=1):
            lower = self.lower(self.look(x, location), lower)
        return self.classify(lower)

    def forward(self, x: Tensor, need_weights: bool = False) -> Any:
        """The scores, or in training a ``Glimpsed``; with the locations if asked for."""
        self.validate(x)
        seen = self.glimpses(x)
        result = seen if self.training else seen.logits
        return (result, seen.locations) if need_weights else result

    def extra_repr(self) -> str:
        """Constructor arguments that differ from their defaults."""
        defaults = {
            "classes": 10, "steps": 6, "glimpse": 8, "scales": 1, "features": 128, "width": 256,
            "product": True, "layers": 2, "context": 0, "std": 0.2, "joint": False,
        }  # fmt: skip
        named = [f"{k}={getattr(self, k)}" for k, v in defaults.items() if getattr(self, k) != v]
        return ", ".join([str(self.channels), *named])


def _validate_arguments(net: RecurrentAttention) -> None:
    """Raise a ``ValueError`` for a network that cannot be built."""
    sizes = ("channels", "classes", "glimpse", "scales", "features", "width")
    whole(**{name: getattr(net, name) for name in (*sizes, "steps", "layers", "context")})
    for name in sizes:
        if getattr(net, name) < 1:
            raise ValueError(f"{name}={getattr(net, name)} must be at least 1")
    if net.layers not in (1, 2):
        raise ValueError(f"layers={net.layers} must be 1 (RAM) or 2 (DRAM)")
    if net.context < 0:
        raise ValueError(f"context={net.context} must be a side in pixels, or 0 for none")
    if net.context and net.layers == 1:
        raise ValueError(
            f"context={net.context} needs layers=2: with layers=1 the classifier would read the "
            f"whole image past the glimpses"
        )
    if net.steps < (1 if net.context else 2):
        raise ValueError(
            f"steps={net.steps} leaves nothing to decide: take at least 2, or 1 with context"
        )
    if not net.std > 0:
        raise ValueError(f"std={net.std} must be positive: the policy learns from its samples")


def parameter_count(
    channels: int,
    classes: int = 10,
    *,
    glimpse: int = 8,
    scales: int = 1,
    features: int = 128,
    width: int = 256,
    layers: int = 2,
    context: int = 0,
    **costless: object,
) -> int:
    """Learned parameters; the number of looks does not enter, and neither does the baseline."""
    pixels = scales * channels * glimpse**2
    glimpses = (pixels + 1) * features + 3 * features + 2 * (features + 1) * width
    states = layers * 2 * (width + 1) * width
    small = (channels * context**2 + 1) * width if context else 0
    return glimpses + states + small + (width + 1) * (2 + classes)


def multiply_adds(
    height: int,
    width_of_x: int,
    channels: int,
    classes: int = 10,
    *,
    steps: int = 6,
    glimpse: int = 8,
    scales: int = 1,
    features: int = 128,
    width: int = 256,
    product: bool = True,
    layers: int = 2,
    context: int = 0,
    **costless: object,
) -> int:
    """Multiply-adds for one image of any size: neither its height nor its width enters."""
    reading = 4 * channels * (glimpse * 2 ** (scales - 1)) ** 2
    if glimpse % 2 and scales > 1:  # an odd finest square is read by itself
        reading += 4 * channels * glimpse**2
    what = scales * channels * glimpse**2 * features + features * width
    where = 2 * features + features * width
    look = reading + what + where + (width if product else 0) + 2 * width**2
    decisions = steps if context else steps - 1
    upper = (steps - 1) * 2 * width**2 if layers == 2 else 0
    small = channels * context**2 * (4 + width)
    return steps * look + upper + decisions * 2 * width + small + width * classes


CARD = Card(
    stem="recurrent_attention",
    title="RAM and DRAM: glimpses",
    category="spatial",
    module=RecurrentAttention,
    key="mnih2014ram",
    authors="Mnih, Heess, Graves, Kavukcuoglu",
    venue="NIPS",
    year=2014,
    decides="lₜ₊₁ ~ N(Wμ r²ₜ + bμ, τ²)",
    applies="y = f_cls(r¹_T), r¹ₜ = f¹(f_image(X, lₜ) ⊙ f_loc(lₜ), r¹ₜ₋₁)",
    weights="b t 2",
    parameters=parameter_count,
    parameters_formula="d(kCm² + 4) + 2D(d + 1) + 4D(D + 1) + (D + 1)(n + 2)",
    macs=multiply_adds,
    macs_formula="about T(kCm²d + 2dD + 2D²) + 2(T - 1)D², for any H and W",
    memory="two states of D",
    growth="C",
    drop_in=False,
)
