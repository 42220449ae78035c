"""Before the flash: the label stands in front of the bright frame, and nothing else tells it."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks.base import seeded
from attncourse.tasks.before_the_flash import (
    BeforeTheFlash,
    best_without_order,
    figures,
)
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    x, y = batch_of(BeforeTheFlash())
    assert x.shape == (16, 1, 6, 6, 6)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert set(y.tolist()) <= set(range(4))


def test_the_label_is_the_figure_in_front_of_the_bright_frame():
    x, y, flash = BeforeTheFlash(noise=0.0).draw(300, seeded(3))
    clip = torch.arange(300)
    assert torch.equal(x.mean(dim=(1, 3, 4)).argmax(dim=1), flash)
    assert flash.min() == 1
    asked = x[clip, 0, flash - 1]
    spectrum = torch.fft.fft2(asked).abs()  # where a figure stands does not change it
    known = torch.fft.fft2(figures()).abs()
    away = (spectrum[:, None] - known).abs().amax(dim=(2, 3))
    assert torch.equal(away.argmin(dim=1), y)
    assert away.min(dim=1).values.max() < 1e-4


def test_figures_have_one_sum_and_are_no_moved_copies():
    assert torch.equal(figures().sum(dim=(1, 2)), torch.full((4,), 3.0))
    spectrum = torch.fft.fft2(figures()).abs()
    apart = (spectrum[:, None] - spectrum).abs().amax(dim=(2, 3))
    assert (apart + 9 * torch.eye(4)).min() > 0.5


def test_the_best_without_order_is_what_a_perfect_reader_of_sets_gets():
    """Counted over all cases, and tried on drawn figures."""
    generator = seeded(9)
    figure = torch.randint(4, (40_000, 5), generator=generator)
    asked = figure.gather(1, torch.randint(5, (40_000, 1), generator=generator))[:, 0]
    most = torch.stack([(figure == n).sum(dim=1) for n in range(4)], dim=1).argmax(dim=1)
    assert float((most == asked).double().mean()) == pytest.approx(best_without_order(), abs=0.01)
    assert best_without_order(2) == 1.0


def test_negative_noise_is_refused():
    with pytest.raises(ValueError, match="noise=-1"):
        BeforeTheFlash(noise=-1)
