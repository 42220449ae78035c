"""Spatial transformer network: localisation, warp and sampler, each of which can be replaced."""

from attncourse.spatial.spatial_transformer.localisation import MomentLocalisation
from attncourse.spatial.spatial_transformer.module import (
    CARD,
    Size,
    SpatialTransformer,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial.spatial_transformer.reference import (
    moment_theta_reference,
    spatial_transformer_reference,
)
from attncourse.spatial.spatial_transformer.sampler import (
    bilinear_sample,
    sample_reference,
    target_points,
    to_pixels,
)
from attncourse.spatial.spatial_transformer.warps import Affine, Warp

__all__ = [
    "CARD",
    "Affine",
    "MomentLocalisation",
    "Size",
    "SpatialTransformer",
    "Warp",
    "bilinear_sample",
    "moment_theta_reference",
    "multiply_adds",
    "parameter_count",
    "sample_reference",
    "spatial_transformer_reference",
    "target_points",
    "to_pixels",
]
