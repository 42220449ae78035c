"""Tasks draw on the processor, whatever ``torch.set_default_device`` says."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import subprocess
import sys

import pytest
import torch
from torch import Tensor

import attncourse.tasks
from attncourse.tasks import digits_task, seeded

#: Names of modules that need files of others; what they draw from is given to them.
GIVEN_DATA = ("ImageTask", "MovedImageTask", "SegmentationTask", "SkeletonTask", "Folds")


def task_classes():
    for module in pkgutil.iter_modules(attncourse.tasks.__path__):
        found = importlib.import_module(f"attncourse.tasks.{module.name}")
        for name, value in vars(found).items():
            own = getattr(value, "__module__", None) == found.__name__
            if own and dataclasses.is_dataclass(value) and hasattr(value, "train_batch"):
                yield name, value


def same(one, other):
    if isinstance(one, Tensor):
        assert one.device == other.device == torch.device("cpu")
        assert torch.equal(one, other)


@pytest.fixture
def elsewhere():
    """A default device on which nothing can be drawn."""
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


CLASSES = dict(task_classes())


@pytest.mark.parametrize("name", [n for n in CLASSES if n not in GIVEN_DATA])
def test_a_task_draws_on_the_processor(name):
    task = CLASSES[name]()
    wanted = task.train_batch(0, 3, 8), task.test_set()
    torch.set_default_device("meta")
    try:
        found = task.train_batch(0, 3, 8), CLASSES[name]().test_set()
    finally:
        torch.set_default_device(None)
    for ones, others in zip(wanted, found, strict=True):
        for one, other in zip(ones, others, strict=True):
            same(one, other)


def test_a_task_with_given_data_too():
    task = digits_task()
    wanted = task.train_batch(0, 3, 8)
    torch.set_default_device("meta")
    try:
        found = task.train_batch(0, 3, 8)
    finally:
        torch.set_default_device(None)
    for one, other in zip(wanted, found, strict=True):
        same(one, other)


@pytest.mark.parametrize("name", CLASSES)
def test_every_task_says_where_it_draws(name):
    assert hasattr(CLASSES[name].train_batch, "__wrapped__"), "decorate it: drawn_on_the_processor"


#: Imports every module of the package where nothing can be drawn, and lists those that cannot be.
IMPORT_ALL = """
import importlib, pkgutil, torch
torch.set_default_device("meta")
import attncourse
for found in pkgutil.walk_packages(attncourse.__path__, "attncourse.", lambda name: None):
    if not found.name.endswith("__main__"):
        try:
            module = importlib.import_module(found.name)
        except Exception as error:
            print(found.name, type(error).__name__, error)
        else:
            for name, value in vars(module).items():
                if isinstance(value, torch.Tensor) and value.is_meta:
                    print(found.name, name, "holds no numbers")
"""


def test_every_module_can_be_imported_elsewhere():
    """In a process of its own: what a module draws when it is imported, it draws once."""
    command = [sys.executable, "-c", IMPORT_ALL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_seed_gives_a_generator_of_the_processor(elsewhere):
    assert seeded(1, 2).device == torch.device("cpu")
