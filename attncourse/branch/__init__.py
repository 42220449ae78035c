"""Branch attention: *which* branch to attend to.  ``g(x)`` gives weights of branches."""

from attncourse.branch.highway import Highway
from attncourse.branch.selective_kernel import SelectiveKernel

__all__ = ["Highway", "SelectiveKernel"]
