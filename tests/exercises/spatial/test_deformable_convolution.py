"""Answers to the exercises on deformable convolution."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, trials


def places_meshed(offsets, stride, padding, dilation):
    rows, columns = offsets.shape[2:4]
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    u, v = torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij")
    start = torch.stack([i, j], dim=-1) * stride - padding
    taps = torch.stack([u, v], dim=-1).reshape(9, 2) * dilation
    return offsets + (start[None] + taps[:, None, None]).to(offsets)


def places_looped(offsets, stride, padding, dilation):
    found = offsets.clone()
    for k in range(9):
        for i in range(offsets.shape[2]):
            for j in range(offsets.shape[3]):
                step = [
                    i * stride - padding + k // 3 * dilation,
                    j * stride - padding + k % 3 * dilation,
                ]
                found[:, k, i, j] = offsets[:, k, i, j] + torch.tensor(step).to(offsets)
    return found


def places_unfolded(offsets, stride, padding, dilation):
    """Rows and columns of an image of coordinates, as a convolution's windows see them."""
    rows, columns = offsets.shape[2:4]
    high = (rows - 1) * stride + 2 * dilation + 1
    wide = (columns - 1) * stride + 2 * dilation + 1
    y, x = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    image = torch.stack([y, x])[:, None].to(offsets) - padding
    found = F.unfold(image, 3, dilation=dilation, stride=stride)
    return offsets + found.unflatten(2, (rows, columns)).permute(1, 2, 3, 0)


def layer_at_once(x, weight, numbers, shift=1, less=0, upright=False, **options):
    h, w = x.shape[2:]
    p = places_meshed(numbers.unflatten(1, (9, 2)).movedim(2, -1), 1, 1, 1)
    grid = 2 * p.flip(-1) + shift
    grid = grid / (torch.tensor([w, h]).to(x) - less) - 1
    grid = grid.flip(-1) if upright else grid
    read = F.grid_sample(x, grid.flatten(1, 2), align_corners=False, **options)
    return torch.einsum("dck,bckhw->bdhw", weight.flatten(2), read.unflatten(2, (9, h)))


def layer_by_tents(x, weight, numbers):
    """The sum over all pixels, with the hats of equation (4)."""
    h, w = x.shape[2:]
    p = places_meshed(numbers.unflatten(1, (9, 2)).movedim(2, -1), 1, 1, 1)
    rows = (1 - (p[..., 0, None] - torch.arange(h)).abs()).clamp(min=0)
    columns = (1 - (p[..., 1, None] - torch.arange(w)).abs()).clamp(min=0)
    read = torch.einsum("bcnm,bkhwn,bkhwm->bckhw", x, rows, columns)
    return torch.einsum("dck,bckhw->bdhw", weight.flatten(2), read)


def layer_as_blocks(x, weight, numbers):
    b, c, h, w = x.shape
    p = places_looped(numbers.unflatten(1, (9, 2)).movedim(2, -1), 1, 1, 1)
    big = F.pad(x, (1, 1, 1, 1))
    spots = (p + 1).clamp(min=0)
    spots = torch.minimum(spots, torch.tensor([h + 1.0, w + 1.0]).to(x))
    grid = 2 * spots.flip(-1) / torch.tensor([w + 1.0, h + 1.0]).to(x) - 1
    read = F.grid_sample(big, grid.flatten(1, 2), align_corners=True).unflatten(2, (3, 3, h))
    image = read.permute(0, 1, 4, 2, 5, 3).reshape(b, c, 3 * h, 3 * w)
    return F.conv2d(image, weight, stride=3)


TRIED = {
    "places": Tried(
        right={
            "meshed": places_meshed, "looped": places_looped, "unfolded": places_unfolded,
        },
        wrong={
            "columns": (
                lambda o, s, p, d: places_meshed(
                    o.unflatten(1, (3, 3)).transpose(1, 2).flatten(1, 2), s, p, d
                ).unflatten(1, (3, 3)).transpose(1, 2).flatten(1, 2),
                "taps in columns",
            ),
            "no padding": (
                lambda o, s, p, d: places_meshed(o, s, 0, d), "a padding left out",
            ),
            "centred": (
                lambda o, s, p, d: places_meshed(o, s, d, d), "a kernel centred on its output",
            ),
            "padding dilated": (
                lambda o, s, p, d: places_meshed(o, s, p * d, d), "a padding times the dilation",
            ),
            "padding inside": (
                lambda o, s, p, d: places_meshed(o, s, -p, d), "a padding added",
            ),
            "no stride": (lambda o, s, p, d: places_meshed(o, 1, p, d), "a stride left out"),
            "no dilation": (lambda o, s, p, d: places_meshed(o, s, p, 1), "a dilation left out"),
            "detached": (
                lambda o, s, p, d: places_meshed(o.detach(), s, p, d), "`.detach()`",
            ),
            "x first": (
                lambda o, s, p, d: places_meshed(o, s, p, d).flip(-1),
                "places with the column first",
            ),
            "negative": (lambda o, s, p, d: -places_meshed(o, s, p, d), "exactly the negative"),
        },
    ),
    "dilate": Tried(
        right={"text": "-2, -2, 0, 2", "brackets": "(-2, -2, 0, 2)", "tuple": (-2, -2, 0, 2),
               "two brackets": "(-2, -2), (0, 2)", "pairs": ((-2, -2), (0, 2))},
        wrong={
            "places": ("-3, -3, 0, 3", "places in place of offsets"),
            "inwards": ((2, 2, 0, -2), "offsets towards the middle"),
            "two": ((-1, -1, 0, 1), "offsets for dilation 2"),
            "exchanged": ((-2, -2, 2, 0), "row and column exchanged"),
            "three": ("-2, -2, 0", "4 numbers are expected"),
            "one": ((-2, -2, 0, 1), "look again at number 4"),
        },
    ),
    "deform": Tried(
        right={"at once": layer_at_once, "tents": layer_by_tents, "blocks": layer_as_blocks},
        wrong={
            "planes": (
                lambda x, w, n: layer_at_once(
                    x, w, n.unflatten(1, (2, 9)).transpose(1, 2).flatten(1, 2)),
                "all rows first, then all columns",
            ),
            "column first": (
                lambda x, w, n: layer_at_once(
                    x, w, n.unflatten(1, (9, 2)).flip(2).flatten(1, 2)),
                "offsets with the column first",
            ),
            "border": (
                lambda x, w, n: layer_at_once(x, w, n, padding_mode="border"),
                "a repeated border",
            ),
            "row first": (
                lambda x, w, n: layer_at_once(x, w, n, upright=True), "a grid with the row first",
            ),
            "from centres": (
                lambda x, w, n: layer_at_once(x, w, n, shift=0, less=1),
                "places from the first pixel's centre",
            ),
            "no half pixel": (
                lambda x, w, n: layer_at_once(x, w, n, shift=0), "half a pixel left out",
            ),
            "nearest": (
                lambda x, w, n: layer_at_once(x, w, n, mode="nearest"), "the nearest pixel",
            ),
            "flipped": (
                lambda x, w, n: layer_at_once(x, w.flip(2, 3), n), "a kernel turned around",
            ),
            "detached": (lambda x, w, n: layer_at_once(x, w, n.detach()), "`.detach()`"),
            "negative": (lambda x, w, n: -layer_at_once(x, w, n), "exactly the negative"),
        },
    ),
    "slopes": Tried(
        right={"text": "6, 6, 11", "tuple": (6, 6, 11), "words": "6, 6 and 11"},
        wrong={
            "no mask": ((12, 12, 11), "a mask left out"),
            "no weight": ((3, 3, 5.5), "a weight left out"),
            "reading": ((6, 6, 5.5), "slopes of the reading alone"),
            "mask": ((6, 6, 2.75), "a mask's slope with the mask in it"),
            "signs": ((-6, -6, -11), "With the other sign"),
            "axis": ((4, 8, 11), "shares of the wrong axis"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/deformable_convolution", TRIED)
