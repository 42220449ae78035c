"""What the cover must show, computed in Python from the pixels of its photograph."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path(__file__).parents[2] / "book" / "_data" / "cover.json"
AXES = (0, 1)


def photograph():
    """(160, 240, 3), values 0 to 1."""
    png = base64.b64decode(json.loads(DATA.read_text(encoding="utf-8"))["photo"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255


def edges(x):
    """How much grey changes to the right and downwards, times four, at most 1."""
    grey = x.mean(axis=2)
    change = np.zeros_like(grey)
    change[:, :-1] += np.abs(np.diff(grey, axis=1))
    change[:-1] += np.abs(np.diff(grey, axis=0))
    return np.minimum(1, 4 * change)


def softmax(scores):
    exp = np.exp(scores - np.max(scores))
    return exp / exp.sum()


def what(x, state):
    """Gates from the means of the channels, or those that the reader set."""
    channels = np.dstack([x, edges(x)])
    means = channels.mean(axis=AXES)
    gates = 1 / (1 + np.exp(-8 * (means - means.mean())))
    if state["by"] != "g":
        gates = np.array(state["gates"])
    y = np.clip(gates[:3] * x + gates[3] * channels[..., 3:], 0, 1)
    return {"means": means, "gates": gates, "y": y.mean(axis=AXES)}


def where(x, state):
    """Softmax of the likeness of 20 x 30 positions to one of them."""
    channels = np.dstack([x, edges(x)])
    tokens = channels.reshape(20, 8, 30, 8, 4).mean(axis=(1, 3)).reshape(600, 4)
    units = (tokens - tokens.mean(axis=0)) / tokens.std(axis=0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    weights = softmax(state["sharp"] * units @ units[state["query"]])
    return {"weights": weights, "y": weights @ tokens}


def when(x, state):
    """Softmax of minus the mean squared difference of six frames to one of them."""
    frames = np.stack([x[8 * t : 8 * t + 120, 24 * t : 24 * t + 120] for t in range(6)])
    frames[3] *= 0.15
    scores = -state["sharp"] * ((frames - frames[state["query"]]) ** 2).mean(axis=(1, 2, 3))
    weights = softmax(scores)
    y = np.tensordot(weights, frames, 1)
    return {"scores": scores, "weights": weights, "y": y.mean(axis=AXES)}


def which(x, state):
    """Two branches, mixed by weights from the mean of the input's edges."""
    noisy = np.clip(x + state["amount"] * noise(x.size).reshape(x.shape), 0, 1)
    branches = [np.clip(2 * noisy - box(noisy, 1), 0, 1), box(noisy, 3)]
    rough = edges(noisy).mean()
    scores = np.array([10 * (0.35 - rough), 10 * (rough - 0.35)])
    weights = (softmax(scores), [1, 0], [0.5, 0.5], [0, 1])[state["hand"]]
    y = weights[0] * branches[0] + weights[1] * branches[1]
    return {
        "rough": rough, "scores": scores, "weights": weights, "y": y.mean(axis=AXES),
        "left": edges(y).mean(),
    }  # fmt: skip


def noise(count):
    """Numbers from -1/2 to 1/2 of the generator of Park and Miller, from the seed 1."""
    found, seed = np.empty(count), 1
    for n in range(count):
        seed = seed * 16807 % 2147483647
        found[n] = seed / 2147483647 - 0.5
    return found


def box(x, reach):
    """The mean over a square; beyond the rim the outermost pixel goes on."""
    side = 2 * reach + 1
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=AXES)
    return views.mean(axis=(-1, -2))


def assert_python_s(x, state):
    """Every number that the page holds is the one computed here."""
    numbers = {"what": what, "where": where, "when": when, "which": which}[state["kind"]](x, state)
    for name, expected in numbers.items():
        np.testing.assert_allclose(state[name], expected, atol=1e-5, err_msg=name)
