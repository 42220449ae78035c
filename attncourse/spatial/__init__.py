"""Spatial attention: *where* to attend.  ``g(x)`` gives weights or places of positions."""

from attncourse.spatial.asymmetric_non_local import AsymmetricNonLocal
from attncourse.spatial.criss_cross import CrissCross
from attncourse.spatial.deformable_convolution import DeformableConvolution
from attncourse.spatial.four_terms import FourTerms
from attncourse.spatial.global_context import GlobalContext
from attncourse.spatial.non_local import NonLocal
from attncourse.spatial.recurrent_attention import DeepRecurrentAttention, RecurrentAttention
from attncourse.spatial.show_attend_tell import ShowAttendTell
from attncourse.spatial.spatial_pyramid_graph import SpatialPyramidGraph
from attncourse.spatial.spatial_transformer import SpatialTransformer
from attncourse.spatial.vision_transformer import MultiHeadAttention, VisionTransformer

__all__ = [
    "AsymmetricNonLocal",
    "CrissCross",
    "DeepRecurrentAttention",
    "DeformableConvolution",
    "FourTerms",
    "GlobalContext",
    "MultiHeadAttention",
    "NonLocal",
    "RecurrentAttention",
    "ShowAttendTell",
    "SpatialPyramidGraph",
    "SpatialTransformer",
    "VisionTransformer",
]
