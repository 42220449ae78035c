"""The checks that every mechanism passes, each a function of a specimen and a class.

The class is the mechanism itself or one of its mutants, which must fail at least one check.
A check raises; what it raises says what is wrong.
"""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from attncourse.measure import count_macs
from tests.contract.half_precision import (
    backward_inside_autocast,
    loud_features_stay_finite,
    softmax_weights_stay_single,
)
from tests.contract.owned_layers import (
    every_layer_is_called_on_the_way_back,
    parametrised_weights_are_used,
    pruned_weights_are_trained,
    replaced_and_hooked_layers_are_heard,
)
from tests.contract.specimen import Make, Specimen, built, opened
from tests.contract.training import (
    batch_statistics_are_the_batch_s,
    smallest_arguments_are_allowed,
    starts_as_promised,
)
from tests.contract.transforms import (
    an_empty_batch_stays_empty,
    can_be_traced,
    forward_derivatives_or_a_word_on_them,
    gradients_of_each_sample,
    runs_and_counts_without_data,
    second_derivatives_or_a_way_to_them,
    vmap_over_batches,
    whole_numbers_are_asked_for,
)

TOLERANCE = {"atol": 1e-10, "rtol": 1e-10}


def _outcome(function: Callable[[Tensor], Tensor], x: Tensor, parameters: list[Tensor]):
    """Output and the gradients of a fixed random weighting of it."""
    x = x.clone().requires_grad_()
    y = function(x)
    direction = torch.randn(
        y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(7)
    )  # a plain sum would hide errors that cancel
    gradients = torch.autograd.grad((y * direction).sum(), [x, *parameters], allow_unused=True)
    return y.detach(), [g if g is not None else torch.tensor(torch.nan) for g in gradients]


def _assert_same(a, b) -> None:
    torch.testing.assert_close(a[0], b[0], **TOLERANCE)
    for one, other in zip(a[1], b[1], strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


def equals_reference(specimen: Specimen, make: Make) -> None:
    """Forward and every gradient agree with the slow reference, in float64, at awkward sizes."""
    for arguments in specimen.arguments:
        module = built(make, arguments)
        parameters = list(module.parameters())
        for sizes in specimen.sizes:
            x = specimen.x(arguments, *sizes)
            _assert_same(
                _outcome(module, x, parameters),
                _outcome(lambda x, m=module: specimen.reference(m, x), x, parameters),
            )


def fast_path_equals_f_of_g(specimen: Specimen, make: Make) -> None:
    """``forward(x)`` is ``f(g(x), x)``, and asking for the weights changes nothing."""
    for arguments in specimen.arguments:
        module = built(make, arguments)
        parameters = list(module.parameters())
        x = specimen.x(arguments)
        explicit = _outcome(lambda x, m=module: m.f(m.g(x), x), x, parameters)
        _assert_same(_outcome(module, x, parameters), explicit)
        _assert_same(
            _outcome(lambda x, m=module: m(x, need_weights=True)[0], x, parameters), explicit
        )
        torch.testing.assert_close(module(x, need_weights=True)[1], module.g(x), **TOLERANCE)


def gradients_are_right(specimen: Specimen, make: Make) -> None:
    """Numerical differentiation confirms the gradient with respect to the input."""
    arguments = specimen.arguments[0]
    module = built(make, arguments)
    x = specimen.x(arguments, *specimen.small).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,), fast_mode=True)


def every_parameter_learns(specimen: Specimen, make: Make) -> None:
    """Each registered parameter gets a gradient that is not zero, rounding aside."""
    for arguments in specimen.arguments:
        module = built(make, arguments)
        if specimen.card.parameters(**arguments):
            assert list(module.parameters()), "no parameter is registered"
        _, gradients = _outcome(module, specimen.x(arguments), list(module.parameters()))
        for (name, _), gradient in zip(module.named_parameters(), gradients[1:], strict=True):
            assert torch.isfinite(gradient).all(), f"{name} gets no gradient"
            assert gradient.abs().sum() > 1e-12, f"the gradient of {name} is zero"


def images_are_independent(specimen: Specimen, make: Make) -> None:
    """In eval mode the output of an image does not depend on its batch mates."""
    arguments = specimen.arguments[0]
    module = built(make, arguments)
    x = specimen.x(arguments, 3, *specimen.sizes[0][1:])
    together, alone = module(x), torch.cat([module(image[None]) for image in x])
    torch.testing.assert_close(together, alone, **TOLERANCE)


def input_is_left_alone(specimen: Specimen, make: Make) -> None:
    """The caller's tensor is not written to."""
    arguments = specimen.arguments[0]
    x = specimen.x(arguments)
    before = x.clone()
    with torch.no_grad():
        built(make, arguments)(x)
        built(make, arguments)(x, need_weights=True)
    assert torch.equal(x, before), "the input was changed"


def shape_and_kind_are_kept(specimen: Specimen, make: Make) -> None:
    """A drop-in block maps (b, c, h, w) to the same shape, type and memory format."""
    if not specimen.card.drop_in:
        return
    for arguments in specimen.arguments:
        for kind in (torch.float32, torch.float64):
            module = opened(make(**arguments)).to(kind).eval()
            x = specimen.x(arguments, dtype=kind)
            y = module(x)
            assert y.shape == x.shape, f"shape {tuple(y.shape)} for {tuple(x.shape)}"
            assert y.dtype == kind, f"type {y.dtype} for {kind}"
            if x.ndim == 4:
                last = module(x.contiguous(memory_format=torch.channels_last))
                kept = last.is_contiguous(memory_format=torch.channels_last)
                assert kept, "channels_last is lost"
                torch.testing.assert_close(last, y)


def weights_have_the_card_s_shape(specimen: Specimen, make: Make) -> None:
    """``g(x)`` has as many axes as the card says, and starts with the batch."""
    arguments = specimen.arguments[0]
    x = specimen.x(arguments)
    weights = built(make, arguments).g(x)
    weights = weights if isinstance(weights, tuple) else (weights,)
    shapes = [shape.split() for shape in specimen.card.weights.split(",")]
    assert len(weights) == len(shapes), f"{len(weights)} tensors, the card says {len(shapes)}"
    sizes = dict(zip(specimen.card.input.split(), x.shape, strict=True))
    if "h" in sizes and "w" in sizes:
        sizes["n"] = sizes["h"] * sizes["w"]
    for weight, letters in zip(weights, shapes, strict=True):
        assert weight.ndim == len(letters), f"{weight.ndim} axes, the card says {letters}"
        for letter, size in zip(letters, weight.shape, strict=True):
            wanted = int(letter) if letter.isdigit() else sizes.get(letter, size)
            assert size == wanted, f"axis {letter} has {size}, x has {wanted}"


def parameters_follow_the_card(specimen: Specimen, make: Make) -> None:
    """The closed form counts the parameters."""
    for arguments in specimen.grid:
        module = make(**arguments, device="meta")
        counted = sum(p.numel() for p in module.parameters())
        stated = specimen.card.parameters(**arguments)
        assert counted == stated, f"{arguments}: {counted} parameters, the card says {stated}"


def macs_follow_the_card(specimen: Specimen, make: Make) -> None:
    """The closed form counts the multiply-adds of one image."""
    for arguments in specimen.grid:
        module = make(**arguments)
        for sizes in specimen.sizes[:2] + specimen.sizes[-1:]:
            x = specimen.x(arguments, 1, *sizes[1:], dtype=torch.float32)
            counted = count_macs(module.eval(), x)
            stated = specimen.card.macs(*sizes[1:], **arguments)
            assert counted == stated, f"{arguments}, {sizes}: {counted} MACs, card {stated}"


def half_precision_is_finite(specimen: Specimen, make: Make) -> None:
    """Autocast to float16 and bfloat16 gives finite outputs and gradients near float32's."""
    for kind in (torch.float16, torch.bfloat16):
        for arguments in specimen.arguments:
            module = opened(make(**arguments)).eval()
            x = specimen.x(arguments, dtype=torch.float32).requires_grad_()
            with torch.autocast("cpu", dtype=kind):
                y = module(x)
            y.float().sum().backward()
            assert torch.isfinite(y).all(), f"not finite in {kind}"
            assert x.grad is not None
            assert torch.isfinite(x.grad).all(), f"gradient not finite in {kind}"
            slack = specimen.half_tolerance
            torch.testing.assert_close(y.float(), module(x), atol=slack, rtol=slack)


def state_survives_a_round_trip(specimen: Specimen, make: Make) -> None:
    """state_dict, deepcopy and pickle give the same function back; every parameter is stored."""
    arguments = specimen.arguments[0]
    module = built(make, arguments)
    x = specimen.x(arguments)
    wanted = module(x)
    fresh = opened(make(**arguments).double(), seed=1).eval()
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    torch.testing.assert_close(fresh(x), wanted, **TOLERANCE)
    torch.testing.assert_close(copy.deepcopy(module)(x), wanted, **TOLERANCE)
    torch.testing.assert_close(pickle.loads(pickle.dumps(module))(x), wanted, **TOLERANCE)


def eval_mode_is_deterministic(specimen: Specimen, make: Make) -> None:
    """The same input gives the same bits twice."""
    arguments = specimen.arguments[0]
    module = built(make, arguments)
    x = specimen.x(arguments)
    assert torch.equal(module(x), module(x)), "two calls differ"


def factory_arguments_are_passed_on(specimen: Specimen, make: Make) -> None:
    """``device`` and ``dtype`` reach every parameter."""
    arguments = specimen.arguments[0]
    for parameter in make(**arguments, device="meta", dtype=torch.float64).parameters():
        assert parameter.device.type == "meta", "device was not passed on"
        assert parameter.dtype == torch.float64, "dtype was not passed on"


def reset_draws_every_parameter(specimen: Specimen, make: Make) -> None:
    """``reset_parameters`` repeats the initialisation of a fresh module under the same seed."""
    arguments = specimen.arguments[0]
    torch.manual_seed(3)
    fresh = make(**arguments)
    other = opened(make(**arguments))
    torch.manual_seed(3)
    other.reset_parameters()
    for (name, one), two in zip(fresh.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two), f"{name} is not drawn as at construction"


def wrong_inputs_are_refused(specimen: Specimen, make: Make) -> None:
    """Inputs of a wrong shape raise a ValueError with a remedy."""
    arguments = specimen.arguments[0]
    module = built(make, arguments)
    for bad, words in specimen.wrong(specimen.x(arguments)):
        with pytest.raises(ValueError, match=words) as error:
            module(bad)
        assert ":" in str(error.value), f"no remedy in: {error.value}"


def wrong_arguments_are_refused(specimen: Specimen, make: Make) -> None:
    """Impossible constructor arguments raise a ValueError that names argument and value."""
    for arguments, words in specimen.refused:
        with pytest.raises(ValueError, match=words):
            make(**arguments)


def repr_names_what_differs(specimen: Specimen, make: Make) -> None:
    """``extra_repr`` shows arguments that differ from their defaults, and no others."""
    signature = inspect.signature(specimen.card.module)
    for arguments in specimen.arguments:
        shown = make(**arguments).extra_repr()
        for name, value in arguments.items():
            default = signature.parameters[name].default
            if value != default:
                assert str(value) in shown, f"{name}={value} is not in {shown!r}"
            else:
                assert f"{name}=" not in shown, f"default {name} stands in {shown!r}"


CHECKS: tuple[Callable[[Specimen, Make], None], ...] = (
    equals_reference,
    fast_path_equals_f_of_g,
    gradients_are_right,
    every_parameter_learns,
    images_are_independent,
    input_is_left_alone,
    shape_and_kind_are_kept,
    weights_have_the_card_s_shape,
    parameters_follow_the_card,
    macs_follow_the_card,
    half_precision_is_finite,
    state_survives_a_round_trip,
    eval_mode_is_deterministic,
    factory_arguments_are_passed_on,
    reset_draws_every_parameter,
    wrong_inputs_are_refused,
    wrong_arguments_are_refused,
    repr_names_what_differs,
    starts_as_promised,
    smallest_arguments_are_allowed,
    whole_numbers_are_asked_for,
    batch_statistics_are_the_batch_s,
    softmax_weights_stay_single,
    loud_features_stay_finite,
    backward_inside_autocast,
    replaced_and_hooked_layers_are_heard,
    parametrised_weights_are_used,
    pruned_weights_are_trained,
    every_layer_is_called_on_the_way_back,
    vmap_over_batches,
    gradients_of_each_sample,
    second_derivatives_or_a_way_to_them,
    forward_derivatives_or_a_word_on_them,
    can_be_traced,
    runs_and_counts_without_data,
    an_empty_batch_stays_empty,
)
