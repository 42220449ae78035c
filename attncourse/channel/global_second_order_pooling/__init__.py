"""GSoP: gates from how channels, or positions, vary together."""

from attncourse.channel.global_second_order_pooling.covariance import (
    centring,
    covariance,
    covariance_gradient,
    off_centre,
    row_products,
    square_root,
)
from attncourse.channel.global_second_order_pooling.module import (
    CARD,
    GlobalSecondOrderPooling,
    multiply_adds,
    parameter_count,
)
from attncourse.channel.global_second_order_pooling.positions import (
    POSITIONS,
    SecondOrderPositions,
    positions_multiply_adds,
    positions_parameter_count,
)
from attncourse.channel.global_second_order_pooling.reference import (
    global_second_order_pooling_reference,
    second_order_positions_reference,
)

CARDS = (CARD, POSITIONS)

__all__ = [
    "CARD",
    "CARDS",
    "POSITIONS",
    "GlobalSecondOrderPooling",
    "SecondOrderPositions",
    "centring",
    "covariance",
    "covariance_gradient",
    "global_second_order_pooling_reference",
    "multiply_adds",
    "off_centre",
    "parameter_count",
    "positions_multiply_adds",
    "positions_parameter_count",
    "row_products",
    "second_order_positions_reference",
    "square_root",
]
