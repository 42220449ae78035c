"""As many threads as there are cores to run them on.

A container or a shared machine often shows all its cores and lends a few.  Torch starts a thread
for each core that it sees; on two usable ones, sixteen threads take ten times as long as two.
"""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path

#: A number in one of these is the user's own choice.
SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores that this process may use at once: by affinity, and by the quota of its container."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(cores, math.ceil(quota))) if quota else cores


def _quota(cgroup: Path) -> float | None:
    """Cores' worth of time in a second that the control group grants, or ``None`` for no limit."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()  # version 2
    except (OSError, ValueError):
        try:  # version 1
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        cores = float(limit) / float(period)  # "max" and -1 stand for no limit
    except (ValueError, ZeroDivisionError):
        return None
    return cores if cores > 0 else None


@cache
def settle() -> None:
    """Once a process: lower torch's number of threads to the usable cores.

    A number set by the user, in the environment or by ``torch.set_num_threads``, stays: only a
    number that torch itself would have chosen is lowered.
    """
    if any(os.environ.get(name) for name in SETTINGS):
        return
    import torch

    cores, now = usable_cores(), torch.get_num_threads()
    if cores < now and now in _own_choices():
        torch.set_num_threads(cores)


def _own_choices() -> set[int]:
    """What torch starts with: all cores, one for each pair of hardware threads, or its affinity."""
    seen = os.cpu_count() or 1
    affinity = getattr(os, "sched_getaffinity", None)
    return {seen, max(1, seen // 2), len(affinity(0)) if affinity else seen}
