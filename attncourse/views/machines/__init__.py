"""Live machines: a mechanism computed in the page, step by step, from numbers the reader changes.

Twelve machines serve the whole book.  Each is one call on arrays and works without a kernel, a
library or the network; a poster stays where scripts do not run.  What the page computes stands in
its figure's ``data-state``, and the functions ``gate_numbers``, ``attention_numbers`` and so on
compute the same in Python.
"""

from attncourse.views.machines.attention import Head, attention_machine, attention_numbers
from attncourse.views.machines.bench import Goal
from attncourse.views.machines.blind import Deciders, Move, blind_machine, decisions, deviations
from attncourse.views.machines.codebook import codebook_machine, codebook_numbers
from attncourse.views.machines.filters import filter_machine, filter_numbers
from attncourse.views.machines.gate import (
    BRIGHTNESS,
    EDGES_ACROSS,
    EDGES_DOWN,
    WARMTH,
    Filter,
    GateLayer,
    Squeeze,
    gate_machine,
    gate_numbers,
)
from attncourse.views.machines.gather import Judge, gather_machine, gather_numbers
from attncourse.views.machines.kernels import kernel_machine, kernel_numbers
from attncourse.views.machines.lines import lines_machine, lines_numbers
from attncourse.views.machines.mixture import Branch, mixture_machine, mixture_numbers
from attncourse.views.machines.roofline import CostForm, roofline_machine, roofline_numbers
from attncourse.views.machines.sampler import glimpse_machine, taps_machine
from attncourse.views.machines.time import (
    FrameAttention,
    FrameGate,
    JointGate,
    time_machine,
    time_numbers,
)

__all__ = [
    "BRIGHTNESS",
    "EDGES_ACROSS",
    "EDGES_DOWN",
    "WARMTH",
    "Branch",
    "CostForm",
    "Deciders",
    "Filter",
    "FrameAttention",
    "FrameGate",
    "GateLayer",
    "Goal",
    "Head",
    "JointGate",
    "Judge",
    "Move",
    "Squeeze",
    "attention_machine",
    "attention_numbers",
    "blind_machine",
    "codebook_machine",
    "codebook_numbers",
    "decisions",
    "deviations",
    "filter_machine",
    "filter_numbers",
    "gate_machine",
    "gate_numbers",
    "gather_machine",
    "gather_numbers",
    "glimpse_machine",
    "kernel_machine",
    "kernel_numbers",
    "lines_machine",
    "lines_numbers",
    "mixture_machine",
    "mixture_numbers",
    "roofline_machine",
    "roofline_numbers",
    "taps_machine",
    "time_machine",
    "time_numbers",
]
