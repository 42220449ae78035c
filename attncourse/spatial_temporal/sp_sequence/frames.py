"""What both mechanisms of SpSequenceNet ask of two frames of points."""

from __future__ import annotations

from torch import Tensor


def validate_frames(x: Tensor, width: int, what: str, points: int = 1) -> None:
    """Raise a ``ValueError`` unless ``x`` is (b, width, 2, n) with n of at least ``points``.

    Args:
        x: two frames, the frame before first.
        width: what its axis 1 must have.
        what: how the message says what that is made of.
        points: the fewest points of a frame.
    """
    if x.ndim != 4:
        remedy = (
            "add a batch axis with x[None]" if x.ndim == 3
            else "stack both frames with torch.stack([before, now], dim=2)"
        )  # fmt: skip
        raise ValueError(
            f"x must have the shape (b, c, 2, n), got {x.ndim} axes {tuple(x.shape)}: {remedy}"
        )
    if x.shape[1] != width:
        raise ValueError(
            f"x has {x.shape[1]} channels (shape {tuple(x.shape)}), but this block reads {what}: "
            f"build it for other channels, or move the channel axis to position 1 with "
            f"x.movedim(-1, 1)"
        )
    if x.shape[2] != 2:
        raise ValueError(
            f"x has {x.shape[2]} frames (shape {tuple(x.shape)}), but this block reads two: pass "
            f"the frame before and the present one, such as x[:, :, -2:]"
        )
    if x.shape[3] < points:
        raise ValueError(
            f"x has too few points (shape {tuple(x.shape)}), at least {points} are needed: pass "
            f"more points, or look for fewer neighbours"
        )
