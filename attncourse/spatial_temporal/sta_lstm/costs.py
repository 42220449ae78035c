"""STA-LSTM: which sizes fit, and what they cost in closed form."""

from __future__ import annotations

from torch import Tensor

from attncourse.layers import positive


def check_sizes(joints: int, classes: int, coordinates: int, hidden: int, gate_hidden: int) -> None:
    """Raise a ``ValueError`` that names the first size below 1."""
    positive(
        joints=joints, classes=classes, coordinates=coordinates,
        hidden=hidden, gate_hidden=gate_hidden,
    )  # fmt: skip


def validate_clips(x: Tensor, joints: int, coordinates: int) -> None:
    """Raise a ``ValueError`` unless ``x`` is (b, t, joints, coordinates) with at least a frame."""
    shape = tuple(x.shape)
    if x.ndim != 4:
        remedy = "add a batch axis with x[None]" if x.ndim == 3 else "reshape it to four axes"
        raise ValueError(
            f"x must have the shape (b, t, joints, coordinates), got {x.ndim} axes "
            f"{shape}: {remedy}"
        )
    if x.shape[2] != joints:
        raise ValueError(
            f"x has {x.shape[2]} joints (shape {shape}), but this network was built for "
            f"joints={joints}: build it with joints={x.shape[2]}, or move the joints to axis 2"
        )
    if x.shape[3] != coordinates:
        raise ValueError(
            f"x has {x.shape[3]} coordinates a joint (shape {shape}), but this network was built "
            f"for coordinates={coordinates}: build it with coordinates={x.shape[3]}"
        )
    if x.shape[1] == 0:
        raise ValueError(f"x has no frames (shape {shape}): pass at least one frame a clip")


def parameter_count(
    joints: int,
    classes: int,
    *,
    coordinates: int = 3,
    hidden: int = 100,
    gate_hidden: int = 100,
    where: bool = True,
    when: bool = True,
    rescale: bool = True,
    average: bool = True,
) -> int:
    """Learned parameters: 4u(e + u + 1) for an LSTM of u units on e inputs, and small layers."""
    del rescale, average  # two factors that are not learned
    e, u = joints * coordinates, gate_hidden
    memory = 4 * u * (e + u + 1)
    total = 4 * hidden * (e + hidden + 1) + classes * (hidden + 1)
    if where:
        total += memory + u * (e + 1) + u * u + joints * (u + 1)
    if when:
        total += memory + e + u + 1
    return total


def multiply_adds(
    frames: int,
    joints: int,
    classes: int,
    *,
    coordinates: int = 3,
    hidden: int = 100,
    gate_hidden: int = 100,
    where: bool = True,
    when: bool = True,
    rescale: bool = True,
    average: bool = True,
) -> int:
    """Multiply-adds of a clip: for an LSTM 4u(e + u) and its three products of u, each frame."""
    del rescale, average  # multiplying by a plain number is not counted
    e, u = joints * coordinates, gate_hidden
    memory = 4 * u * (e + u) + 3 * u
    frame = e + 4 * hidden * (e + hidden) + 3 * hidden + hidden + 1
    if where:
        frame += memory + u * e + u * u + joints * u
    if when:
        frame += memory + e + u
    return frames * frame + classes * (hidden + 1)
