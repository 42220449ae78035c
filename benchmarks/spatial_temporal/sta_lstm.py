"""STA-LSTM: the readout taken out of the sum over frames, against scores for every frame."""

from __future__ import annotations

from attncourse.spatial_temporal import SpatioTemporalLSTM
from benchmarks.case import Case
from benchmarks.explicit import explicit

CASES = (
    Case(
        chapter="spatial_temporal/sta_lstm",
        name="STA-LSTM",
        sizes={f"{t} frames of 20 joints": (8, t, 20, 3) for t in (40, 160, 640)},
        module=lambda shape: SpatioTemporalLSTM(shape[2], 10, hidden=64, gate_hidden=32).eval(),
        others={"textbook": explicit},
        grows=lambda shape: shape[1],
        along="frames",
        exponents={"ours": 1.0, "textbook": 1.0},
        tolerance=1e-9,
    ),
)
