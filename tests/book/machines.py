"""What a live machine must show, computed in Python from its data and its settings."""

from __future__ import annotations

import base64

import numpy as np

from attncourse.views.machines import (
    attention,
    blind,
    codebook,
    filters,
    gate,
    gather,
    kernels,
    lines,
    mixture,
    roofline,
    time,
)
from attncourse.views.warp import read_bilinear, warp_points


def floats(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(float)


def numbers(spec, state):
    """Path in the state -> what Python computes for the same settings."""
    return {
        "machine:gate": _gate, "machine:attention": _attention, "machine:time": _time,
        "machine:mixture": _mixture, "machine:sampler": _sampler, "machine:kernels": _kernels,
        "machine:codebook": _codebook,
        "machine:gather": _gather,
        "machine:filters": _filters,
        "machine:lines": _lines,
        "machine:blind": _blind,
        "machine:roofline": _roofline,
    }[spec["kind"]](spec, state)  # fmt: skip


def assert_python_s(spec, state):
    """Every number of ``state`` that a machine computed is Python's, to 1e-5."""
    for path, wanted in numbers(spec, state).items():
        shown = state
        for key in path:
            shown = shown[key]
        np.testing.assert_allclose(
            np.asarray(shown, dtype=float).ravel(), np.ravel(wanted), atol=1e-5, rtol=1e-5,
            err_msg=f"{spec['kind']}: {path}",
        )  # fmt: skip


def _gate(spec, state):
    variant = spec["variants"][state["variant"]]
    layers = [
        gate.GateLayer(v["weight"], v["bias"], v["act"], normalise=v["normalise"])
        for v in variant["layers"]
    ]
    x = np.reshape(state["x"], spec["shape"])
    found = gate.gate_numbers(
        x,
        gate.Squeeze(variant["name"], variant["statistics"], layers),
        frequencies=[tuple(pair) for pair in spec["frequencies"]],
        epsilon=spec["epsilon"],
    )
    wanted = {("values", n): values for n, values in enumerate(found)}
    return wanted | {("gates",): found[-1], ("y",): found[-1] * x.mean(axis=(1, 2))}


def gate_words(names, gates):
    """What the readout says of the gates: those that show the same digits are named together."""
    digits = [f"{gate:.2f}".replace("-0.00", "0.00").replace("-", "\u2212") for gate in gates]

    def those(extreme):
        shown = digits[list(gates).index(extreme)]
        return ", ".join(name for name, digit in zip(names, digits, strict=True) if digit == shown)

    listed = ", ".join(f"{name} {digit}" for name, digit in zip(names, digits, strict=True))
    if len(set(digits)) == 1:
        return f"Gates: {listed}. All are alike."
    return f"Gates: {listed}. Widest open: {those(max(gates))}; most closed: {those(min(gates))}."


def _attention(spec, state):
    heads = [attention.Head(**head) for head in spec["heads"]]
    found = attention.attention_numbers(
        np.reshape(state["x"], (-1, spec["width"])), tuple(spec["grid"]), heads, state["query"],
        scaled=state["scaled"], normaliser=spec["normaliser"], mask=state["mask"],
        temperature=state["temperature"], reach=spec["reach"], every=spec["every"],
        codes=spec.get("codes"), terms=state.get("terms", spec.get("terms")),
    )  # fmt: skip
    return {("heads", n, key): head[key] for n, head in enumerate(found) for key in head}


def _time(spec, state):
    weigh = (
        time.FrameAttention(**spec["attention"])
        if "attention" in spec
        else time.FrameGate(**spec["gate"])
    )
    joints = time.JointGate(**spec["joints"]) if "joints" in spec else None
    found = time.time_numbers(
        np.reshape(state["x"], spec["shape"]), weigh, np.asarray(spec["value"]), joints=joints,
        average=spec["average"], query=state["query"], temperature=state["temperature"],
    )  # fmt: skip
    return {(key,): values for key, values in found.items()}


def _mixture(spec, state):
    branches = [mixture.Branch(**branch) for branch in spec["branches"]]
    found = mixture.mixture_numbers(
        np.reshape(state["x"], spec["shape"]), branches, spec["reduce"], spec["reduce_bias"]
    )
    maps, share = found.pop("maps"), found["share"]
    if state["fixed"] >= 0:
        one = np.eye(len(branches))[state["fixed"] - 1][:, None]
        equal = np.full((len(branches), 1), 1 / len(branches))
        found["share"] = np.broadcast_to(one if state["fixed"] else equal, share.shape)
        found["mixed"] = (found["share"][:, :, None, None] * maps).sum(axis=0)
    return {(key,): values for key, values in found.items()}


def _kernels(spec, state):
    x, parts = np.reshape(state["x"], spec["shape"]), ("kernels", "slopes", "shifts")
    found = kernels.kernel_numbers(x, *(spec[part] for part in parts), state["mode"])
    return {(key,): values for key, values in found.items()}


def _codebook(spec, state):
    x, words = (np.reshape(state[name], (-1, 2)) for name in ("x", "words"))
    found = codebook.codebook_numbers(x, words, state["tau"])
    wanted = {(name,): values for name, values in found.items()}
    return wanted | {("shares",): found["a"][state["pixel"]]}


def _lines(spec, state):
    judge = gather.Judge(**spec["judges"][state["judge"]])
    found = lines.lines_numbers(np.reshape(state["x"], spec["shape"]), judge, state["used"])
    return {(key,): value for key, value in found.items()}


def _blind(spec, state):
    weights, move = blind.Deciders(**spec["deciders"]), blind.Move(**state["move"])
    now, before = (np.reshape(state[key], spec["shape"]) for key in ("x", "before"))
    made = blind.decisions(now, state["query"], weights)
    queries = state["was"], state["query"]
    found = blind.deviations(before, now, queries, move, weights)
    for name, pair in found.items():
        assert state["words"][name] == blind.verdict(*pair), name
    wanted = {("now", name): values for name, values in made.items()}
    wanted |= {("found", name): pair for name, pair in found.items()}
    words = {name: blind.verdict(*pair) for name, pair in found.items()}
    hidden = (words["criss-cross"], words["non-local"]) == (blind.UNCHANGED, blind.CHANGED)
    alone = state["pressed"] and list(words.values()).count(blind.UNCHANGED) == 1
    return wanted | {("alone",): alone, ("hidden",): hidden}


def _gather(spec, state):
    judge = gather.Judge(**spec["judges"][state["judge"]])
    x = np.reshape(state["x"], spec["shape"])
    found = gather.gather_numbers(x, spec["extents"][state["variant"]], judge)
    return {(key,): values for key, values in found.items()} | {("spread",): np.ptp(found["gates"])}


def _filters(spec, state):
    x, parts = np.reshape(state["x"], spec["shape"]), ("kernels", "weight", "bias")
    given = [spec[part] for part in parts]
    found = filters.filter_numbers(x, *given, state["mode"], state["noise"])
    return {(key,): values for key, values in found.items()}


def _sampler(spec, state):
    shown = state.get("image", floats(spec["image"]))  # a reader's own picture, if there is one
    image = np.asarray(shown, dtype=float).reshape(spec["image_shape"])
    if spec["mode"] == "affine":
        points = warp_points(state["theta"], spec["out"])
        return {("values",): read_bilinear(image, points)}
    if spec["mode"] == "glimpse":
        return {("values",): _glimpse(image, state["theta"], spec["size"], spec["scales"])}
    side = round(len(spec["weights"]) ** 0.5)
    down, across = np.divmod(np.arange(side**2), side)
    offsets = np.reshape(state["theta"], (-1, 2))
    pixels = np.stack([across, down], axis=1) - (side - 1) / 2 + offsets
    points = np.asarray(spec["centre"]) + pixels * 2 / np.array(image.shape[::-1])
    values = read_bilinear(image, points)
    return {("values",): values, ("sum",): values @ np.asarray(spec["weights"])}


def _glimpse(image, location, size, scales):
    """The sensor of the RAM chapter itself."""
    import torch

    from attncourse.spatial.recurrent_attention import read_glimpse

    x, at = torch.tensor(image)[None, None], torch.tensor([location], dtype=torch.float64)
    return read_glimpse(x, at, size, scales).numpy()


def _roofline(spec, state):
    forms = [roofline.CostForm("", **written) for written in spec["written"]]
    names = ("channels", "sides", "batches", "rates", "bandwidths")
    places = ("channels", "side", "batch", "rate", "bandwidth")
    chosen = [spec[name][state[place]] for name, place in zip(names, places, strict=True)]
    found = roofline.roofline_numbers(forms, *chosen, which=state["pass"])
    return {(key,): values for key, values in found.items()}
