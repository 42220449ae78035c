"""Share a grid among jobs that know nothing of one another, such as those of a Slurm array.

Job 2 of 4 runs every fourth cell from the second on and writes to a folder of its own,
``shards/2-of-4`` beside the results.  When all have ended, :func:`merge` takes the runs over.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from attncourse.experiments.base import Experiment
from attncourse.experiments.ledger import Cell, Ledger, frame_of, test_set
from attncourse.experiments.register import every_experiment_of
from attncourse.experiments.results import Results

FOLDER = "shards"


def cells_of_shard(cells: Sequence[Cell], index: int, count: int) -> list[Cell]:
    """The cells of job ``index``, from 1 to ``count``: every cell is in exactly one shard.

    Raises:
        ValueError: if there is no such shard.
    """
    if not 1 <= index <= count:
        raise ValueError(f"shard {index}/{count} does not exist: count from 1 to {count}")
    return list(cells[index - 1 :: count])


def shard_folder(out: Path, index: int, count: int) -> Path:
    """Where job ``index`` of ``count`` writes."""
    return out / FOLDER / f"{index}-of-{count}"


class ShardLedger(Ledger):
    """A shard's own results file, which also knows what the common one holds.

    Args:
        chapter: path of the mechanism's chapter.
        experiments: those that may be entered.
        out: the shard's own file.
        common: the file that the shards are merged into.
        renew: whether a recorded run without its test items is made again.

    Raises:
        ValueError: if one of the two is not a results file of this chapter.
    """

    def __init__(
        self,
        chapter: str,
        experiments: Sequence[Experiment],
        out: Path,
        common: Path,
        *,
        renew: bool = True,
    ) -> None:
        super().__init__(chapter, experiments, out, renew=renew)
        self._common = Ledger(chapter, experiments, common, renew=renew)

    def known(self, experiment: str, variant: str, seed: int) -> dict | None:
        """A run recorded here or in the common file, as :meth:`Ledger.known` gives it."""
        own = super().known(experiment, variant, seed)
        return own or self._common.known(experiment, variant, seed)


def merge(
    out: Path,
    *,
    find: Callable[[str], Sequence[Experiment]] = every_experiment_of,
    say: Callable[[str], None] = print,
) -> int:
    """Take the runs of all shards over into the results files, then delete the shards.

    Args:
        out: folder of the results files.
        find: chapter -> experiments.
        say: gets one line for each file.

    Returns:
        how many runs were taken over.

    Raises:
        FileNotFoundError: if there are no shards, or some of them are missing.
        ValueError: if the shards belong to different arrays or hold different experiments.
    """
    folders = _complete(out)
    ledgers: dict[str, Ledger] = {}
    sources: dict[tuple[str, str], tuple[dict, Path]] = {}
    taken = 0
    for folder in folders:
        for path in sorted(folder.rglob("*.json")):
            chapter = path.relative_to(folder).with_suffix("").as_posix()
            shard = Results.load(path, chapter)
            if chapter not in ledgers:
                ledgers[chapter] = Ledger(chapter, find(chapter), out / f"{chapter}.json")
            for name, entry in shard.experiments.items():
                frame = frame_of(entry)
                first, origin = sources.setdefault((chapter, name), (frame, path))
                if first != frame:
                    raise ValueError(
                        f"{origin} and {path} hold {name!r} with different budgets or tasks: "
                        f"move {out / FOLDER} away and run all shards with the same call"
                    )
                for row in entry["runs"]:
                    ledgers[chapter].enter(name, frame, row | {"test_set": test_set(entry, row)})
                    taken += 1
    for ledger in ledgers.values():
        ledger.save()
        say(f"merged into {ledger.out}")
    shutil.rmtree(out / FOLDER)
    return taken


def _complete(out: Path) -> list[Path]:
    """The folders of all shards, in order."""
    matches = {
        path: re.fullmatch(r"(\d+)-of-(\d+)", path.name)
        for path in (out / FOLDER).glob("*")
        if path.is_dir()
    }
    found = {(int(m[1]), int(m[2])): path for path, m in matches.items() if m}
    counts = sorted({count for _, count in found})
    if not counts:
        raise FileNotFoundError(f"no shards in {out / FOLDER}: run some with --shard 1/4, 2/4, ...")
    if len(counts) > 1:
        raise ValueError(
            f"{out / FOLDER} holds shards of {' and of '.join(map(str, counts))}: "
            f"move away those of the array that you do not want"
        )
    missing = [i for i in range(1, counts[0] + 1) if (i, counts[0]) not in found]
    if missing:
        names = ", ".join(f"--shard {index}/{counts[0]}" for index in missing)
        raise FileNotFoundError(f"not all shards have run; missing in {out / FOLDER}: {names}")
    return [found[key] for key in sorted(found)]
