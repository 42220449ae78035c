"""Measure every case and write the table that the book draws.

python -m benchmarks                      # all, on the CPU, one thread
python -m benchmarks spatial/non_local    # one chapter; the others keep their rows
python -m benchmarks --device cuda        # with bandwidth and matmul rate of the GPU
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from attncourse.roofline import roofline
from benchmarks.cases import CASES
from benchmarks.measure import broken, row

TABLE = Path(__file__).parents[1] / "book" / "_data" / "benchmarks.json"


def machine(device: str) -> dict[str, Any]:
    """What the numbers were taken on."""
    on_gpu = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name() if on_gpu else f"{processor()}, 1 thread",
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "system": platform.system(),
    }


def processor() -> str:
    """The processor's own name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "CPU"


def joined(
    old: dict[str, Any], new: dict[str, Any], place: Mapping[tuple[str, str], int]
) -> dict[str, Any]:
    """The rows of ``new`` among those of ``old``, each of which keeps the machine it is of.

    Rows beside a package that is not installed here stay as they are; others that no case has any
    more are left out.
    """
    elsewhere = {} if new["machine"] == old["machine"] else {"machine": new["machine"]}
    measured = {(row["chapter"], row["name"]) for row in new["rows"]}

    def stays(row: dict[str, Any]) -> bool:
        key = row["chapter"], row["name"]
        return key not in measured and (key in place or "timm" in row["sizes"][0]["forms"])

    def order(row: dict[str, Any]) -> tuple[int, int]:
        chapter, key = row["chapter"], (row["chapter"], row["name"])
        first = min((n for (c, _), n in place.items() if c == chapter), default=len(place))
        return first, place.get(key, len(place))

    rows = [*filter(stays, old["rows"]), *(row | elsewhere for row in new["rows"])]
    return old | {"rows": sorted(rows, key=order)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 if a floor is broken, 2 for a call that makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("chapter", nargs="*", help="such as spatial/non_local; all if none")
    parser.add_argument("--repeats", type=int, default=7, help="samples of each form (default 7)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--compiled", action="store_true", help="also the gain under torch.compile: slow to prepare"
    )
    parser.add_argument("--out", type=Path, default=None, help="the file to write")
    options = parser.parse_args(arguments)
    known = {case.chapter for case in CASES}
    if unknown := set(options.chapter) - known:
        print(f"no case for {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")
        return 2
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print(f"--device {options.device}: torch sees no GPU here; leave it out to use the CPU")
        return 2
    if options.repeats < 3:
        print(f"--repeats {options.repeats}: a median and its spread need at least 3")
        return 2
    on_cpu = options.device == "cpu"
    out = options.out or (TABLE if on_cpu else TABLE.parent / "gpu" / "benchmarks.json")
    chosen = [case for case in CASES if not options.chapter or case.chapter in options.chapter]
    roof = roofline(options.device)
    rows = [
        row(
            case, roof=roof, repeats=options.repeats, device=options.device, log=print,
            with_compiler=options.compiled,
        )
        for case in chosen
    ]  # fmt: skip
    here, place = machine(options.device), {(c.chapter, c.name): n for n, c in enumerate(CASES)}
    table = {"machine": here, "roofline": roof, "rows": rows}
    if options.chapter and out.exists():
        table = joined(json.loads(out.read_text(encoding="utf-8")), table, place)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part")
    part.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(out)
    print(f"written to {out}")
    slips = [text for r in rows for text in broken(r)] if on_cpu else []
    for text in slips:
        print(f"below its floor: {text}")
    return 1 if slips else 0


if __name__ == "__main__":
    sys.exit(main())
