"""Every mechanism on a GPU that is not there: what it makes, it makes where its input is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.contract.specimen import opened, specimens
from tests.virtual_gpu import GPU, Mixed, on_gpu, virtual_gpu

SPECIMENS = {s.card.label: s for s in specimens()}


def run_on_gpu(specimen, make):
    """Forward in all its ways, and backward, with module and input on the virtual GPU."""
    with virtual_gpu():
        for arguments in specimen.arguments:
            module = opened(make(**arguments)).to(GPU)
            x = specimen.x(arguments, dtype=torch.float32).to(GPU).requires_grad_()
            module.train()(x)
            y, weights = module.eval()(x, need_weights=True)
            module(x).sum().backward()
            module.f(module.g(x), x)
            assert on_gpu(y), "the output is not where the input is"
            weights = [weights] if isinstance(weights, Tensor) else weights
            assert all(map(on_gpu, weights)), "the weights are not where the input is"
            assert on_gpu(x.grad)


@pytest.mark.parametrize("chapter", SPECIMENS)
def test_mechanism_stays_on_its_device(chapter):
    run_on_gpu(SPECIMENS[chapter], SPECIMENS[chapter].card.module)


def test_a_tensor_made_on_the_processor_is_refused():
    specimen = SPECIMENS["channel/squeeze_excitation"]

    class Careless(specimen.card.module):
        """Makes a tensor of its own without asking where."""

        def f(self, weights, x):
            return super().f(weights, x) * torch.ones(1, 1, *x.shape[2:])

        def attend(self, x):
            return self.f(self.g(x), x)

    with pytest.raises(Mixed):
        run_on_gpu(specimen, Careless)
