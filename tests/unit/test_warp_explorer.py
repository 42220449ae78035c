"""The warp explorer's Python half: its readings are the library's, and bad settings are refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attncourse import views
from attncourse.views.warp import read_bilinear, warp_points

ALT = "A digit under a grid of points, and beside it what the points read."


def image(h=9, w=7):
    return np.random.default_rng(0).random((h, w)).astype("f4")


@pytest.mark.parametrize(
    "theta",
    [(1, 0, 0, 0, 1, 0), (0.5, 0.3, -0.2, -0.4, 0.7, 0.1), (2, 0, 1.5, 0, 2, -2), (0,) * 6],
)
def test_readings_are_the_library_s(theta):
    x = torch.from_numpy(image())[None, None].double()
    matrix = torch.tensor(theta, dtype=torch.float64).view(1, 2, 3)
    grid = F.affine_grid(matrix, [1, 1, 5, 6], align_corners=False)
    ours = warp_points(theta, (5, 6))
    np.testing.assert_allclose(ours, grid[0], atol=1e-12)
    wanted = F.grid_sample(x, grid, align_corners=False)
    np.testing.assert_allclose(read_bilinear(image(), ours), wanted[0, 0], atol=1e-6)


def test_it_repeats_byte_for_byte_and_asks_no_other_host():
    def html():
        view = views.explore_warp(image(), id="warp", alt=ALT, presets={"half": (0.5, 0, 0) * 2})
        return view._repr_mimebundle_()["text/html"]

    assert html() == html()
    assert "http" not in html()
    assert "//" not in re.sub(r"base64,[^\"]*", "", html().split("<script>(")[1])
    spec = json.loads(re.search(r'application/json">(.*?)</script>', html())[1])
    assert spec["kind"] == "machine:sampler"
    assert [name for name, _ in spec["presets"]] == ["identity", "half"]
    assert spec["image_shape"] == [9, 7]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": np.zeros((1, 4, 4))}, "pass one grey image"),
        ({"image": np.full((4, 4), np.nan)}, "NaN"),
        ({"theta": (1, 0, 0)}, "6 multiples of 0.02"),
        ({"theta": (1, 0, 0.015, 0, 1, 0)}, "6 multiples of 0.02"),
        ({"presets": {"far": (1, 0, 3, 0, 1, 0)}}, "far="),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        views.explore_warp(**({"image": image()} | arguments), id="warp", alt=ALT)
