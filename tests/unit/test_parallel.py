"""Two processes on the processor: they train as one does, and end when one of them ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from attncourse.training import parallel
from tests.conftest import PATIENCE
from tests.unit import parallel_script as script
from tests.unit.parallel_script import EVEN, UNEVEN, Stop, Stops, trained, weights

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="gloo's launcher needs Unix"),
    pytest.mark.slow,
]


def launch(repository, *call, module="tests.unit.parallel_script"):
    """Run ``python -m module call`` in two processes, as ``accelerate launch`` does on a CPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2",
         "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no",
         f"--main_process_port={port}", "-m", module, *map(str, call)],
        cwd=repository, env=environment | {"PYTHONPATH": str(repository)},
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def together(request, tmp_path_factory):
    """What two processes found, their outputs, and the folder they shared."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.raises(Stop):
        trained(task=Stops(15, script.stop), checkpoint=folder / "by_one", save_every=5)
    done = launch(request.config.rootpath, "everything", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads((folder / f"found_{rank}.json").read_text()) for rank in (0, 1)]
    return found, done, folder


@pytest.mark.parametrize(("name", "budget"), [("even", EVEN), ("uneven", UNEVEN)])
def test_two_processes_train_as_one_does(together, name, budget):
    """The same losses and weights, also where 65 examples are shared as 33 and 32."""
    (main, other), _, _ = together
    alone = trained(budget)
    assert main[name] == other[name], "both processes hold the same network"
    assert main[name]["losses"] == pytest.approx(alone.losses, rel=0, abs=1e-5)
    theirs = torch.tensor(main[name]["weights"], dtype=torch.float64)
    torch.testing.assert_close(theirs, weights(alone), rtol=1e-3, atol=1e-4)
    assert main["device"] == "2 x CPU, 1 threads"
    assert main["forward put back"]


def test_accuracy_counts_every_example_once(together):
    """397 test images are shared as 199 and 198, and a single one as 1 and 0."""
    (main, other), _, _ = together
    run = trained(UNEVEN)
    x, y = script.digits_task().test_set()
    assert main["accuracy"] == other["accuracy"]
    assert main["accuracy"] == pytest.approx(script.accuracy(run.model, x, y), abs=1.5 / len(y))
    assert main["accuracy"] * len(y) == pytest.approx(round(main["accuracy"] * len(y)))
    assert main["accuracy of one"] == other["accuracy of one"]
    assert main["accuracy of one"] in (0.0, 1.0)


def test_numbers_meet_where_the_backend_adds_them(monkeypatch):
    """NCCL adds on GPUs only, also for a network that is back on the processor."""
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    for backend, place in (("gloo", "cpu"), ("nccl", "cuda:3")):
        monkeypatch.setattr(parallel.dist, "get_backend", lambda backend=backend: backend)
        assert str(parallel.meeting_place()) == place


def test_a_parameter_without_a_gradient_is_no_error(together):
    (main, _), _, _ = together
    alone = trained(build=script.Forks)
    assert main["forks"] == pytest.approx(alone.losses, abs=1e-5)


def test_a_checkpoint_goes_on_with_more_or_fewer_processes(together):
    (main, other), _, folder = together
    whole = trained()
    assert main["stopped"] == other["stopped"] == "Stop: "
    assert main["resumed"] == pytest.approx(whole.losses, abs=1e-5)
    fewer = trained(checkpoint=folder / "by_two")
    assert fewer.losses == pytest.approx(whole.losses, abs=1e-5)
    assert fewer.losses[:15] == main["even"]["losses"][:15], "the first steps are not run again"


def test_trouble_is_the_same_in_all_processes(together):
    for found in together[0]:
        assert "the step to start from is 0 in one process and 15 in another" in found["apart"]
        assert "a folder that all machines share" in found["apart"]
        assert found["too few"].startswith("ValueError: batch_size=1 leaves a process of 2")
        assert found["from main"] == "ValueError: the main process cannot read it"


def test_only_the_main_process_writes_and_speaks(together):
    _, done, folder = together
    lines = done.stdout.splitlines()
    assert [line.split(": ")[-1].split(" ")[0] for line in lines] == [
        "test", "recorded", "recorded", "test", "recorded",
    ]  # fmt: skip
    assert lines[2] == "tiny: net, seed 0: recorded already"
    assert "bar of process 0" in done.stderr
    assert "bar of process 1" not in done.stderr
    names = {"by_one", "by_two", "of_0", "channel", "found_0.json", "found_1.json"}
    assert {path.name for path in folder.iterdir()} == names
    stored = (folder / "channel" / "squeeze_excitation.json").read_text()
    runs = json.loads(stored)["experiments"]["tiny"]["runs"]
    assert [(run["seed"], run["device"]) for run in runs] == [
        (0, "2 x CPU, 1 threads"), (1, "2 x CPU, 1 threads"),
    ]  # fmt: skip


def test_a_killed_process_ends_the_job_and_is_named(tmp_path, repository):
    done = launch(repository, "killed", tmp_path)
    assert done.returncode != 0
    assert "process 0 of 2 lost another one after step 15" in done.stderr, done.stderr[-3000:]
    assert "start the same command again" in done.stderr
    assert "Signal 9 (SIGKILL)" in done.stderr
    resumed = trained(checkpoint=tmp_path / "x")
    assert resumed.losses == pytest.approx(trained().losses, abs=1e-5)
