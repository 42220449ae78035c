"""The whole state of a run in one safetensors file that is never half written."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

_FORMAT = "attncourse-1"


@dataclass
class Checkpoint:
    """Where a run's state is kept, and what the run is.

    Attributes:
        path: the file.
        identity: what must agree for the file to belong to this run (budget, seed, task, ...).
    """

    path: Path
    identity: dict[str, Any] = field(default_factory=dict)

    def save(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any, record: dict
    ) -> None:
        """Write everything to a file beside the target, then move it into place at once."""
        tensors = {f"model.{_own(name)}": value for name, value in model.state_dict().items()}
        optimizer_state = optimizer.state_dict()
        for index, slots in optimizer_state["state"].items():
            tensors |= {
                f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in slots.items()
            }
        tensors["rng.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["rng.cuda"] = torch.cuda.get_rng_state()
        notes = {
            "format": _FORMAT,
            "identity": json.dumps(self.identity, sort_keys=True),
            "groups": json.dumps(optimizer_state["param_groups"]),
            "schedule": json.dumps(schedule.state_dict()),
            "record": json.dumps(record),
        }
        own = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        os.close(handle)
        try:
            save_file(own, temporary, metadata=notes)
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def load(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any
    ) -> dict[str, Any] | None:
        """Put the stored state back and return the record, or ``None`` if nothing is stored.

        Raises:
            ValueError: if the file is damaged or belongs to another run.
        """
        if not self.path.exists():
            return None
        if self.path.is_dir():
            raise ValueError(
                f"checkpoint {self.path} is a folder: name a file in it, such as "
                f"{self.path / 'run.safetensors'}"
            )
        try:
            with safe_open(self.path, framework="pt") as file:
                notes = file.metadata() or {}
                # Copies: a tensor that is a view of the file would keep it open, and some systems
                # do not replace a file that is in use.
                tensors = {
                    name: file.get_tensor(name).clone()
                    for name in file.keys()  # noqa: SIM118
                }
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"checkpoint {self.path} cannot be read ({error}): choose another path, or move "
                f"the file away to start afresh"
            ) from error
        self._check(notes)
        names = {_own(name): name for name in model.state_dict()}
        stored = _strip(tensors, "model.")
        model.load_state_dict({names.get(name, name): t for name, t in stored.items()})
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _strip(tensors, "optimizer.").items():
            index, slot = name.split(".", 1)
            state.setdefault(int(index), {})[slot] = value
        optimizer.load_state_dict({"state": state, "param_groups": json.loads(notes["groups"])})
        schedule.load_state_dict(json.loads(notes["schedule"]))
        torch.set_rng_state(tensors["rng.cpu"])
        if torch.cuda.is_available() and "rng.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["rng.cuda"])
        return json.loads(notes["record"])

    def _check(self, notes: dict[str, str]) -> None:
        if notes.get("format") != _FORMAT:
            raise ValueError(
                f"checkpoint {self.path} was not written by this course "
                f"(format {notes.get('format')!r}): choose another path"
            )
        stored = json.loads(notes["identity"])
        wanted = json.loads(json.dumps(self.identity))
        different = sorted(k for k in stored | wanted if stored.get(k) != wanted.get(k))
        if different:
            pairs = ", ".join(f"{k}: {stored.get(k)!r} != {wanted.get(k)!r}" for k in different)
            raise ValueError(
                f"checkpoint {self.path} belongs to another run ({pairs}): "
                f"choose another path, or move the file away to start afresh"
            )


def _own(name: str) -> str:
    """A parameter's name without what ``torch.compile`` puts before it."""
    return name.replace("_orig_mod.", "")


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
