"""Does a spatial transformer help to read digits that are turned, scaled and shifted?

``warped_digits`` is the task it was made for; ``rotation_only`` and ``clutter`` ask where a
convolutional network does as well.  ``angle`` and ``angle_alone`` do not count answers, but
ask whether the predicted warp follows the digit's angle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.spatial_transformer.nets import (
    FlatLocalisation,
    MeanLocalisation,
    ScaleAndShift,
    Transformed,
    flat_cnn,
    max_cnn,
    mlp,
    one_warp_for_all,
    random_start,
    transformed,
    wide_max_cnn,
)
from attncourse.spatial.spatial_transformer.warps import Affine, Rotation, Translation
from attncourse.tasks.warped_digits import WarpedDigits
from attncourse.training import Budget

_DATA = "scikit-learn digits, 1,400 for training, 397 for testing"


def _spatial(warp: object = None, localisation: nn.Module | None = None) -> Transformed:
    """The network with the transformer: 28 x 28 in, 16 x 16 out, a small CNN behind."""
    chosen = warp if isinstance(warp, Affine) else Affine()
    return transformed(16, flat_cnn(16, (16, 32), 32), chosen, localisation)


def _flattened() -> Transformed:
    return _spatial(localisation=FlatLocalisation(28))


_BUDGET = Budget(steps=1_200, batch_size=64, learning_rate=3e-3)

WARPED_DIGITS = Experiment(
    name="warped_digits",
    question="Which network reads digits of any pose, at equal parameters?",
    task=WarpedDigits,
    variants=(
        Variant("CNN", "plain", lambda: flat_cnn(28, (14, 24), 18), "the usual network"),
        Variant(
            "CNN, global max", "plain", lambda: max_cnn(56, 55), "invariant to shifts by design"
        ),
        Variant(
            "CNN, global max, 5x5", "plain", wide_max_cnn, "the same, and its maps see whole digits"
        ),
        Variant(
            "one warp for all", "ablation", lambda: one_warp_for_all(_spatial()), "does not look"
        ),
        Variant(
            "localisation without places",
            "ablation",
            lambda: _spatial(localisation=MeanLocalisation(1)),
            "looks, but cannot know where",
        ),
        Variant("shift only", "ablation", lambda: _spatial(Translation()), "two of six numbers"),
        Variant("scale and shift", "ablation", lambda: _spatial(ScaleAndShift()), "it cannot turn"),
        Variant(
            "random start",
            "ablation",
            lambda: random_start(_spatial()),
            "last layer from N(0, 1), no identity",
        ),
        Variant(
            "flattened localisation",
            "ablation",
            _flattened,
            "the usual localisation network: 8.5 times the transformer's parameters, twice the "
            "network's, one size of image",
        ),
        Variant("STN", "mechanism", _spatial, "the mechanism"),
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data=_DATA,
    matters=0.01,
)


def _flattened_at_equal_size() -> Transformed:
    """For 32 x 32: 12 maps of 4 x 4, flattened, and 12 units, within 2 % of the moments' size."""
    localisation = FlatLocalisation(32, features=12, hidden_channels=6, pool=2)
    return transformed(16, flat_cnn(16, (16, 32), 32), Affine(), localisation, features=12)


def _turned() -> WarpedDigits:
    return WarpedDigits(side=20, angle=90.0, scale=(0.75, 0.75), shift=0.0)


def _behind_mlp(warp: Affine) -> Transformed:
    """With a flattened localisation network: by moments the warp did not come to turn digits."""
    return transformed(20, mlp(20, 64), warp, FlatLocalisation(20))


ROTATION_ONLY = Experiment(
    name="rotation_only",
    question="Does it help where digits are turned, but neither scaled nor shifted?",
    task=_turned,
    variants=(
        Variant("MLP", "plain", lambda: mlp(20, 99), "no idea of neighbours"),
        Variant("CNN", "plain", lambda: flat_cnn(20, (16, 32), 44), "the usual network"),
        Variant(
            "one warp for all",
            "ablation",
            lambda: one_warp_for_all(_behind_mlp(Affine())),
            "does not look",
        ),
        Variant(
            "localisation by moments",
            "ablation",
            lambda: transformed(20, mlp(20, 64)),
            "the package's localisation network",
        ),
        Variant("STN, angle only", "mechanism", lambda: _behind_mlp(Rotation()), "one number"),
        Variant("STN", "mechanism", lambda: _behind_mlp(Affine()), "the mechanism, before an MLP"),
    ),
    quick=Budget(steps=1_500, batch_size=64, learning_rate=3e-3),
    full=Budget(steps=1_500, batch_size=64, learning_rate=3e-3),
    data=_DATA,
    matters=0.01,
)

CLUTTER = Experiment(
    name="clutter",
    question="Does it help where pieces of other digits lie about?",
    task=lambda: WarpedDigits(side=32, fragments=2),
    variants=(
        Variant("CNN", "plain", lambda: flat_cnn(32, (14, 24), 14), "the usual network"),
        Variant(
            "CNN, global max", "plain", lambda: max_cnn(56, 55), "invariant to shifts by design"
        ),
        Variant(
            "CNN, global max, 5x5", "plain", wide_max_cnn, "the same, and its maps see whole digits"
        ),
        Variant(
            "one warp for all", "ablation", lambda: one_warp_for_all(_spatial()), "does not look"
        ),
        Variant(
            "flattened, equal size",
            "ablation",
            _flattened_at_equal_size,
            "the usual localisation network, narrowed to as many parameters",
        ),
        Variant(
            "flattened localisation",
            "ablation",
            lambda: _spatial(localisation=FlatLocalisation(32)),
            "the usual localisation network at its usual size: more than twice the parameters",
        ),
        Variant("STN", "mechanism", _spatial, "the mechanism"),
    ),
    quick=Budget(steps=800, batch_size=64, learning_rate=3e-3),
    full=Budget(steps=800, batch_size=64, learning_rate=3e-3),
    data=_DATA,
    matters=0.01,
)


@torch.no_grad()
def predicted_pose(model: Transformed, x: Tensor) -> Tensor:
    """Angle, scale and shifts (n, 4) of the warps that a trained network chooses."""
    transformer = model.transformer
    assert isinstance(transformer.warp, Affine)
    matrix = transformer.warp.matrix(transformer.theta(x))
    angle = torch.atan2(matrix[:, 1, 0] - matrix[:, 0, 1], matrix[:, 0, 0] + matrix[:, 1, 1])
    scale = matrix[:, :, :2].det().abs().sqrt()
    return torch.cat([angle[:, None], scale[:, None], matrix[:, :, 2]], dim=1)


def angle_slope(model: nn.Module, x: Tensor, true: Tensor) -> float:
    """Slope of the predicted against the true angle; 1 is a digit turned upright, 0 is none."""
    return float(angle_slope_items(model, x, true).mean())


def angle_slope_items(model: nn.Module, x: Tensor, true: Tensor) -> Tensor:
    """The slope plus the influence of each image on it, (n,) in float64; the mean is the slope."""
    assert isinstance(model, Transformed)
    device = next(model.parameters()).device
    true = true.double()
    wrong = predicted_pose(model, x.to(device))[:, 0].cpu() - true
    centre = torch.atan2(wrong.sin().mean(), wrong.cos().mean())
    # Errors are angles: they are counted from their mean direction, half a turn either way.
    unwrapped = torch.remainder(wrong - centre + math.pi, 2 * math.pi) - math.pi + true
    ahead = true - true.mean()
    squares = ahead.square().sum()
    slope = (ahead * unwrapped).sum() / squares
    residual = unwrapped - unwrapped.mean() - slope * ahead
    return slope + len(true) * ahead * residual / squares


def _follows(task: Callable[[], WarpedDigits]) -> Score:
    def items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        del y
        return angle_slope_items(model, x, task().test_cases()[2][:, 0])

    return Score(items)


_MOMENTS_AND_AN_ANGLE = Variant(
    "moments, angle only",
    "ablation",
    lambda: transformed(20, mlp(20, 64), Rotation()),
    "the package's localisation network, and a warp that is an angle",
)


def _with_one_warp_first(experiment: Experiment, *names: str) -> tuple[Variant, ...]:
    """The variants of those names, after the one that cannot follow anything: the level of zero."""
    found = {v.name: v for v in experiment.variants}
    still = replace(found["one warp for all"], role="plain", why="its warp is a constant")
    return (still, *(found[name] for name in names))


ANGLE = Experiment(
    name="angle",
    question="Does the predicted warp follow the digit's angle, among scales and shifts?",
    task=WarpedDigits,
    variants=_with_one_warp_first(WARPED_DIGITS, "flattened localisation", "STN"),
    quick=_BUDGET,
    full=_BUDGET,
    data=_DATA,
    score=_follows(WarpedDigits),
    metric="slope of predicted against true angle",
    matters=0.1,
)

ANGLE_ALONE = Experiment(
    name="angle_alone",
    question="Does it follow the angle where nothing but the angle changes?",
    task=_turned,
    variants=(
        *_with_one_warp_first(ROTATION_ONLY, "localisation by moments"),
        _MOMENTS_AND_AN_ANGLE,
        ROTATION_ONLY.variant("STN, angle only"),
        ROTATION_ONLY.variant("STN"),
    ),
    quick=ROTATION_ONLY.quick,
    full=ROTATION_ONLY.full,
    data=_DATA,
    score=_follows(_turned),
    metric="slope of predicted against true angle",
    matters=0.1,
)

EXPERIMENTS = (WARPED_DIGITS, ROTATION_ONLY, CLUTTER, ANGLE, ANGLE_ALONE)
