"""Which object, which attribute: what is asked, what is seen, and what can be had without it."""

from __future__ import annotations

import torch

from attncourse.tasks.asked_object import (
    AskedObject,
    Scene,
    answers,
    asked_cells,
    joined,
    parted,
    pictured,
    questions,
    share_right,
)
from tests.unit.of_tasks import batch_of


def test_image_and_question_travel_together():
    x, y = batch_of(AskedObject())
    assert (x.shape, y.shape) == ((16, 9, 16, 16), (16,))
    image, h = parted(x)
    assert torch.equal(joined(image, h), x)
    assert torch.equal(h.sum(dim=1), torch.full((16,), 2.0))
    assert set(y.tolist()) <= {0, 1, 2, 3}


def test_answers_are_the_asked_attribute_of_the_asked_object():
    x, y, *rest = AskedObject(test_size=500).test_cases()
    scene = Scene(*rest)
    image, h = parted(x)
    assert torch.equal(h, questions(scene.colour, scene.attribute))
    clean = pictured(scene.cells, scene.shapes, scene.textures)
    assert abs(float((image - clean).std()) - 0.1) < 1e-3
    for n in range(50):
        values = (scene.shapes, scene.textures)[scene.attribute[n]][n]
        assert y[n] == values[scene.colour[n]]
        row, column = divmod(int(asked_cells(scene)[n]), 4)
        cell = clean[n, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        loud = cell.mean(dim=(1, 2)) > 0.5  # the grey texture adds nothing on the whole
        assert loud.tolist() == [bool(scene.colour[n] in k) for k in ((0, 3), (1, 3), (2,))]


def test_four_cells_hold_an_object_each():
    _, _, *rest = AskedObject(test_size=200).test_cases()
    scene = Scene(*rest)
    assert all(len(set(cells)) == 4 for cells in scene.cells.tolist())
    seen = pictured(scene.cells, scene.shapes, scene.textures).unfold(2, 4, 4).unfold(3, 4, 4)
    assert torch.equal(seen.abs().sum(dim=(1, 4, 5)).gt(0).sum(dim=(1, 2)), torch.full((200,), 4))


def test_what_can_be_had_without_the_question():
    """The counted shares are those of the test images: guess the most frequent value there is."""
    _, y, *rest = AskedObject(test_size=20_000).test_cases()
    scene = Scene(*rest)
    both = torch.cat([scene.shapes, scene.textures], dim=1)
    one = torch.where(scene.attribute[:, None] == 0, scene.shapes, scene.textures)
    n = torch.arange(len(y))
    two = torch.stack([scene.shapes[n, scene.colour], scene.textures[n, scene.colour]], dim=1)
    for values in (both, one, two):
        most = torch.nn.functional.one_hot(values, 4).sum(dim=1).argmax(dim=1)
        found = float((most == y).double().mean())
        assert abs(found - share_right(values.shape[1])) < 0.012
    assert torch.equal(answers(scene), y)
