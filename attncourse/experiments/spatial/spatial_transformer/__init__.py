"""Does a spatial transformer help to read digits that are turned, scaled and shifted?"""

from attncourse.experiments.spatial.spatial_transformer.experiment import (
    ANGLE,
    ANGLE_ALONE,
    CLUTTER,
    EXPERIMENTS,
    ROTATION_ONLY,
    WARPED_DIGITS,
    angle_slope,
    predicted_pose,
)

__all__ = [
    "ANGLE",
    "ANGLE_ALONE",
    "CLUTTER",
    "EXPERIMENTS",
    "ROTATION_ONLY",
    "WARPED_DIGITS",
    "angle_slope",
    "predicted_pose",
]
