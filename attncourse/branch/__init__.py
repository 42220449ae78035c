"""Branch attention: *which* branch to attend to.  ``g(x)`` gives weights of branches."""

from attncourse.branch.conditional_convolution import ConditionalConvolution, DynamicConvolution
from attncourse.branch.selective_kernel import SelectiveKernel
from attncourse.branch.selective_kernel.highway import Highway

__all__ = ["ConditionalConvolution", "DynamicConvolution", "Highway", "SelectiveKernel"]
