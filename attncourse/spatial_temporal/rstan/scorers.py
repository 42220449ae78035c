"""The two softmaxes of RSTAN: over the places of each frame, and over frames."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn, tanh

from attncourse.precision import at_least_single, softmax


def scores(keys: Float[Tensor, "b *n a"], asked: Float[Tensor, "b a"], score: nn.Module) -> Tensor:
    """Equations (1) and (4): ``score(tanh(keys + asked))``, one number for each key, (b, *n).

    ``asked`` is the state's part, the same for all keys of a clip.
    """
    while asked.ndim < keys.ndim:
        asked = asked.unsqueeze(1)
    found: Tensor = score(tanh(keys + asked))
    return found.squeeze(-1)


def place_weights(e: Float[Tensor, "b t n"]) -> Float[Tensor, "b t n"]:
    """Equation (2): one softmax over the positions of each frame, in float32 at least."""
    return softmax(e, dim=2)


def frame_weights(e: Float[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    """Equation (5): one softmax over the frames of a clip, in float32 at least."""
    return softmax(e, dim=1)


def totals(e: Float[Tensor, "b t n"]) -> Float[Tensor, "b t"]:
    """Equation (12): the frame scores with which both softmaxes are one over all positions."""
    return e.to(at_least_single(e)).logsumexp(dim=2)


def gathered(alpha: Float[Tensor, "b t n"], x: Float[Tensor, "b t n c"]) -> Float[Tensor, "b t c"]:
    """Equation (3): one vector for each frame."""
    frames = alpha.to(x.dtype)[:, :, None] @ x
    return frames.squeeze(2)


def read(gamma: Float[Tensor, "b t"], u: Float[Tensor, "b t c"]) -> Float[Tensor, "b c"]:
    """Equation (6): one vector for the step."""
    clip = gamma.to(u.dtype)[:, None] @ u
    return clip.squeeze(1)
