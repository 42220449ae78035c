"""Where half precision is not enough: the same few lines for every mechanism.

Three rules hold for all of them.

1. Logits that no factor keeps small are computed, and their softmax is taken, in float32 at
   least, also under autocast and in a module that is half precision throughout.  A product of
   two vectors of ordinary features passes 65,504, where float16 ends.
2. Weights that come out of a softmax stay in that type; ``f`` brings them to the type of what
   they weigh.
3. Input in half precision gives output in the same half precision, also under autocast.  With
   input in float32, autocast decides.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.amp import is_autocast_available


def at_least_single(x: Tensor) -> torch.dtype:
    """The type of ``x``, or float32 where that is less precise."""
    return torch.promote_types(x.dtype, torch.float32)


def exact(x: Tensor) -> AbstractContextManager[object]:
    """Autocast off on the device of ``x``, where that device has autocast at all.

    ``meta`` has none, and asking for it there is an error; so has Apple's MPS in older versions.
    """
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext()


def softmax(logits: Tensor, dim: int) -> Tensor:
    """Softmax in float32 at least: half precision drops the small weights of a long row."""
    return logits.softmax(dim, dtype=at_least_single(logits))


def attention_map(q: Tensor, k: Tensor, scale: float = 1.0) -> Tensor:
    """``softmax(scale * q k^T)`` by rule 1; rows q (..., n, d) ask rows k (..., m, d)."""
    with exact(q):
        kind = at_least_single(q)
        return softmax(scale * (q.to(kind) @ k.to(kind).mT), dim=-1)
