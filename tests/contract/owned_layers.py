"""Whatever users do to a layer that a mechanism owns is heard: the module never works around it.

Modules that multiply by ``layer.weight`` in place of calling the layer leave hooks silent, adapters
dead and pruned weights stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from tests.contract.specimen import Make, Specimen, built

TOLERANCE = {"atol": 1e-10, "rtol": 1e-10}
FACTOR = 1.25


class Louder(nn.Module):
    """A parametrisation: the parameter times a constant."""

    def forward(self, parameter):
        return FACTOR * parameter


class Behind(nn.Module):
    """Stands in the place of a layer, shows none of its attributes, and makes it louder."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *arguments, **options):
        return _louder(self.inner(*arguments, **options))


def _louder(y):
    return FACTOR * y if isinstance(y, torch.Tensor) else tuple(FACTOR * part for part in y)


def _layers(module: nn.Module) -> Iterator[str]:
    """Names of all owned modules that can be called; a list of modules cannot."""
    for name, layer in module.named_modules():
        if name and not isinstance(layer, nn.ModuleList):
            yield name


def _leaves(module: nn.Module) -> list[str]:
    return [n for n in _layers(module) if not list(module.get_submodule(n).children())]


def _same(one, other, why: str) -> None:
    torch.testing.assert_close(one, other, **TOLERANCE, msg=lambda text: f"{why}: {text}")


def replaced_and_hooked_layers_are_heard(specimen: Specimen, make: Make) -> None:
    """A stranger in the place of a layer, and a hook on it, change the output, and alike."""
    for arguments in specimen.arguments:
        x = specimen.x(arguments)
        plain = built(make, arguments)
        wanted = plain(x)
        for name in _layers(plain):
            hooked, other = built(make, arguments), built(make, arguments)
            hooked.get_submodule(name).register_forward_hook(lambda *call: _louder(call[-1]))
            heard = hooked(x)
            assert not torch.equal(heard, wanted), f"a hook on {name} is not heard"
            parent, _, leaf = name.rpartition(".")
            setattr(other.get_submodule(parent), leaf, Behind(other.get_submodule(name)))
            _same(other(x), heard, f"what stands in the place of {name} is not heard")
            if type(plain.get_submodule(name)).__module__.startswith("torch.nn"):
                _same(hooked(x, need_weights=True)[0], heard, f"{name}, with weights")


def parametrised_weights_are_used(specimen: Specimen, make: Make) -> None:
    """A parametrisation of any parameter does what the same change of its values does."""
    arguments = specimen.arguments[0]
    x = specimen.x(arguments, *specimen.small)
    for name, _ in built(make, arguments).named_parameters():
        one, other = built(make, arguments), built(make, arguments)
        owner, _, leaf = name.rpartition(".")
        parametrize.register_parametrization(one.get_submodule(owner), leaf, Louder())
        with torch.no_grad():
            other.get_parameter(name).mul_(FACTOR)
        _same(one(x), other(x), f"the parametrisation of {name} is not used")


def pruned_weights_are_trained(specimen: Specimen, make: Make) -> None:
    """Pruned layers give what their pruned weights give, twice in a row, backwards too."""
    arguments = specimen.arguments[0]
    x = specimen.x(arguments, *specimen.small)
    one, other = built(make, arguments), built(make, arguments)
    for name in _leaves(one):
        layer = one.get_submodule(name)
        if isinstance(getattr(layer, "weight", None), nn.Parameter) and layer.weight.ndim > 1:
            prune.l1_unstructured(layer, "weight", amount=0.4)
            with torch.no_grad():
                other.get_submodule(name).weight.mul_(layer.weight_mask)
    for _ in range(2):
        y = one(x)
        _same(y, other(x), "pruned weights are not used")
        y.sum().backward()


def _note(fired: set[str], name: str, *_) -> None:
    fired.add(name)


def every_layer_is_called_on_the_way_back(specimen: Specimen, make: Make) -> None:
    """Backward hooks of all leaves fire."""
    for arguments in specimen.arguments:
        module, fired = built(make, arguments), set()
        for name in _leaves(module):
            note = partial(_note, fired, name)
            module.get_submodule(name).register_full_backward_hook(note)
        module(specimen.x(arguments, *specimen.small).requires_grad_()).sum().backward()
        assert fired == set(_leaves(module)), f"{set(_leaves(module)) - fired} are not called"
