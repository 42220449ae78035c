"""What TAM costs, in closed form, and which sizes it allows."""

from __future__ import annotations

from attncourse.layers import whole


def hidden_width(channels: int, reduction: int = 4) -> int:
    """Width d of the local branch, ``channels // reduction``; raises below 1."""
    whole(channels=channels, reduction=reduction)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1")
    if reduction < 1:
        raise ValueError(f"reduction={reduction} must be an integer divisor of at least 1")
    if channels < reduction:
        raise ValueError(
            f"reduction={reduction} leaves no hidden unit for {channels} channels: choose "
            f"reduction <= {channels}"
        )
    return channels // reduction


def checked(frames: int, expansion: int, kernel_size: int) -> None:
    """Raise unless the clip, the width of the global branch and the kernel are possible."""
    whole(frames=frames, expansion=expansion, kernel_size=kernel_size)
    if frames < 1:
        raise ValueError(f"frames={frames} must be at least 1")
    if expansion < 1:
        raise ValueError(f"expansion={expansion} must be a factor of at least 1")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"kernel_size={kernel_size} must be odd and at least 1: an even kernel has no tap "
            f"for the frame itself"
        )


def parameter_count(
    channels: int,
    frames: int = 8,
    reduction: int = 4,
    *,
    expansion: int = 2,
    kernel_size: int = 3,
) -> int:
    """Learned parameters: (k + 1) c d + 2 d of the local branch, m (t + k + 2) of the global."""
    d = hidden_width(channels, reduction)
    checked(frames, expansion, kernel_size)
    m = expansion * frames
    return (kernel_size + 1) * channels * d + 2 * d + m * (frames + kernel_size + 2)


def multiply_adds(
    t: int,
    height: int,
    width: int,
    channels: int,
    frames: int = 8,
    reduction: int = 4,
    *,
    expansion: int = 2,
    kernel_size: int = 3,
) -> int:
    """Multiply-adds for one clip of ``frames`` frames, which is what t must be.

    c t h w to squeeze, (k + 1) c d t and c m (t + k) to decide, c t^2 to build the matrices, and
    c t^2 h w to apply them.  A convolution would apply them with c t h w (k + 1), in more time.
    """
    del t
    d = hidden_width(channels, reduction)
    checked(frames, expansion, kernel_size)
    m = expansion * frames
    decided = (kernel_size + 1) * channels * d * frames + channels * m * (frames + kernel_size)
    applied = channels * frames**2 * (height * width + 1)
    return channels * frames * height * width + decided + applied
