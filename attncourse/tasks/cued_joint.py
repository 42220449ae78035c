"""Watch the cued joint: a skeleton whose head says which hand decides.

A figure of twelve joints stands still, and every joint jitters.  In the first four frames the head
is shifted to one side: the *cue*.  Later each hand makes one move, up or down, at a time of its
own; eight other moves, of other joints, mean nothing.  The label is the move of the left hand if
the head went left, else that of the right one: up is 1, down is 0.

No joint is always worth watching, so that a choice that is the same for every clip cannot be
right; which joint is, can be known from the fourth frame on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from attncourse.tasks.base import drawn_on_the_processor, epoch_batch, seeded

#: Name of each joint -> where it rests, (x, y); the figure looks at us, so its left is our right.
REST: dict[str, tuple[float, float]] = {
    "head": (0.0, 1.0),
    "neck": (0.0, 0.7),
    "right elbow": (-0.45, 0.45),
    "right hand": (-0.8, 0.25),
    "chest": (0.0, 0.35),
    "hips": (0.0, -0.1),
    "left elbow": (0.45, 0.45),
    "left hand": (0.8, 0.25),
    "right knee": (-0.2, -0.55),
    "right foot": (-0.25, -1.0),
    "left knee": (0.2, -0.55),
    "left foot": (0.25, -1.0),
}
JOINTS = tuple(REST)
#: Pairs of joints that a bone connects.
BONES: tuple[tuple[int, int], ...] = (
    (0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (1, 6), (6, 7), (5, 8), (8, 9), (5, 10), (10, 11),
)  # fmt: skip
HEAD, RIGHT_HAND, LEFT_HAND = (JOINTS.index(j) for j in ("head", "right hand", "left hand"))
#: Height of a move in each of its frames.
MOVE = (0.6, 1.2, 1.2, 0.6)
CUE_FRAMES, CUE_SHIFT = 4, 1.5
#: First frame in which a hand may begin to move.
EARLIEST = 6
_DISTRACTIONS = 8
_TEST_SEED = 9_000


@dataclass(frozen=True)
class Cases:
    """Clips with what is hidden in them.

    Attributes:
        x: (n, frames, 12, 3).
        y: (n,), 0 or 1.
        cued: (n,), the joint that decides: :data:`LEFT_HAND` or :data:`RIGHT_HAND`.
        starts: (n, 2), first frame of the right and of the left hand's move.
        up: (n, 2), whether the right and the left hand move up.
    """

    x: Tensor
    y: Tensor
    cued: Tensor
    starts: Tensor
    up: Tensor


@drawn_on_the_processor
@dataclass(frozen=True)
class CuedJoint:
    """Two classes: does the hand that the head points to move up or down?

    Attributes:
        clips: training clips of a seed; new clips without end would let any network win.
        frames: of a clip.
        jitter: spread of every coordinate around its place.
        test_size: fixed test clips.

    Raises:
        ValueError: if there is no room for the moves, or a number is out of range.

    Examples:
        >>> x, y = CuedJoint().train_batch(seed=0, step=0, size=50)
        >>> x.shape  # clips, frames, joints, coordinates
        torch.Size([50, 24, 12, 3])
    """

    clips: int = 500
    frames: int = 24
    jitter: float = 0.4
    test_size: int = 2_000

    def __post_init__(self) -> None:
        shortest = EARLIEST + len(MOVE)
        if self.frames < shortest:
            raise ValueError(f"frames={self.frames} leaves no room for a move: use >= {shortest}")
        if self.jitter < 0:
            raise ValueError(f"jitter={self.jitter} must not be negative")

    @property
    def classes(self) -> int:
        """Down and up."""
        return 2

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """A batch of the seed's training clips, drawn without replacement within an epoch."""
        chosen = epoch_batch(self.clips, size, "clips", seed, step, 2)
        cases = _training_clips(self, seed)
        return cases.x[chosen], cases.y[chosen]

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test clips and labels."""
        cases = self.test_cases()
        return cases.x, cases.y

    def test_cases(self) -> Cases:
        """The test clips with what is hidden in them."""
        return self.draw(self.test_size, seeded(_TEST_SEED))

    def draw(self, size: int, generator: torch.Generator) -> Cases:
        """Draw ``size`` clips from ``generator``."""

        def integers(low: int, high: int, *shape: int) -> Tensor:
            return torch.randint(low, high, (size, *shape), generator=generator)

        rest = torch.tensor([(x, y, 0.0) for x, y in REST.values()])
        noise = torch.randn(size, self.frames, len(JOINTS), 3, generator=generator)
        x = rest + self.jitter * noise
        left, up = integers(0, 2).bool(), integers(0, 2, 2).bool()
        x[:, :CUE_FRAMES, HEAD, 0] += CUE_SHIFT * (2.0 * left[:, None] - 1)
        latest = self.frames - len(MOVE)
        starts = integers(EARLIEST, latest + 1, 2)
        hands = torch.tensor([RIGHT_HAND, LEFT_HAND]).expand(size, 2)
        free = torch.tensor([k for k in range(len(JOINTS)) if k not in (HEAD, *hands[0].tolist())])
        others = free[integers(0, len(free), _DISTRACTIONS)]
        when = integers(CUE_FRAMES, latest + 1, _DISTRACTIONS)
        signs = 2.0 * torch.cat([up, integers(0, 2, _DISTRACTIONS).bool()], dim=1) - 1
        joints, first = torch.cat([hands, others], dim=1), torch.cat([starts, when], dim=1)
        clip = torch.arange(size)[:, None].expand_as(first)
        for offset, height in enumerate(MOVE):
            place = (clip, first + offset, joints, torch.ones_like(first))
            x.index_put_(place, height * signs, accumulate=True)
        cued = torch.where(left, LEFT_HAND, RIGHT_HAND)
        y = torch.where(left, up[:, 1], up[:, 0]).long()
        return Cases(x, y, cued, starts, up)


@lru_cache(maxsize=8)
def _training_clips(task: CuedJoint, seed: int) -> Cases:
    return task.draw(task.clips, seeded(seed, 1))
