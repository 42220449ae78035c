"""What the machine itself can do: bytes copied and multiply-adds done in a second."""

from __future__ import annotations

import torch

from attncourse.measure import compare


def roofline(device: str = "cpu") -> dict[str, float]:
    """Copy bandwidth (bytes read and written a second) and rate of a square matrix product.

    Both in float32; what is copied is far larger than the caches, and the matrices are large
    enough to keep the machine busy.
    """
    side, megabytes = (8192, 1024) if device.startswith("cuda") else (1024, 64)
    source = torch.ones(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    a = torch.randn(side, side, device=device)
    timed = compare(
        {"copy": lambda: target.copy_(source), "product": lambda: a @ a}, repeats=5, device=device
    )
    return {
        "bytes_per_second": 2 * source.nbytes / timed["copy"].seconds,
        "multiply_adds_per_second": side**3 / timed["product"].seconds,
    }
