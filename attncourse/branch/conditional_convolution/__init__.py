"""CondConv and dynamic convolution: kernels that are mixed for every image.

``module`` is CondConv, ``dynamic`` is dynamic convolution, ``mixing`` holds the three exact forms
and the rule that picks one, ``kernels`` what both classes share, ``cost`` the closed forms.
"""

from attncourse.branch.conditional_convolution.dynamic import CARD as DYNAMIC_CARD
from attncourse.branch.conditional_convolution.dynamic import (
    DynamicConvolution,
    annealed,
    dynamic_reference,
    shares,
)
from attncourse.branch.conditional_convolution.mixing import (
    Steps,
    form_for,
    in_groups,
    mix,
    mix_outputs,
    one_by_one,
)
from attncourse.branch.conditional_convolution.module import (
    CARD,
    ConditionalConvolution,
    condconv_reference,
    kernel_mixture_reference,
    squeeze,
)

CARDS = (CARD, DYNAMIC_CARD)

__all__ = [
    "CARD",
    "CARDS",
    "ConditionalConvolution",
    "DynamicConvolution",
    "Steps",
    "annealed",
    "condconv_reference",
    "dynamic_reference",
    "form_for",
    "in_groups",
    "kernel_mixture_reference",
    "mix",
    "mix_outputs",
    "one_by_one",
    "shares",
    "squeeze",
]
