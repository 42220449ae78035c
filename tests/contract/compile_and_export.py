"""Compile and export every mechanism, in one process without the tests' import hook.

Prints one JSON object: chapter -> {"compile": {"found": "ok" or error, "seconds": ...}, ...}.
Compilation uses ``aot_eager``: it proves that forward and backward are captured as one graph with
dynamic sizes, without generating code, which takes a compiler and minutes.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.contract.specimen import built, specimens

#: Operators that torch.export takes and ONNX has no counterpart for.
NOT_IN_ONNX = {"searchsorted", "bucketize", "sort.stable", "histc", "unique"}


def grown(specimen):
    """The specimen's first sizes, and larger ones.

    None is 0 or 1, which are compiled apart, nor becomes 1 when it is halved; none equals another
    or a number of channels, which would be taken for the same size and compiled again.  What a
    graph fixes is as small as the specimen has it, but for 1.
    """
    kept = specimen.captured
    rows = [row for row in specimen.sizes if all(row[k] > 1 for k in kept)]
    row = min(rows, key=lambda row: [row[k] for k in kept])
    first = tuple(n if k in kept else max(2, n) + 5 + 4 * k for k, n in enumerate(row))
    more = [tuple(size + 2 * n + k for k, size in enumerate(first)) for n in (1, 2)]
    return [first, *(tuple(first[k] if k in kept else v for k, v in enumerate(m)) for m in more)]


def compiles(specimen):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    arguments = {**specimen.arguments[0], **specimen.unrolled}
    module = built(specimen.card.module, arguments)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for size in grown(specimen):
        results = []
        for function in (module, compiled):
            x = specimen.x(arguments, *size).requires_grad_()
            y = function(x)
            y.square().sum().backward()
            results.append((y.detach(), x.grad))
        torch.testing.assert_close(results[0], results[1], atol=1e-10, rtol=1e-10)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert graphs == 1, f"{graphs} graphs for three sizes"


def exports(specimen):
    for arguments in specimen.arguments:
        exported(specimen, {**arguments, **specimen.unrolled})


def exported(specimen, arguments):
    module = built(specimen.card.module, arguments)
    dims = dict.fromkeys(specimen.dynamic, torch.export.Dim.DYNAMIC)
    x = specimen.x(arguments, *grown(specimen)[0])
    program = torch.export.export(module, (x,), dynamic_shapes={"x": dims, "need_weights": None},
                                  kwargs={"need_weights": False})  # fmt: skip
    called = {str(n.target) for n in program.graph.nodes if n.op == "call_function"}
    foreign = sorted(c for c in called if any(c.startswith(f"aten.{n}") for n in NOT_IN_ONNX))
    assert not foreign, f"ONNX has no {foreign}"
    for size in grown(specimen):
        x = specimen.x(arguments, *size)
        y = program.module()(x, need_weights=False)
        torch.testing.assert_close(y, module(x), atol=1e-10, rtol=1e-10)


def verdict(function, *arguments):
    """What came of a check, and the processor seconds it took."""
    started = time.process_time()
    try:
        function(*arguments)
        found = "ok"
    except Exception:
        found = traceback.format_exc(limit=-3)
    return {"found": found, "seconds": time.process_time() - started}


if __name__ == "__main__":
    wanted = sys.argv[1:]
    print(
        json.dumps(
            {
                s.card.label: {"compile": verdict(compiles, s), "export": verdict(exports, s)}
                for s in specimens()
                if not wanted or s.card.label in wanted
            }
        )
    )
