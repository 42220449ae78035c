r"""The semantic encoding loss: which classes are in the image, asked of the code.

.. math::
    p = \sigma(W_3 e + b_3), \qquad
    L_{\mathrm{present}} = -\frac1m \sum_{l=1}^{m}
        \bigl(t_l \log p_l + (1 - t_l) \log(1 - p_l)\bigr)                                & (6)

Here t_l is 1 if class l has a pixel in the image and 0 if not, and m counts the classes.  The
authors call it SE-loss; this SE is no squeeze-and-excitation.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attncourse.layers import positive, whole


def classes_present(labels: Int[Tensor, "b h w"], classes: int) -> Float[Tensor, "b m"]:
    """1 for every class that has a pixel in the image, 0 for the others.

    Labels outside 0 to ``classes`` - 1, such as -1 or 255 for pixels to ignore, count for nothing.

    Raises:
        ValueError: if there is no class.
    """
    positive(classes=classes)
    flat = labels.flatten(1)
    known = (flat >= 0) & (flat < classes)
    kept = flat.masked_fill(~known, classes)
    return F.one_hot(kept, classes + 1).amax(dim=1)[:, :classes].float()


def presence_loss(logits: Float[Tensor, "b m"], labels: Int[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """Equation (6), the mean over classes and images."""
    there = classes_present(labels, logits.shape[1]).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, there)


class PresenceHead(nn.Module):
    """One logit for each class from the code e: a linear layer that only training needs.

    Args:
        channels: length of the code.
        classes: number of classes.

    Shape:
        - code: (b, channels)
        - logits: (b, classes)

    Raises:
        ValueError: if a size is below 1.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        whole(channels=channels, classes=classes)
        if channels < 1 or classes < 1:
            raise ValueError(f"channels={channels} and classes={classes} must be at least 1")
        self.linear = nn.Linear(channels, classes)

    def forward(self, code: Tensor) -> Tensor:
        """Logits of the classes."""
        out: Tensor = self.linear(code)
        return out
