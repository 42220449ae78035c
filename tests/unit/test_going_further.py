"""The page on ImageNet: its costs are computed, its code builds what it says."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
import torch

from attncourse.backbones import ResNet50
from attncourse.channel import SqueezeExcitation
from attncourse.measure import count_macs
from attncourse.training import gpu_hours


@pytest.fixture
def page(repository):
    return (repository / "book" / "going_further.md").read_text(encoding="utf-8")


def test_hours_follow_from_operations():
    """1e12 multiply-adds, 3 * 2 operations each, 10 images, 6 epochs: 3.6e14 operations."""
    assert gpu_hours(10**12, images=10, epochs=6, peak=1e11, utilisation=1) == pytest.approx(1)
    half = gpu_hours(10**12, images=10, epochs=6, peak=1e11, utilisation=0.5)
    assert half == pytest.approx(2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"macs": 0}, "macs=0 must be positive"),
        ({"epochs": -1}, "epochs=-1 must be positive"),
        ({"peak": 0}, "peak=0 must be positive"),
        ({"utilisation": 20}, "utilisation=20 must be a share above 0 and up to 1"),
        ({"utilisation": 0}, "utilisation=0 must be a share"),
    ],
)
def test_impossible_costs_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        gpu_hours(**({"macs": 1, "epochs": 1, "peak": 1, "utilisation": 1} | wrong))


@pytest.mark.parametrize(
    ("name", "block"), [("ResNet-50", None), ("SE-ResNet-50", SqueezeExcitation)]
)
def test_the_table_is_what_the_functions_give(page, name, block):
    with torch.device("meta"):
        network = ResNet50(block).eval()
        macs = count_macs(network, torch.empty(1, 3, 224, 224))
    hours = [
        f"{gpu_hours(macs, epochs=90, peak=312e12, utilisation=u):.1f}" for u in (0.1, 0.2, 0.4)
    ]
    assert f"| {name} | {macs:,} | {' | '.join(hours)} |" in page
    assert f"{sum(p.numel() for p in network.parameters()):,}" in page


def test_the_code_builds_what_the_page_says(page, monkeypatch):
    """The registered builder, with a stand-in for the decorator that torchvision has."""
    registered = {}
    models = ModuleType("torchvision.models")
    models.register_model = lambda: lambda make: registered.setdefault(make.__name__, make)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names = {"__name__": "page"}
    with torch.device("meta"):
        for block in blocks:
            exec(block, names)
        made = registered["se_resnet50"](num_classes=10)
    assert made.classifier.out_features == 10
    assert names["hours"] == pytest.approx(12.6, abs=0.1)
    assert len(blocks) == 3
