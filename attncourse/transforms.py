"""What fused kernels cannot do: second derivatives, and torch.func.

A fused kernel has a first derivative and no second one, and what is written by hand has no rule
for ``vmap``.  Where torch.func is at work, mechanisms take a form that it can see through; where a
second derivative of a fused kernel is asked for, the error names the way out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attncourse.precision import attention_map


def in_torch_func() -> bool:
    """Whether ``vmap``, ``grad`` or another transform of torch.func is at work, uncompiled."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._functorch.peek_interpreter_stack() is not None


def in_format_of(x: Tensor, y: Tensor) -> Tensor:
    """``y`` in the memory format of ``x``; torch.func knows one format only."""
    if not in_torch_func() and x.is_contiguous(memory_format=torch.channels_last):
        return y.contiguous(memory_format=torch.channels_last)
    return y


def as_given(x: Tensor, y: Tensor) -> Tensor:
    """``y`` in the type and memory format of ``x``."""
    return in_format_of(x, y).to(x.dtype)


def is_plain_eager() -> bool:
    """Whether operators run one by one: no compiler, no tracer and no torch.func is at work."""
    return not (torch.compiler.is_compiling() or torch.jit.is_tracing() or in_torch_func())


def fused_attention(
    q: Float[Tensor, "b n d"],
    k: Float[Tensor, "b m d"],
    v: Float[Tensor, "b m e"],
    scale: float,
    *,
    who: str,
) -> Float[Tensor, "b n e"]:
    """``attention_map(q, k, scale) @ v`` by PyTorch's fused kernel, without the map.

    The kernel of a processor is fused for four axes, one width of q, k and v, and a last axis of
    stride 1; anything else makes it build the map without a word.  On a GPU, flash attention ends
    at a width of 256; whether another kernel then spares the map depends on device, type and
    version, so look at the memory before you rely on it.  ``who`` is named in the error about
    second derivatives.
    """
    if in_torch_func():  # no fused kernel has a rule for it
        return attention_map(q, k, scale).to(v.dtype) @ v
    once = FirstOrder(who)
    q, k, v = (once.enter(t).contiguous()[:, None] for t in (q, k, v))
    return once.watch(F.scaled_dot_product_attention(q, k, v, scale=scale))[:, 0]


class FirstOrder:
    """Tensors on their way into a kernel that may have no second derivative.

    Args:
        who: the mechanism, for the error.

    Examples:
        >>> once, x = FirstOrder("a block"), torch.ones(1, 1, 3, 2, requires_grad=True)
        >>> q = once.enter(x)
        >>> y = once.watch(torch.nn.functional.scaled_dot_product_attention(q, q, q))
        >>> (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        >>> slope.sum().backward()
        Traceback (most recent call last):
        RuntimeError: a block: its fused kernel has no second derivative; for gradient penalties ...
    """

    def __init__(self, who: str) -> None:
        self.who, self.entered, self.fused = who, False, False

    def enter(self, x: Tensor) -> Tensor:
        """``x``, whose gradient will know that it cannot be differentiated."""
        if not (is_plain_eager() and x.requires_grad and torch.is_grad_enabled()):
            return x
        self.entered = True
        return _Entered.apply(x, self)

    def watch(self, y: Tensor) -> Tensor:
        """``y``, from which is seen whether the kernel was a fused one."""
        if self.entered and y.grad_fn is not None:
            self.fused = "ScaledDotProduct" in y.grad_fn.name()
        return y


class _Entered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, once: FirstOrder) -> Tensor:
        ctx.once = once
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return _Gradient.apply(g, ctx.once), None


class _Gradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: Tensor, once: FirstOrder) -> Tensor:
        ctx.once = once
        return g.view_as(g)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        if ctx.once.fused:
            raise RuntimeError(
                f"{ctx.once.who}: its fused kernel has no second derivative; for gradient "
                f"penalties and Hessians call the module with need_weights=True, which takes the "
                f"explicit form and can be differentiated as often as you like"
            )
        return g, None
