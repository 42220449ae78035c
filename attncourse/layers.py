"""What every mechanism asks of the layers that it owns, and of its sizes.

A layer that a module owns is called, so that hooks, pruning, parametrisations, adapters and
quantised replacements do what their users expect.  A fast path that reads ``layer.weight``
steps aside unless :func:`is_plain` says that calling the layer would do the same.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules import module as _hooks

Layer = TypeVar("Layer", bound=nn.Module)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def is_plain(layer: nn.Module, kind: type[Layer]) -> TypeGuard[Layer]:
    """Whether calling ``layer`` does what ``kind`` does with its parameters, and nothing else.

    A subclass, a parametrisation (which changes the class), a hook, pruning or an old-style
    weight normalisation (which are hooks), a ``forward`` put on the instance and hooks on all
    modules are each a reason why not.
    """
    hooked = (
        layer._forward_hooks
        or layer._forward_pre_hooks
        or layer._backward_hooks
        or layer._backward_pre_hooks
        or "forward" in layer.__dict__
        or _hooks._has_any_global_hook()
    )
    return type(layer) is kind and not hooked


def accepted(layer: nn.Module, x: Tensor) -> Tensor:
    """``x`` in the type of the layer's parameters, or as it is if the layer shows none."""
    kinds = (p.dtype for p in layer.parameters() if p.is_floating_point())
    return x.to(next(kinds, x.dtype))


def as_affine(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift of each channel that batch normalisation is in eval mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def check_statistics(norm: nn.Module | None, name: str, values: int, x: Tensor) -> None:
    """Raise a ``ValueError`` where batch normalisation would see one value for each channel.

    Another kind of normalisation in its place, such as SyncBatchNorm, sees other values.

    Args:
        norm: the normalisation, or ``None``.
        name: how the module calls it.
        values: how many values of each channel it would see.
        x: the module's input, for the message.
    """
    if type(norm) in _NORMS and norm is not None and norm.training and values == 1:
        raise ValueError(
            f"x has the shape {tuple(x.shape)} in training mode: batch normalisation of the "
            f"{norm.num_features} channels of .{name} would have one value for each and subtract "
            f"it from itself; pass more images or positions, call .eval(), or put another "
            f"normalisation in the place of .{name}"
        )


def lstm_step(gates: Sequence[Tensor], cell: Tensor) -> tuple[Tensor, Tensor]:
    """State and cell of an LSTM after one step.

    ``c = sigmoid(keep) c + sigmoid(admit) tanh(new)`` and ``h = sigmoid(show) tanh(c)``.

    Args:
        gates: logits of admit, keep and show, and what is new before its tanh.
        cell: before the step.
    """
    admit, keep, show, new = gates
    cell = torch.sigmoid(keep) * cell + torch.sigmoid(admit) * torch.tanh(new)
    return torch.sigmoid(show) * torch.tanh(cell), cell


def positive(**sizes: int) -> None:
    """Raise an error that names the first argument that is no whole number of at least 1."""
    whole(**sizes)
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size} must be at least 1")


def whole(**sizes: object) -> None:
    """Raise a ``TypeError`` that names the first argument that is no whole number.

    Arguments may be numbers or sequences of them; 16.0 is refused, because a width that was
    computed with ``/`` may as well be 16.5.
    """
    for name, value in sizes.items():
        for part in value if isinstance(value, Iterable) else (value,):
            try:
                operator.index(part)  # type: ignore[arg-type]
            except TypeError:
                raise TypeError(
                    f"{name}={value!r} must be made of whole numbers: write {name}=4 in place of "
                    f"{name}=4.0, and // in place of /"
                ) from None
