"""Real skeletons as tasks: centred, scaled, of one length, and turned a little in training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from attncourse.datasets import SkeletonData, msr_action3d, utkinect
from attncourse.tasks.base import Units, drawn_on_the_processor, epoch_batch, seeded

#: Frames that a training clip may be shifted by.
SHIFT = 2
#: The first Kinect's joints that a body's frame is built from.
HIP_CENTRE, SHOULDER_CENTRE, LEFT_HIP, RIGHT_HIP = 0, 2, 12, 16
Normalise = Callable[[np.ndarray], np.ndarray]


@drawn_on_the_processor
@dataclass(frozen=True)
class SkeletonTask:
    """Clips of equal length, with a training set that is turned, scaled, shifted and shaken.

    Attributes:
        train_clips: (n, frames + SHIFT, joints, 3), normalised, before standardising.
        train_labels: (n,).
        test_clips: (m, frames + SHIFT, joints, 3).
        test_labels: (m,).
        classes: number of classes.
        source: which clips these are, for the record.
        noise: spread of what is added to every coordinate in training.
        turn: largest turn about the vertical axis, in radians.
        stretch: spread of the factor that a clip is scaled by.
        test_people: (m,) who is seen in each test clip, from 0, where that is known.
    """

    train_clips: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    test_clips: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    classes: int
    source: str
    noise: float = 0.02
    turn: float = 0.5
    stretch: float = 0.1
    test_people: Tensor | None = field(default=None, repr=False)

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Training clips, drawn without replacement within an epoch, each changed a little."""
        chosen = epoch_batch(len(self.train_labels), size, "training clips", seed, step, 1)
        x = self._changed(self.train_clips[chosen], seeded(seed, step, 2))
        return self._standard(x), self.train_labels[chosen]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """All test clips and labels, unchanged."""
        frames = self.test_clips.shape[1] - SHIFT
        x = self.test_clips[:, SHIFT // 2 : SHIFT // 2 + frames]
        return self._standard(x), self.test_labels

    def test_units(self) -> Units | None:
        """The people in the test clips."""
        return None if self.test_people is None else Units("people", self.test_people)

    def _changed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        size, frames = len(x), x.shape[1] - SHIFT
        first = torch.randint(SHIFT + 1, (size, 1), generator=generator)
        x = x[torch.arange(size)[:, None], first + torch.arange(frames)]
        angle = self.turn * (2 * torch.rand(size, generator=generator) - 1)
        cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
        across, height, depth = x.unbind(dim=3)
        x = torch.stack([cos * across + sin * depth, height, cos * depth - sin * across], dim=3)
        factor = 1 + self.stretch * torch.randn(size, 1, 1, 1, generator=generator)
        return factor * x + self.noise * torch.randn(x.shape, generator=generator)

    def _standard(self, x: Tensor) -> Tensor:
        """Minus the training clips' mean of each coordinate, over one spread for all of them."""
        mean = self.train_clips.mean(dim=(0, 1))
        return (x - mean) / (self.train_clips - mean).std()


@drawn_on_the_processor
@dataclass(frozen=True)
class Folds:
    """The same question asked of several splits, such as one for each subject left out.

    Attributes:
        folds: the splits; as a task by itself, this is the first one.
        source: for the record.
    """

    folds: tuple[SkeletonTask, ...] = field(repr=False)
    source: str

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.folds[0].classes

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """A batch of the first fold."""
        return self.folds[0].train_batch(seed, step, size)

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The test set of the first fold."""
        return self.folds[0].test_set()

    def test_units(self) -> Units | None:
        """The people in the test clips of all folds, one fold after another."""
        units = [fold.test_units() for fold in self.folds]
        found = [unit.of for unit in units if unit is not None]
        return Units("people", torch.cat(found)) if len(found) == len(units) else None


def msr_action3d_task(frames: int = 32) -> SkeletonTask:
    """MSR Action3D across subjects: odd ones for training, even ones for testing."""
    data = msr_action3d()
    clips = _stacked(data, frames, clip_normalised)
    train = torch.from_numpy(data.subject % 2 == 1)
    return _split(
        data,
        clips,
        train,
        f"{data.source}, {frames} frames, odd subjects train, even subjects test",
    )


def utkinect_folds(frames: int = 24) -> Folds:
    """UTKinect, leaving one subject out: ten splits."""
    data = utkinect()
    clips = _stacked(data, frames, body_normalised)
    subjects = sorted(set(data.subject.tolist()))
    folds = [
        _split(
            data, clips, torch.from_numpy(data.subject != s), f"{data.source} without subject {s}"
        )
        for s in subjects
    ]
    each = f"each of {len(subjects)} subjects left out in turn"
    return Folds(tuple(folds), f"{data.source}, {frames} frames, {each}")


def clip_normalised(clip: np.ndarray) -> np.ndarray:
    """Lost frames (all zero) left out, the clip's mean at the origin, its rms radius 1."""
    seen = clip[clip.any(axis=(1, 2))]
    if len(seen) == 0:
        return clip
    centred = seen - seen.mean(axis=(0, 1))
    return centred / np.sqrt(np.square(centred).sum(axis=2).mean())


def body_normalised(clip: np.ndarray) -> np.ndarray:
    """Hips at the origin in every frame, hips across the picture on average, trunk of length 1."""
    centred = clip - clip[:, [HIP_CENTRE]]
    across = (centred[:, RIGHT_HIP] - centred[:, LEFT_HIP]).mean(axis=0)
    angle = np.arctan2(across[2], across[0])
    cos, sin = np.cos(angle), np.sin(angle)
    turned = centred @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], dtype=clip.dtype)
    trunk = np.linalg.norm(centred[:, SHOULDER_CENTRE], axis=1).mean()
    return turned / trunk


def resampled(clip: np.ndarray, frames: int) -> np.ndarray:
    """The clip at ``frames`` evenly spaced moments, by linear interpolation."""
    at = np.linspace(0, len(clip) - 1, frames)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(clip) - 1)
    share = (at - low)[:, None, None]
    return (1 - share) * clip[low] + share * clip[high]


def _stacked(data: SkeletonData, frames: int, normalise: Normalise) -> Tensor:
    clips: Sequence[np.ndarray] = [
        resampled(normalise(data.clip(index)), frames + SHIFT) for index in range(len(data))
    ]
    return torch.from_numpy(np.stack(clips)).float()


def _split(data: SkeletonData, clips: Tensor, train: Tensor, source: str) -> SkeletonTask:
    labels = torch.from_numpy(data.action)
    people = torch.from_numpy(np.unique(data.subject, return_inverse=True)[1])
    return SkeletonTask(
        clips[train], labels[train], clips[~train], labels[~train],
        classes=len(data.actions), source=source, test_people=people[~train],
    )  # fmt: skip
