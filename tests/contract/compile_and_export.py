"""Compile and export every mechanism, in one process without the tests' import hook.

Prints one JSON object: chapter -> {"compile": "ok" or error, "export": ...}.  Compilation uses
``aot_eager``: it proves that forward and backward are captured as one graph with dynamic sizes,
without generating code, which takes a compiler and minutes.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.contract.specimen import built, specimens


def grown(specimen):
    """The specimen's first sizes, and larger ones; none is 0 or 1, which are compiled apart."""
    first = tuple(max(2, size) for size in specimen.sizes[0])
    more = [tuple(size + 2 * n + k for k, size in enumerate(first)) for n in (1, 2)]
    kept = specimen.captured
    return [first, *(tuple(first[k] if k in kept else v for k, v in enumerate(m)) for m in more)]


def compiles(specimen):
    torch._dynamo.reset()
    arguments = specimen.arguments[0]
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


def exports(specimen):
    arguments = specimen.arguments[0]
    module = built(specimen.card.module, arguments)
    dims = dict.fromkeys(specimen.dynamic, torch.export.Dim.DYNAMIC)
    x = specimen.x(arguments, *grown(specimen)[0])
    program = torch.export.export(module, (x,), dynamic_shapes={"x": dims, "need_weights": None},
                                  kwargs={"need_weights": False})  # fmt: skip
    for size in grown(specimen):
        x = specimen.x(arguments, *size)
        y = program.module()(x, need_weights=False)
        torch.testing.assert_close(y, module(x), atol=1e-10, rtol=1e-10)


def verdict(function, specimen):
    try:
        function(specimen)
    except Exception:
        return traceback.format_exc(limit=-3)
    return "ok"


if __name__ == "__main__":
    wanted = sys.argv[1:]
    print(
        json.dumps(
            {
                s.card.label: {
                    "compile": verdict(compiles, s),
                    "export": verdict(exports, s),
                }
                for s in specimens()
                if not wanted or s.card.label in wanted
            }
        )
    )
