"""The loop, its checkpoints, and what happens when a run is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from attncourse.tasks import digits_task
from attncourse.training import (
    Budget,
    Checkpoint,
    accuracy,
    fit,
    progress_bar,
    seed_everything,
)
from tests.conftest import PATIENCE


def network():
    """A network with dropout, so that the random state matters for resuming."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(32, 10),
    )  # fmt: skip


def trained(steps=60, seed=0, **options):
    seed_everything(seed)
    return fit(network(), digits_task(), Budget(steps, batch_size=64), seed=seed, **options)


def weights(run):
    return torch.cat([v.flatten().double() for v in run.model.state_dict().values()])


def test_the_same_seed_gives_the_same_run():
    one, two, other = trained(), trained(), trained(seed=1)
    assert one.losses == two.losses
    assert torch.equal(weights(one), weights(two))
    assert not torch.equal(weights(one), weights(other))


def test_it_learns_and_says_where():
    run = trained(steps=200)
    assert run.losses[-1] < run.losses[0] / 4
    assert accuracy(run.model, *digits_task().test_set()) > 0.9
    assert run.device.startswith("CPU") or torch.cuda.is_available()
    assert run.seconds > 0
    assert not run.model.training


def test_accuracy_puts_the_mode_back():
    model = network().train()
    accuracy(model, *digits_task().test_set())
    assert model.training


def test_a_run_that_stops_between_saves_resumes_to_the_same_weights(tmp_path):
    class Interrupt(Exception):
        pass

    task, whole = digits_task(), trained()

    class Stops:
        def train_batch(self, seed, step, size):
            if step == 35:
                raise Interrupt
            return task.train_batch(seed, step, size)

        def __repr__(self):
            return repr(task)

    file = tmp_path / "run.safetensors"
    seed_everything(0)
    with pytest.raises(Interrupt):
        fit(network(), Stops(), Budget(60, batch_size=64), checkpoint=file, save_every=10)
    resumed = trained(checkpoint=file, save_every=10)
    assert len(resumed.losses) == 60
    assert resumed.losses == whole.losses
    assert torch.equal(weights(resumed), weights(whole))
    finished = trained(checkpoint=file)
    assert torch.equal(weights(finished), weights(whole)), "a finished run is not run again"


SCRIPT = """
import sys, time
from tests.unit.test_training import network, trained
from attncourse.tasks import digits_task
from attncourse.training import Budget, fit, seed_everything

class Slow:
    task = digits_task()
    def train_batch(self, seed, step, size):
        time.sleep(0.01)
        return self.task.train_batch(seed, step, size)
    def __repr__(self):
        return repr(self.task)

seed_everything(0)
fit(network(), Slow(), Budget(200, batch_size=64), checkpoint=sys.argv[1], save_every=7)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a Unix signal")
def test_a_killed_run_resumes_to_the_same_weights(tmp_path, repository):
    file = tmp_path / "deep" / "run.safetensors"
    worker = subprocess.Popen([sys.executable, "-c", SCRIPT, str(file)], cwd=repository)
    deadline = time.monotonic() + PATIENCE
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    worker.send_signal(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL, "the run ended before it could be killed"

    record = Checkpoint(file)
    whole = trained(steps=200)
    resumed = trained(steps=200, checkpoint=file)
    assert record.path.exists()
    assert resumed.losses == whole.losses
    assert torch.equal(weights(resumed), weights(whole))
    leftovers = [p for p in file.parent.iterdir() if p != file]
    assert len(leftovers) <= 1, "a kill leaves at most the one temporary file it interrupted"


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    trained(checkpoint=file)
    with pytest.raises(ValueError, match=r"belongs to another run \(seed: 0 != 1\)"):
        trained(seed=1, checkpoint=file)
    with pytest.raises(ValueError, match="steps: 60 != 61"):
        trained(steps=61, checkpoint=file)


@pytest.mark.parametrize("damage", [b"", b"\x10\x00", b"not a checkpoint at all"])
def test_a_damaged_checkpoint_is_named_and_kept(tmp_path, damage):
    file = tmp_path / "run.safetensors"
    file.write_bytes(damage)
    with pytest.raises(ValueError, match=r"cannot be read .* move the file away to start afresh"):
        trained(checkpoint=file)
    assert file.read_bytes() == damage


def test_a_folder_is_no_checkpoint_and_is_left_alone(tmp_path):
    kept = tmp_path / "a learner's work"
    kept.write_text("precious")
    with pytest.raises(ValueError, match=r"is a folder: name a file in it") as error:
        trained(checkpoint=tmp_path)
    assert "delete" not in str(error.value)
    assert kept.read_text() == "precious"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is mapped")
def test_nothing_stays_tied_to_a_loaded_file(tmp_path):
    """Momenta that are views of the file would keep it mapped, and some systems then lock it."""
    file = tmp_path / "run.safetensors"
    trained(steps=20, checkpoint=file)
    model = network()
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=20)
    stored = Checkpoint(file)
    with safe_open(file, "pt") as opened:
        stored.identity = json.loads(opened.metadata()["identity"])
    assert stored.load(model, optimizer, schedule)["losses"]
    assert optimizer.state_dict()["state"]
    with open("/proc/self/maps", encoding="utf-8") as maps:
        assert str(file) not in maps.read()


@pytest.mark.parametrize("compiled_first", [True, False])
def test_a_compiled_network_shares_the_checkpoints_of_the_plain_one(tmp_path, compiled_first):
    file = tmp_path / "run.safetensors"
    whole = trained(steps=60)
    for steps, compiled in ((60, compiled_first), (60, not compiled_first)):
        seed_everything(0)
        net = network()
        if compiled:
            net = torch.compile(net, backend="eager")
        run = fit(net, digits_task(), Budget(steps, batch_size=64), checkpoint=file)
        assert run.losses == pytest.approx(whole.losses, rel=1e-4)


def test_a_budget_asks_for_whole_numbers():
    with pytest.raises(TypeError, match=r"steps=3\.0 must be made of whole numbers"):
        Budget(3.0)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match="was not written by this course"):
        trained(checkpoint=file)


def test_saving_never_leaves_half_a_file(tmp_path, monkeypatch):
    file = tmp_path / "run.safetensors"
    trained(steps=20, checkpoint=file)
    good = file.read_bytes()

    def full_disk(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("attncourse.training.checkpoint.save_file", full_disk)
    file_two = tmp_path / "two.safetensors"
    with pytest.raises(OSError, match="No space left"):
        trained(steps=20, checkpoint=file_two)
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]
    assert file.read_bytes() == good


def test_a_loss_that_is_no_number_stops_the_run():
    class Poisoned:
        def train_batch(self, seed, step, size):
            x, y = digits_task().train_batch(seed, step, size)
            return (x * float("nan") if step == 3 else x), y

    with pytest.raises(
        FloatingPointError, match="the loss became nan at step 3: lower learning_rate"
    ):
        fit(network(), Poisoned(), Budget(10, batch_size=64))


def test_impossible_budgets_and_seeds_are_refused():
    with pytest.raises(ValueError, match="steps=0 must be at least 1"):
        Budget(0)
    with pytest.raises(ValueError, match="batch_size=0"):
        Budget(1, batch_size=0)
    with pytest.raises(ValueError, match="learning_rate=-1"):
        Budget(1, learning_rate=-1)
    with pytest.raises(ValueError, match="seed=-1"):
        seed_everything(-1)


def test_progress_is_silent_where_nobody_watches(monkeypatch, capsys):
    monkeypatch.setenv("ATTNCOURSE_PROGRESS", "off")
    assert list(progress_bar(range(3), title="quiet", total=3)) == [0, 1, 2]
    monkeypatch.delenv("ATTNCOURSE_PROGRESS")
    assert list(progress_bar(range(3), title="quiet", total=3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_progress_shows_in_a_terminal(monkeypatch, capsys):
    monkeypatch.delenv("ATTNCOURSE_PROGRESS")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    list(progress_bar(range(3), title="seen", total=3))
    assert "seen" in capsys.readouterr().err
