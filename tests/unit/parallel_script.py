"""What each of several processes does in ``test_parallel.py``; it writes what it found as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from attncourse.__main__ import main
from attncourse.experiments import Experiment, Variant
from attncourse.experiments.channel import squeeze_excitation
from attncourse.tasks import digits_task
from attncourse.training import Budget, accuracy, default_accelerator, fit, parallel, progress_bar
from attncourse.training.seeds import seed_everything

UNEVEN = Budget(20, batch_size=65, clip=1.0)
EVEN = Budget(20, batch_size=64)


class Stop(Exception):
    """The interruption of a run."""


class Stops:
    """Digits, until step ``last``; to the checkpoint it looks like the digits."""

    def __init__(self, last, end):
        self.task, self.last, self.end = digits_task(), last, end

    def train_batch(self, seed, step, size):
        if step == self.last:
            self.end()
        return self.task.train_batch(seed, step, size)

    def __repr__(self):
        return repr(self.task)


class Forks(nn.Module):
    """Two heads, of which a step trains one: half of its parameters have no gradient."""

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(64, 10), nn.Linear(64, 10)])
        self.steps = 0

    def forward(self, x):
        self.steps += 1
        return self.heads[self.steps % 2](x.flatten(1))


def network():
    """Convolutions with batch normalisation of both kinds, and no randomness of its own."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 32, bias=False), nn.BatchNorm1d(32, affine=False, momentum=None), nn.ReLU(),
        nn.Linear(32, 10),
    )  # fmt: skip


def trained(budget=EVEN, task=None, build=network, **options):
    seed_everything(0)
    return fit(build(), task or digits_task(), budget, **options)


def weights(run):
    return torch.cat([v.flatten().double() for v in run.model.state_dict().values()])


def stop():
    raise Stop


def raised(action):
    """The text of the error that ``action`` raises."""
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def tiny():
    return Experiment(
        name="tiny", question="?", task=digits_task, data="digits",
        variants=(Variant("net", "plain", network, ""),),
        quick=Budget(5, batch_size=33), full=Budget(5, batch_size=33),
    )  # fmt: skip


def refuse():
    raise ValueError("the main process cannot read it")


def everything(folder):
    accelerator = default_accelerator()
    us = parallel.rank()
    found = {}
    for name, budget in (("even", EVEN), ("uneven", UNEVEN)):
        run = trained(budget, accelerator=accelerator)
        found[name] = {"losses": run.losses, "weights": weights(run).tolist()}
    found["device"] = run.device
    found["forward put back"] = not any("forward" in vars(m) for m in run.model.modules())
    x, y = digits_task().test_set()
    found["accuracy"] = accuracy(run.model, x, y)
    found["accuracy of one"] = accuracy(run.model, x[:1], y[:1])
    found["forks"] = trained(build=Forks, accelerator=accelerator).losses

    found["resumed"] = trained(checkpoint=folder / "by_one", accelerator=accelerator).losses
    saves = {"checkpoint": folder / "by_two", "save_every": 5, "accelerator": accelerator}
    found["stopped"] = raised(lambda: trained(task=Stops(15, stop), **saves))
    own = {"checkpoint": folder / f"of_{us}", "save_every": 5, "accelerator": accelerator}
    if us == 0:  # a checkpoint that only the main process can see
        (folder / "of_0").write_bytes((folder / "by_two").read_bytes())
    found["apart"] = raised(lambda: trained(**own))
    found["too few"] = raised(lambda: trained(Budget(1, batch_size=1), accelerator=accelerator))
    found["from main"] = raised(lambda: parallel.from_main(refuse if us == 0 else list))

    squeeze_excitation.EXPERIMENTS = (tiny(),)
    for seeds in "12":
        call = ["run", "channel/squeeze_excitation", "--seeds", seeds, "--out", str(folder)]
        assert main(call) == 0
    sys.stderr.isatty = lambda: True
    os.environ["ATTNCOURSE_PROGRESS"] = ""
    list(progress_bar(range(2), title=f"bar of process {us}", total=2))
    (folder / f"found_{us}.json").write_text(json.dumps(found))


def killed(folder):
    accelerator = default_accelerator()
    if parallel.rank() == 0:  # let it find out by itself, before the launcher ends it
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def end():
        if parallel.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    trained(task=Stops(15, end), checkpoint=folder / "x", save_every=5, accelerator=accelerator)


if __name__ == "__main__":
    {"everything": everything, "killed": killed}[sys.argv[1]](Path(sys.argv[2]))
