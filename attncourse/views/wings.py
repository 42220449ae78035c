"""Diagrams of the pages that open a wing, which are built without torch: from their HTML."""

from __future__ import annotations

from attncourse.views.schematic import Schematic


def outputs_weighed() -> Schematic:
    """Highway networks and SKNet: every branch is computed, then the outputs are added up."""
    s = Schematic(
        id="outputs-weighed", columns=5.6, rows=4,
        alt="x goes through two branches, F1 and F2. Their outputs are multiplied by weights a1 "
        "and a2, and the sum is y.",
    )  # fmt: skip
    x = s.box("x", 0, 1.5, "input", width=0.5)
    total, y = s.circle("+", 3.7, 1.5), s.box("y", 4.8, 1.5, "result", width=0.5)
    for name, row, above in (("₁", 1, 0), ("₂", 2, 3)):
        branch = s.box(f"F{name}", 1.3, row, width=0.6)
        times = s.circle("×", 2.6, row)
        weight = s.box(f"a{name}", 2.6, above, "attention", width=0.45)
        s.arrow(x, branch, via="up")
        s.arrow(branch, times, "c h w")
        s.arrow(weight, times)
        s.arrow(times, total, via="up")
    s.arrow(total, y)
    return s


def kernels_weighed() -> Schematic:
    """CondConv and dynamic convolution: kernels are added up, then one branch is computed."""
    s = Schematic(
        id="kernels-weighed", columns=5.6, rows=4,
        alt="Two kernels, W1 and W2, are multiplied by weights a1 and a2. Their sum is one kernel, "
        "with which x is convolved once to give y.",
    )  # fmt: skip
    total = s.circle("+", 2.3, 1.5)
    convolve, y = s.circle("∗", 3.7, 1.5), s.box("y", 4.8, 1.5, "result", width=0.5)
    x = s.box("x", 3.7, 3, "input", width=0.5)
    for name, row, above in (("₁", 1, 0), ("₂", 2, 3)):
        kernel = s.box(f"W{name}", 0.1, row, width=0.6)
        times = s.circle("×", 1.3, row)
        weight = s.box(f"a{name}", 1.3, above, "attention", width=0.45)
        s.arrow(kernel, times)
        s.arrow(weight, times)
        s.arrow(times, total, via="up")
    s.arrow(total, convolve, "d c k k")
    s.arrow(x, convolve)
    s.arrow(convolve, y, "d h w")
    return s


def branch() -> dict[str, str]:
    """Name -> HTML of the diagrams of the branch wing."""
    drawn = {"outputs": outputs_weighed(), "kernels": kernels_weighed()}
    return {
        name: f'<figure class="ac-wing-drawing">{schematic.svg()}</figure>'
        for name, schematic in drawn.items()
    }
