"""The networks that the experiments on STA-LSTM compare, on the cued joint and on real bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attncourse.experiments.base import Variant
from attncourse.experiments.spatial_temporal.sta_lstm.nets import (
    Exchanged,
    InTurns,
    LastFrame,
    Louder,
    Penalised,
    StaticFrames,
    StaticWeights,
)
from attncourse.spatial_temporal import SpatioTemporalLSTM
from attncourse.tasks.cued_joint import JOINTS, CuedJoint

Build = Callable[[], SpatioTemporalLSTM]
_SUM = "scores added up over the frames, as in the paper: "


def _net(joints: int, classes: int, hidden: int, **options: Any) -> Build:
    return lambda: SpatioTemporalLSTM(joints, classes, hidden=hidden, gate_hidden=32, **options)


def _plain(joints: int, classes: int, hidden: int, **options: Any) -> Build:
    return _net(joints, classes, hidden, where=False, when=False, **options)


def _cued(hidden: int = 32, **options: Any) -> Build:
    return _net(len(JOINTS), 2, hidden, **options)


def cued_variants(steps: int) -> tuple[Variant, ...]:
    """The networks for the cued joint.

    Args:
        steps: of a training, which the schedules share out.
    """
    return (
        Variant("plain", "plain", _cued(where=False, when=False), "no gate"),
        Variant(
            "wider", "plain", _cued(69, where=False, when=False), "S + T's parameters, no gate"
        ),
        Variant(
            "plain, scores × 10",
            "plain",
            lambda: Louder(len(JOINTS), 2, hidden=32, where=False),
            "no gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "wider, scores × 10",
            "plain",
            lambda: Louder(len(JOINTS), 2, hidden=69, where=False),
            "S + T's parameters, no gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "static weights",
            "ablation",
            lambda: StaticWeights(len(JOINTS), 2, CuedJoint().frames, hidden=32),
            "weights of joints and frames that do not look at the clip",
        ),
        Variant("T", "mechanism", _cued(where=False), "the frame gate alone"),
        Variant("S", "mechanism", _cued(when=False), "the joint gate alone"),
        Variant("S + T", "mechanism", _cued(), "both gates, trained together"),
        Variant(
            "joint gates exchanged",
            "ablation",
            lambda: Exchanged(_cued()(), joints="another clip"),
            "S + T, tested with the joint gates of another clip",
        ),
        Variant(
            "frame gates exchanged",
            "ablation",
            lambda: Exchanged(_cued()(), frames="another clip"),
            "S + T, tested with the frame gates of another clip",
        ),
        Variant(
            "S + static frames",
            "ablation",
            lambda: StaticFrames(len(JOINTS), 2, CuedJoint().frames, hidden=32, gate_hidden=32),
            "the joint gate, and one weight for each frame that does not look at the clip",
        ),
        Variant(
            "S + static frames, scores × 10",
            "ablation",
            lambda: StaticFrames(
                len(JOINTS), 2, CuedJoint().frames, gain=10.0, hidden=32, gate_hidden=32
            ),
            "the same with ten times each weight, so that few steps can make them large",
        ),
        Variant(
            "S, scores × 10",
            "ablation",
            lambda: Louder(len(JOINTS), 2, hidden=32, gate_hidden=32),
            "the joint gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "wider, last frame",
            "plain",
            lambda: LastFrame(len(JOINTS), 2, hidden=69, where=False),
            "S + T's parameters, no gate, read at the last frame alone",
        ),
        Variant(
            "S, last frame",
            "ablation",
            lambda: LastFrame(len(JOINTS), 2, hidden=32, gate_hidden=32),
            "the joint gate, read at the last frame alone",
        ),
        Variant("without K", "ablation", _cued(rescale=False), "the input shrinks to 1/K"),
        Variant(
            "λ₁ = 0.1",
            "ablation",
            lambda: Penalised(_cued()(), lambda1=0.1),
            "the joint gates are pulled towards even ones",
        ),
        Variant(
            "in turns",
            "ablation",
            lambda: InTurns(_cued()(), steps),
            "the gates learn alternately, the main network always",
        ),
        Variant(
            "in stages",
            "ablation",
            lambda: InTurns(_cued()(), steps, "staged"),
            "the frame gate learns first, then the joint gate, then both",
        ),
        Variant(
            "plain, sum", "plain", _cued(where=False, when=False, average=False), _SUM + "no gate"
        ),
        Variant(
            "wider, sum",
            "plain",
            _cued(69, where=False, when=False, average=False),
            _SUM + "S + T's parameters, no gate",
        ),
        Variant(
            "static weights, sum",
            "ablation",
            lambda: StaticWeights(len(JOINTS), 2, CuedJoint().frames, hidden=32, average=False),
            _SUM + "weights that do not look at the clip",
        ),
        Variant(
            "T, sum",
            "mechanism",
            _cued(where=False, average=False),
            _SUM + "the frame gate alone",
        ),
        Variant(
            "S, sum", "mechanism", _cued(when=False, average=False), _SUM + "the joint gate alone"
        ),
        Variant("S + T, sum", "mechanism", _cued(average=False), _SUM + "both gates"),
        Variant(
            "S, sum, gates exchanged",
            "ablation",
            lambda: Exchanged(_cued(when=False, average=False)(), joints="another clip"),
            "S with the sum, tested with the joint gates of another clip",
        ),
        Variant(
            "S, sum, without K",
            "ablation",
            _cued(when=False, average=False, rescale=False),
            _SUM + "the joint gate, and neither of our two factors",
        ),
        Variant(
            "S + T, sum, without K",
            "ablation",
            _cued(average=False, rescale=False),
            _SUM + "both gates, and neither of our two factors",
        ),
    )


def real_variants(
    joints: int, classes: int, frames: int, steps: int, *chosen: str
) -> tuple[Variant, ...]:
    """The variants called ``chosen``, for real skeletons."""
    both = _net(joints, classes, 64)
    variants = (
        Variant("plain", "plain", _plain(joints, classes, 64), "no gate"),
        Variant("wider", "plain", _plain(joints, classes, 96), "S + T's parameters, no gate"),
        Variant(
            "plain, scores × 10",
            "plain",
            lambda: Louder(joints, classes, hidden=64, where=False),
            "no gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "wider, scores × 10",
            "plain",
            lambda: Louder(joints, classes, hidden=96, where=False),
            "S + T's parameters, no gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "static weights",
            "ablation",
            lambda: StaticWeights(joints, classes, frames, hidden=64),
            "weights of joints and frames that do not look at the clip",
        ),
        Variant("T", "mechanism", _net(joints, classes, 64, where=False), "the frame gate alone"),
        Variant("S", "mechanism", _net(joints, classes, 64, when=False), "the joint gate alone"),
        Variant("S + T", "mechanism", both, "both gates, trained together"),
        Variant(
            "joint gates exchanged",
            "ablation",
            lambda: Exchanged(both(), joints="another clip"),
            "S + T, tested with the joint gates of another clip",
        ),
        Variant(
            "frame gates exchanged",
            "ablation",
            lambda: Exchanged(both(), frames="another clip"),
            "S + T, tested with the frame gates of another clip",
        ),
        Variant(
            "S + static frames",
            "ablation",
            lambda: StaticFrames(joints, classes, frames, hidden=64, gate_hidden=32),
            "the joint gate, and one weight for each frame that does not look at the clip",
        ),
        Variant(
            "S, scores × 10",
            "ablation",
            lambda: Louder(joints, classes, hidden=64, gate_hidden=32),
            "the joint gate, and scores as large as the frame gate makes them",
        ),
        Variant(
            "in turns",
            "ablation",
            lambda: InTurns(both(), steps),
            "the gates learn alternately, the main network always",
        ),
    )
    return tuple(v for v in variants if v.name in chosen)
