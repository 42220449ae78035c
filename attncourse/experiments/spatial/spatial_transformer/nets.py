"""The networks that read warped digits: with a transformer in front, with and without its parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attncourse.spatial import SpatialTransformer
from attncourse.spatial.spatial_transformer.localisation import MomentLocalisation
from attncourse.spatial.spatial_transformer.warps import Affine, Warp


class Transformed(nn.Module):
    """A transformer, and a network that reads what it gives.

    Shape:
        - x: (b, c, h, w)
        - logits: (b, classes)
    """

    def __init__(self, transformer: SpatialTransformer, reader: nn.Module) -> None:
        super().__init__()
        self.transformer, self.reader = transformer, reader

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the warped images."""
        return self.reader(self.transformer(x))


class ScaleAndShift(Affine):
    """A similarity that cannot turn: logarithm of the scale, two shifts."""

    identity = (0.0, 0.0, 0.0)

    def matrix(self, theta: Tensor) -> Tensor:
        """The scale on the diagonal, and the shifts."""
        scale, zero = theta[:, 0].exp(), torch.zeros_like(theta[:, 0])
        rows = [scale, zero, theta[:, 1], zero, scale, theta[:, 2]]
        return torch.stack(rows, dim=1).unflatten(1, (2, 3))


class MeanLocalisation(MomentLocalisation):
    """As many parameters, but means where the moments were: it cannot know where things are."""

    def forward(self, x: Tensor) -> Tensor:
        """What is left of the image without places."""
        maps = torch.relu(self.far(torch.relu(self.near(x))))
        means = maps.mean(dim=(2, 3))
        return torch.relu(self.mix(means.repeat_interleave(3, dim=1)))


class FlatLocalisation(nn.Sequential):
    """The usual localisation network: the same convolutions, flattened, for one size of image.

    Args:
        side: rows and columns of the image.
        features: units of the hidden layer, which is the output.
        hidden_channels: maps of the first convolution; the second one has twice as many.
        pool: side of the window that the maps are max-pooled by before they are flattened.
    """

    def __init__(
        self, side: int, features: int = 32, hidden_channels: int = 8, pool: int = 1
    ) -> None:
        cells = ((side + 3) // 4 // pool) ** 2
        wide = 2 * hidden_channels
        pooled = [nn.MaxPool2d(pool)] if pool > 1 else []
        super().__init__(
            nn.Conv2d(1, hidden_channels, 5, 2, padding=2),
            nn.ReLU(),
            nn.Conv2d(hidden_channels, wide, 3, 2, padding=1),
            nn.ReLU(),
            *pooled,
            nn.Flatten(),
            nn.Linear(wide * cells, features),
            nn.ReLU(),
        )


def flat_cnn(side: int, widths: tuple[int, int], hidden: int) -> nn.Sequential:
    """Two convolutions, each pooled by two, then flattened into two linear layers."""
    return nn.Sequential(
        *_convolutions(1, *widths),
        nn.Flatten(),
        nn.Linear(widths[-1] * (side // 4) ** 2, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    )


def max_cnn(last: int, hidden: int) -> nn.Sequential:
    """Three convolutions and a global maximum, which is blind to where a feature stands."""
    return nn.Sequential(
        *_convolutions(1, 16, 32),
        nn.Conv2d(32, last, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(last, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    )


def wide_max_cnn() -> nn.Sequential:
    """The same with kernels of 5 x 5 and as many parameters: its last maps see 32 pixels, not 18.

    A digit may span 25 pixels, which 18 do not cover.
    """
    return nn.Sequential(
        *_convolutions(1, 10, 20, kernel=5),
        nn.Conv2d(20, 32, 5, padding=2),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 77),
        nn.ReLU(),
        nn.Linear(77, 10),
    )


def mlp(side: int, hidden: int) -> nn.Sequential:
    """One hidden layer on the pixels."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(side * side, hidden), nn.ReLU(), nn.Linear(hidden, 10)
    )


def transformed(
    out: int,
    reader: nn.Module,
    warp: Warp = Affine(),  # noqa: B008  (frozen)
    localisation: nn.Module | None = None,
    features: int = 32,
) -> Transformed:
    """A transformer of one-channel images with a square output, and its reader."""
    transformer = SpatialTransformer(
        1, features=features, warp=warp, out_size=(out, out), localisation=localisation
    )
    return Transformed(transformer, reader)


def one_warp_for_all(model: Transformed) -> Transformed:
    """The warp learned, but the same for every image: attention without looking."""
    model.transformer.regress.weight.requires_grad_(False)
    return model


def random_start(model: Transformed) -> Transformed:
    """The last layer of the localisation network drawn from a standard normal distribution."""
    nn.init.normal_(model.transformer.regress.weight)
    nn.init.normal_(model.transformer.regress.bias)
    return model


def _convolutions(channels: int, *widths: int, kernel: int = 3) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width in widths:
        convolution = nn.Conv2d(channels, width, kernel, padding=kernel // 2)
        layers += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return layers
