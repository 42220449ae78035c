"""Deformable convolution: every tap of a kernel reads at a place of its own."""

from attncourse.spatial.deformable_convolution.cost import multiply_adds, parameter_count
from attncourse.spatial.deformable_convolution.module import CARD, DeformableConvolution
from attncourse.spatial.deformable_convolution.reference import (
    deformable_convolution_reference,
    reading,
)
from attncourse.spatial.deformable_convolution.taps import (
    Lattice,
    by_corners,
    by_kernel,
    deformable_convolution,
)

__all__ = [
    "CARD",
    "DeformableConvolution",
    "Lattice",
    "by_corners",
    "by_kernel",
    "deformable_convolution",
    "deformable_convolution_reference",
    "multiply_adds",
    "parameter_count",
    "reading",
]
