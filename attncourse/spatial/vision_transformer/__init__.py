"""ViT: ``module`` with its card, ``encoder`` around it, and what is read off or streamed."""

from attncourse.spatial.vision_transformer.encoder import (
    EncoderBlock,
    VisionTransformer,
    vit_multiply_adds,
    vit_parameter_count,
)
from attncourse.spatial.vision_transformer.functional import (
    head_maps,
    head_read,
    multi_head_reference,
)
from attncourse.spatial.vision_transformer.module import (
    CARD,
    MultiHeadAttention,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial.vision_transformer.reading import mean_distance, rollout
from attncourse.spatial.vision_transformer.streamed import streamed, streamed_backward

__all__ = [
    "CARD",
    "EncoderBlock",
    "MultiHeadAttention",
    "VisionTransformer",
    "head_maps",
    "head_read",
    "mean_distance",
    "multi_head_reference",
    "multiply_adds",
    "parameter_count",
    "rollout",
    "streamed",
    "streamed_backward",
    "vit_multiply_adds",
    "vit_parameter_count",
]
