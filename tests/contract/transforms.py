"""Other ways to run a module: torch.func, second derivatives, tracing, and no data at all."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping
import pytest
import torch
from torch.func import functional_call, grad, jvp, vmap

from attncourse.measure import count_macs
from tests.contract.specimen import Make, Specimen, built

TOLERANCE = {"atol": 1e-10, "rtol": 1e-10}


@contextmanager
def as_for_users() -> Iterator[None]:
    """Without the tests' check of annotations, which speaks before the module does."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def _mute_remarks_on_speed() -> None:
    """Some kernels run one after the other under ``vmap``, and torch says so."""
    warnings.filterwarnings("ignore", "There is a performance drop")


def vmap_over_batches(specimen: Specimen, make: Make) -> None:
    """``vmap`` over a stack of batches is a loop over them."""
    _mute_remarks_on_speed()
    for arguments in specimen.arguments:
        module = built(make, arguments)
        x = specimen.x(arguments, *specimen.small)
        stack = torch.stack([x, 0.5 * x])
        wanted = torch.stack([module(x) for x in stack])
        torch.testing.assert_close(vmap(module)(stack), wanted, **TOLERANCE)


def gradients_of_each_sample(specimen: Specimen, make: Make) -> None:
    """``vmap(grad(...))`` gives every sample's own gradient of every parameter."""
    _mute_remarks_on_speed()
    for arguments in specimen.arguments:
        module = built(make, arguments)
        x = specimen.x(arguments, 2, *specimen.small[1:])
        parameters = dict(module.named_parameters())
        if not parameters:  # nothing to differentiate by
            continue

        def loss(parameters, sample, module=module):
            return functional_call(module, parameters, (sample[None],)).square().sum()

        detached = {name: p.detach() for name, p in parameters.items()}
        found = vmap(grad(loss), in_dims=(None, 0))(detached, x)
        for n, sample in enumerate(x):
            value = module(sample[None]).square().sum()
            wanted = torch.autograd.grad(value, list(parameters.values()))
            for name, one in zip(parameters, wanted, strict=True):
                torch.testing.assert_close(found[name][n], one, **TOLERANCE)


def second_derivatives_or_a_way_to_them(specimen: Specimen, make: Make) -> None:
    """A gradient penalty works, or the error names ``need_weights=True``, which works."""
    for arguments in specimen.arguments:
        module = built(make, arguments)
        x = specimen.x(arguments, *specimen.small).requires_grad_()

        def penalty(forward, x=x):
            (slope,) = torch.autograd.grad(forward(x).square().sum(), x, create_graph=True)
            return torch.autograd.grad(slope.square().sum(), x)[0]

        wanted = penalty(lambda x, m=module: m(x, need_weights=True)[0])
        assert torch.isfinite(wanted).all()
        try:
            found = penalty(module)
        except RuntimeError as error:
            said = str(error)
        else:
            said = None
            torch.testing.assert_close(found, wanted, atol=1e-8, rtol=1e-8)
        if said is not None:
            assert "need_weights=True" in said, f"no way out is named in: {said}"
            assert "second derivative" in type(module).__doc__, "the docstring does not say so"


def forward_derivatives_or_a_word_on_them(specimen: Specimen, make: Make) -> None:
    """``jvp`` agrees with the gradient, or the docstring says that torch has no such derivative."""
    for arguments in specimen.arguments:
        module = built(make, arguments)
        x = specimen.x(arguments, *specimen.small)
        way = torch.ones_like(x)
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(module(leaf).sum(), leaf)
        try:
            _, found = jvp(module, (x,), (way,))
        except NotImplementedError:
            assert "orward-mode" in type(module).__doc__, "no word on forward-mode derivatives"
        else:
            torch.testing.assert_close(found.sum(), slope.sum(), atol=1e-8, rtol=1e-8)


def an_empty_batch_stays_empty(specimen: Specimen, make: Make) -> None:
    """No images give no outputs, by every path, and gradients of zero for every parameter."""
    for arguments in specimen.arguments:
        module = built(make, arguments)
        x = specimen.x(arguments)
        none = x[:0].clone().requires_grad_()
        wanted = (0, *module(x).shape[1:])
        ys = module(none), module.f(module.g(none), none), module(none, need_weights=True)[0]
        for y in ys:
            assert y.shape == wanted, f"shape {tuple(y.shape)} for no images, not {wanted}"
        ys[0].sum().backward()
        assert none.grad is not None
        for name, parameter in module.named_parameters():
            quiet = parameter.grad is None or not parameter.grad.any()
            assert quiet, f"{name} learns from no images"


def can_be_traced(specimen: Specimen, make: Make) -> None:
    """``torch.jit.trace`` records the module, if only for the sizes that it saw."""
    with warnings.catch_warnings(), as_for_users():
        warnings.simplefilter("ignore")
        for arguments in specimen.arguments:
            module = built(make, arguments)
            x = specimen.x(arguments, *specimen.small)
            traced = torch.jit.trace(module, (x,), check_trace=False)
            # Sizes become tensors in a trace, and numbers made of them are float32.
            torch.testing.assert_close(traced(0.5 * x), module(0.5 * x), atol=1e-6, rtol=1e-6)


def runs_and_counts_without_data(specimen: Specimen, make: Make) -> None:
    """On ``meta``, where nothing is computed: shapes and multiply-adds are those of a processor."""
    for arguments in specimen.arguments:
        x = specimen.x(arguments, dtype=torch.float32)
        here, nowhere = make(**arguments).eval(), make(**arguments, device="meta").eval()
        bare = x.to("meta")
        assert nowhere(bare).shape == here(x).shape
        assert nowhere.f(nowhere.g(bare), bare).shape == here(x).shape
        assert count_macs(nowhere, bare) == count_macs(here, x)


def whole_numbers_are_asked_for(specimen: Specimen, make: Make) -> None:
    """``reduction=16.0`` and its like are refused by name, with a remedy."""
    for arguments in specimen.arguments:
        for name, parameter in inspect.signature(specimen.card.module).parameters.items():
            value = arguments.get(name, parameter.default)
            if isinstance(value, int) and not isinstance(value, bool):
                with pytest.raises(TypeError, match=f"{name}=.*: write"), as_for_users():
                    make(**{**arguments, name: float(value)})
