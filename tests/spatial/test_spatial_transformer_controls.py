"""What the chapter says of its controls: their sizes, and what the recorded runs settle."""

import math

import pytest
import torch

from attncourse.experiments import published
from attncourse.experiments.spatial.spatial_transformer import CLUTTER, WARPED_DIGITS
from attncourse.experiments.spatial.spatial_transformer.nets import (
    FlatLocalisation,
    ScaleAndShift,
    max_cnn,
    wide_max_cnn,
)

CHAPTER = "spatial/spatial_transformer"


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_the_narrowed_localisation_is_as_large_as_the_moments():
    equal = CLUTTER.variant("flattened, equal size").build()
    moments = CLUTTER.variant("STN").build()
    assert isinstance(equal.transformer.localisation, FlatLocalisation)
    assert parameters(equal) == pytest.approx(parameters(moments), rel=0.01)
    assert parameters(equal.transformer) == pytest.approx(parameters(moments.transformer), rel=0.05)


def test_the_usual_localisation_is_larger_as_the_chapter_counts():
    flat = WARPED_DIGITS.variant("flattened localisation").build()
    moments = WARPED_DIGITS.variant("STN").build()
    ratio = parameters(flat.transformer) / parameters(moments.transformer)
    assert round(ratio, 1) == 8.5
    assert round(parameters(flat) / parameters(moments), 1) == 2.0


@pytest.mark.parametrize(("side", "pool"), [(28, 1), (32, 1), (32, 2), (30, 1)])
def test_a_flattened_localisation_fits_its_images(side, pool):
    features = FlatLocalisation(side, 12, 6, pool)(torch.randn(2, 1, side, side))
    assert features.shape == (2, 12)


def test_the_recorded_runs_in_clutter_say_what_the_chapter_says():
    recorded = published(CHAPTER)
    maximum = recorded.compare("clutter", "CNN, global max")
    moments = recorded.compare("clutter", "STN")
    assert maximum["STN"].gain.verdict == "clear"
    assert maximum["STN"].gain.high < 0
    assert moments["flattened localisation"].gain.verdict == "clear"
    assert moments["flattened localisation"].gain.low > 0
    for name in ("flattened localisation", "flattened, equal size"):
        assert maximum[name].gain.verdict == "no clear effect"
    assert moments["flattened, equal size"].gain.verdict == "no clear effect"
    still = recorded.values("clutter", "one warp for all")
    assert all(value - still[seed] > 0.11 for seed, value in moments["STN"].scores.items())


def test_the_recorded_runs_of_any_pose_say_what_the_chapter_says():
    recorded = published(CHAPTER)
    maximum = recorded.compare("warped_digits", "CNN, global max")
    assert maximum["STN"].gain.verdict == "clear"
    assert maximum["STN"].gain.low > 0
    for name in ("CNN", "one warp for all", "localisation without places", "shift only"):
        assert maximum[name].gain.high < 0
    moments = recorded.compare("warped_digits", "STN")
    assert moments["flattened localisation"].gain.verdict == "no clear effect"
    assert moments["scale and shift"].gain.low < 0 < moments["scale and shift"].gain.high
    assert moments["shift only"].gain.high < -0.09
    assert maximum["random start"].summary.learned == 4


def test_a_maximum_that_sees_whole_digits_is_behind_at_any_pose_and_ahead_in_clutter():
    recorded = published(CHAPTER)
    for experiment, ahead in (("warped_digits", True), ("clutter", False)):
        wide = recorded.compare(experiment, "CNN, global max, 5x5", ["STN"])["STN"].gain
        assert wide.verdict == "clear"
        assert (wide.low > 0) is ahead
    others = ("flattened localisation", "flattened, equal size")
    wide = recorded.compare("clutter", "CNN, global max, 5x5", others)
    assert wide["flattened localisation"].gain.verdict == "no clear effect"
    assert wide["flattened, equal size"].gain.verdict == "clear"
    assert wide["flattened, equal size"].gain.high < 0


def test_kernels_of_five_see_a_whole_digit():
    """How many columns of the image one cell of the last map depends on."""
    for build, reach in ((lambda: max_cnn(56, 55), 18), (wide_max_cnn, 32)):
        convolutions = build()[:7].double()
        x = torch.ones(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
        with torch.no_grad():
            for layer in convolutions:
                if hasattr(layer, "weight"):
                    layer.weight.abs_()
        convolutions = torch.nn.Sequential(
            *(
                torch.nn.AvgPool2d(2)
                if hasattr(m, "kernel_size") and not hasattr(m, "weight")
                else m
                for m in convolutions
            )
        )
        (slope,) = torch.autograd.grad(convolutions(x)[0, :, 8, 8].sum(), x)
        assert int((slope[0, 0].sum(dim=0) != 0).sum()) == reach


def test_the_warp_that_cannot_turn_scales_and_shifts():
    matrix = ScaleAndShift().matrix(torch.tensor([[0.5, 0.2, -0.3]], dtype=torch.float64))[0]
    scale = math.exp(0.5)
    wanted = torch.tensor([[scale, 0, 0.2], [0, scale, -0.3]], dtype=torch.float64)
    torch.testing.assert_close(matrix, wanted)
    assert ScaleAndShift().size == 3


def test_moments_leave_the_angle_alone_before_six_numbers_and_before_one():
    recorded = published(CHAPTER)
    for name in ("localisation by moments", "moments, angle only"):
        slopes = recorded.values("angle_alone", name).values()
        assert len(slopes) == 5
        assert max(map(abs, slopes)) < 0.01


def test_the_recorded_runs_of_turned_digits_say_what_the_chapter_says():
    recorded = published(CHAPTER)
    plain = recorded.values("rotation_only", "MLP")
    gains = [v - plain[seed] for seed, v in recorded.values("rotation_only", "STN").items()]
    assert (round(100 * min(gains), 1), round(100 * max(gains), 1)) == (0.9, 1.9)
    assert recorded.compare("rotation_only", "CNN")["STN"].gain.high < 0
