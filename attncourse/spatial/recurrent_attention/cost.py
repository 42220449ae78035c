"""Closed forms of RAM and DRAM: parameters, and multiply-adds for one image of any size."""

from __future__ import annotations


def parameter_count(
    channels: int,
    classes: int = 10,
    *,
    glimpse: int = 8,
    scales: int = 1,
    features: int = 128,
    width: int = 256,
    **costless: object,
) -> int:
    """RAM's learned parameters; the number of looks does not enter, nor does the baseline."""
    pixels = scales * channels * glimpse**2
    glimpses = (pixels + 1) * features + 3 * features + 2 * (features + 1) * width
    return glimpses + 2 * (width + 1) * width + (width + 1) * (2 + classes)


def deep_parameter_count(
    channels: int,
    classes: int = 10,
    *,
    glimpse: int = 8,
    scales: int = 1,
    features: int = 128,
    width: int = 256,
    context: int = 0,
    **costless: object,
) -> int:
    """DRAM's: a second recurrent layer, and a layer that reads the small version."""
    ram = parameter_count(
        channels, classes, glimpse=glimpse, scales=scales, features=features, width=width
    )
    small = (channels * context**2 + 1) * width if context else 0
    return ram + 2 * (width + 1) * width + small


def multiply_adds(
    height: int,
    width_of_x: int,
    channels: int,
    classes: int = 10,
    *,
    steps: int = 6,
    glimpse: int = 8,
    scales: int = 1,
    features: int = 128,
    width: int = 256,
    product: bool = False,
    **costless: object,
) -> int:
    """RAM's multiply-adds: neither the height nor the width of the image enters."""
    reading = 4 * channels * (glimpse * 2 ** (scales - 1)) ** 2
    if glimpse % 2 and scales > 1:  # an odd finest square is read by itself
        reading += 4 * channels * glimpse**2
    what = scales * channels * glimpse**2 * features + features * width
    where = 2 * features + features * width
    look = reading + what + where + (width if product else 0) + 2 * width**2
    return steps * look + (steps - 1) * 2 * width + width * classes


def deep_multiply_adds(
    height: int,
    width_of_x: int,
    channels: int,
    classes: int = 10,
    *,
    steps: int = 6,
    glimpse: int = 8,
    scales: int = 1,
    features: int = 128,
    width: int = 256,
    product: bool = True,
    context: int = 0,
    **costless: object,
) -> int:
    """DRAM's: the upper state has no step after the last look; ``context`` adds a decision."""
    ram = multiply_adds(
        height, width_of_x, channels, classes, steps=steps, glimpse=glimpse, scales=scales,
        features=features, width=width, product=product,
    )  # fmt: skip
    small = channels * context**2 * (4 + width) + (2 * width if context else 0)
    return ram + (steps - 1) * 2 * width**2 + small
