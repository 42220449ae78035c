"""What a training run will cost, from its counted multiply-adds."""

from __future__ import annotations

#: Training images of ImageNet-1k.
IMAGENET = 1_281_167


def gpu_hours(
    macs: int, *, epochs: float, peak: float, utilisation: float, images: int = IMAGENET
) -> float:
    """Hours of one GPU for a training run, or of several GPUs together.

    A multiply-add is two floating-point operations, and a backward pass is taken to cost two
    forward passes.  Validation and the wait for data are not counted.

    Args:
        macs: multiply-adds of one image's forward pass, as ``count_macs`` gives them.
        epochs: passes over the training images.
        peak: the GPU's floating-point operations a second, in the precision that is used.
        utilisation: the share of the peak that training reaches, above 0 and up to 1.
        images: training images.

    Raises:
        ValueError: if a number is not positive, or ``utilisation`` is above 1.

    Examples:
        >>> round(gpu_hours(4_089_284_608, epochs=90, peak=312e12, utilisation=0.2), 1)
        12.6
    """
    given = {"macs": macs, "epochs": epochs, "peak": peak, "images": images}
    for name, value in given.items():
        if value <= 0:
            raise ValueError(f"{name}={value} must be positive")
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation={utilisation} must be a share above 0 and up to 1")
    forward_and_backward = 3 * 2 * macs
    return forward_and_backward * images * epochs / (peak * utilisation) / 3600
