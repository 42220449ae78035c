"""What stands in for a GPU refuses what a GPU would refuse, and the loop's ways with one."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from attncourse.experiments import experiments_of
from attncourse.tasks import digits_task
from attncourse.training import Budget, fit, loop, seed_everything
from tests.conftest import PATIENCE
from tests.virtual_gpu import GPU, Mixed, on_gpu, virtual_gpu

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gpu():
    with virtual_gpu():
        yield


def test_tensors_of_both_sides_do_not_meet(gpu):
    here, there = torch.randn(3), torch.randn(3, device="cuda")
    assert (here.device.type, there.device) == ("cpu", GPU)
    for mixture in (
        lambda: here + there,
        lambda: torch.cat([here, there]),
        lambda: torch.where(there > 0, here, here),
        lambda: here[there > 0],
        lambda: nn.functional.linear(there, torch.randn(2, 3)),
        lambda: nn.Linear(3, 2).to("cuda")(here),
        lambda: nn.Linear(3, 2)(there),
    ):
        with pytest.raises(Mixed):
            mixture()
    for export in (lambda: there.numpy(), lambda: there.mean().numpy()):
        with pytest.raises(Mixed, match="numpy"):
            export()


def test_what_a_gpu_allows_is_allowed(gpu):
    here, there = torch.randn(3), torch.randn(3, device=GPU)
    assert on_gpu(there * here.sum()), "a number from the other side"
    assert on_gpu(there[torch.tensor([0, 1])]), "indices from the other side"
    assert not on_gpu(there.cpu() + here)
    assert not on_gpu(there.to(here) + here)
    assert on_gpu(torch.zeros_like(there))
    assert on_gpu(torch.arange(3, device=there.device))
    here.copy_(there)
    assert torch.equal(here, there.cpu())
    assert not on_gpu(here)
    assert there.cpu().numpy().shape == (3,)


def test_modules_move_with_all_they_have(gpu):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to("cuda")
    net(torch.randn(5, 3, device="cuda")).sum().backward()
    assert all(on_gpu(p) and on_gpu(p.grad) for p in net.parameters())
    assert all(on_gpu(b) for b in net.buffers())
    twin = copy.deepcopy(net)
    assert all(on_gpu(p) for p in twin.parameters())
    assert not any(on_gpu(t) for t in twin.cpu().state_dict().values())
    assert all(on_gpu(p) for p in net.parameters()), "the original stays where it is"
    twin.load_state_dict(net.state_dict())
    assert not any(on_gpu(p) for p in twin.parameters())


# ---------------------------------------------------------------- the training loop on it


def network(width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def test_a_trained_network_comes_back_to_the_processor(gpu):
    x = digits_task().test_set()[0][:4]
    run = fit(network(), digits_task(), Budget(3, batch_size=16))
    assert run.device == "virtual GPU"
    assert not on_gpu(run.model(x))
    stays = fit(network(), digits_task(), Budget(3, batch_size=16), stay=True)
    with pytest.raises(Mixed):
        stays.model(x)


def test_a_test_set_is_answered_where_the_network_was_trained(gpu):
    """The score is taken on the GPU; what is given back is on the processor."""
    seen = []
    score = lambda model, x, y: seen.extend(map(on_gpu, model.parameters())) or 0.5  # noqa: E731
    e = replace(experiments_of("channel/squeeze_excitation")[1], score=score)
    run, value = e.run("plain", 0, budget=e.budget(steps=1))
    assert value == 0.5
    assert seen
    assert all(seen)
    assert not any(map(on_gpu, run.model.parameters()))


def test_only_large_networks_on_a_gpu_are_in_bfloat16(monkeypatch):
    small, large = network(8), nn.Linear(1000, 1000)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert loop._in_bfloat16(large, GPU)
    assert not loop._in_bfloat16(small, GPU)
    assert not loop._in_bfloat16(large, torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert not loop._in_bfloat16(large, GPU)


def test_bfloat16_stays_inside_the_training(monkeypatch):
    """Products in bfloat16, the loss in float32; afterwards the network is what it was."""
    monkeypatch.setattr(loop, "_in_bfloat16", lambda model, device: True)
    seed_everything(0)
    net, inside, losses_in = network(64), [], []
    net[1].register_forward_hook(lambda module, x, y: inside.append(y.dtype))

    def loss(outputs, labels):
        losses_in.append(outputs.dtype)
        return nn.functional.cross_entropy(outputs, labels)

    run = fit(net, digits_task(), Budget(60, batch_size=64), loss=loss)
    assert set(inside) == {torch.bfloat16}
    assert set(losses_in) == {torch.float32}
    assert run.losses[-1] < 0.7 * run.losses[0]
    assert run.model(digits_task().test_set()[0][:4]).dtype == torch.float32
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}


def test_an_accelerator_of_ones_own_may_be_in_mixed_precision():
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        seen = []
        net = network()
        net[1].register_forward_hook(lambda module, x, y: seen.append(y.dtype))
        accelerator = Accelerator(cpu=True, mixed_precision="bf16")
        run = fit(net, digits_task(), Budget(3, batch_size=16), accelerator=accelerator)
        assert set(seen) == {torch.bfloat16}
        assert "forward" not in vars(run.model), "what prepare() wrapped is unwrapped"
        run.model(digits_task().test_set()[0][:4])
        assert seen[-1] == torch.float32
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


# ---------------------------------------------------------------- the chapters on it


#: A gate, and a policy that draws.
ON_A_GPU = ("channel/squeeze_excitation", "spatial/recurrent_attention")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What was found in each chapter, all in one process."""
    home = str(tmp_path_factory.mktemp("home"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.virtual_gpu", *ON_A_GPU],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE,
        env=os.environ | {"ATTNCOURSE_HOME": home, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line["chapter"]: line for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("chapter", ON_A_GPU, ids=["gate", "policy"])
def test_a_chapter_runs_on_a_gpu(chapter, found):
    """Notebook, experiments and benchmarks mix no devices, as far as two steps show it.

    Two chapters stand for the loop and the views, which all chapters share; every mechanism's own
    devices are in the contract.
    """
    assert found[chapter]["refused"] == []
    assert found[chapter]["whole"] > 10, "most cells must run for this to mean anything"
