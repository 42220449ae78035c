"""Answers to the exercises on spatial transformers."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, trials


def centres(n, like):
    return torch.linspace(-1 + 1 / n, 1 - 1 / n, n, dtype=like.dtype)


def grid_homogeneous(theta, height, width):
    y, x = torch.meshgrid(centres(height, theta), centres(width, theta), indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    return torch.einsum("bij,hwj->bhwi", theta, points)


def grid_columns(theta, height, width):
    x = centres(width, theta).repeat(height)
    y = centres(height, theta).repeat_interleave(width)
    points = torch.stack([x, y, torch.ones_like(x)])
    return (theta @ points).mT.reshape(-1, height, width, 2)


def grid_expanded(theta, height, width):
    a, b, c = theta[:, :, 0], theta[:, :, 1], theta[:, :, 2]
    x, y = centres(width, theta)[None, None, :, None], centres(height, theta)[None, :, None, None]
    return a[:, None, None] * x + b[:, None, None] * y + c[:, None, None]


def compose_whole(first, second):
    row = first.new_tensor([[0.0, 0.0, 1.0]]).repeat(len(first), 1, 1)
    return torch.bmm(torch.cat([first, row], 1), torch.cat([second, row], 1))[:, :2, :]


def compose_parts(first, second):
    linear = torch.einsum("bij,bjk->bik", first[..., :2], second[..., :2])
    shift = torch.einsum("bij,bj->bi", first[..., :2], second[..., 2]) + first[..., 2]
    return torch.cat([linear, shift.unsqueeze(-1)], dim=-1)


def compose_padded(first, second):
    return first[:, :, :2] @ second + F.pad(first[:, :, 2:], (2, 0))


def sample_tents(x, grid):
    h, w = x.shape[2:]
    u, v = ((grid[..., 0] + 1) * w - 1) / 2, ((grid[..., 1] + 1) * h - 1) / 2
    # Relu of 1 - |distance|, with the slope of the library at the kink.
    a, b = u - u.floor(), v - v.floor()
    columns, rows = torch.arange(w), torch.arange(h)
    left, top = u.floor()[..., None], v.floor()[..., None]
    across = (1 - a)[..., None] * (columns == left) + a[..., None] * (columns == left + 1)
    down = (1 - b)[..., None] * (rows == top) + b[..., None] * (rows == top + 1)
    return torch.einsum("bchw,bijh,bijw->bcij", x, down, across)


def sample_padded(x, grid):
    h, w = x.shape[2:]
    big = F.pad(x, (1, 1, 1, 1))
    u = (((grid[..., 0] + 1) * w - 1) / 2 + 1).clamp(0, w + 1)
    v = (((grid[..., 1] + 1) * h - 1) / 2 + 1).clamp(0, h + 1)
    places = torch.stack([2 * u / (w + 1) - 1, 2 * v / (h + 1) - 1], dim=-1)
    return F.grid_sample(big, places, align_corners=True)


def tents_by_size(x, grid, tent=lambda u: (1 - u.abs()).clamp(min=0)):
    h, w = x.shape[2:]
    u, v = ((grid[..., 0] + 1) * w - 1) / 2, ((grid[..., 1] + 1) * h - 1) / 2
    across = tent(u[..., None] - torch.arange(w)).to(x)
    down = tent(v[..., None] - torch.arange(h)).to(x)
    return torch.einsum("bchw,bijh,bijw->bcij", x, down, across)


def sample_corners(x, grid, whole=torch.floor, half=0.5, late=False, keep=None, by_size=False):
    """Corner by corner, with steps that may be taken wrongly."""
    h, w = x.shape[2:]
    u, v = (grid[..., 0] + 1) * w / 2 - half, (grid[..., 1] + 1) * h / 2 - half
    y = 0
    for i in (0, 1):
        for j in (0, 1):
            m, n = whole(u) + j, whole(v) + i
            exists = (m >= 0) & (m < w) & (n >= 0) & (n < h)
            inner_m, inner_n = m.clamp(0, w - 1), n.clamp(0, h - 1)
            if late:
                m, n, exists = inner_m, inner_n, torch.ones_like(exists)
            if by_size:
                share = (1 - (u - m).abs()) * (1 - (v - n).abs())
            else:
                share = (1 + (u - m) * (-1) ** (j == 0)) * (1 + (v - n) * (-1) ** (i == 0))
            index = (inner_n * w + inner_m).long().flatten(1)[:, None].expand(-1, x.shape[1], -1)
            corner = x.flatten(2).gather(2, index).unflatten(2, u.shape[1:])
            y = y + (share * (exists if keep is None else keep(grid)))[:, None] * corner
    return y


def spline_joint(controls, moved, points, kernel=lambda d2: torch.xlogy(d2, d2)):
    def columns(p):
        d2 = (p[:, None, :] - controls[None]).pow(2).sum(-1)
        return torch.cat([kernel(d2), torch.ones(len(p), 1, dtype=p.dtype), p], dim=1)

    k = len(controls)
    top = columns(controls)
    bottom = torch.cat([top[:, k:].T, torch.zeros(3, 3, dtype=top.dtype)], dim=1)
    right = torch.cat([moved, torch.zeros(3, 2, dtype=top.dtype)])
    return columns(points) @ torch.linalg.solve(torch.cat([top, bottom]), right)


def spline_inverse(controls, moved, points):
    eye = torch.eye(len(controls), dtype=moved.dtype)
    columns = [spline_joint(controls, e[:, None].expand(-1, 2), points)[:, 0] for e in eye]
    return torch.stack(columns, dim=1) @ moved


TRIED = {
    "affine_grid": Tried(
        right={"homogeneous": grid_homogeneous, "columns": grid_columns, "sums": grid_expanded},
        wrong={
            "two": (
                lambda t, h, w: F.affine_grid(t * t.new_tensor([1, 1, 0]), [len(t), 1, h, w], True),
                "two mistakes at once: points from corner to corner, and a shift left out",
            ),
            "transposed": (
                lambda t, h, w: grid_homogeneous(t, h, w).transpose(1, 2), "`.transpose(1, 2)`"
            ),
            "detached": (lambda t, h, w: grid_columns(t.detach(), h, w), "`.detach()`"),
            "0 to 1": (
                lambda t, h, w: F.affine_grid(t, [len(t), 1, h, w], align_corners=False) / 2
                + (t.sum(dim=2) / 2)[:, None, None], "points from 0 to 1"
            ),
            "pixels": (
                lambda t, h, w: torch.einsum(
                    "bij,hwj->bhwi", t, torch.stack([
                        torch.arange(w).expand(h, w), torch.arange(h)[:, None].expand(h, w),
                        torch.ones(h, w)], dim=-1).to(t)), "points counted in pixels"
            ),
            "sizes": (lambda t, h, w: grid_expanded(t, w, h), "height and width exchanged"),
            "inverse": (
                lambda t, h, w: grid_homogeneous(torch.linalg.inv(torch.cat([
                    t, t.new_tensor([[0.0, 0, 1]]).repeat(len(t), 1, 1)], 1))[:, :2], h, w),
                "from the input to the output",
            ),
            "first axis": (lambda t, h, w: grid_columns(t, h, w).permute(0, 3, 1, 2), "movedim"),
            "first": (lambda t, h, w: grid_columns(t[:1], h, w).expand(len(t), h, w, 2), "copies"),
        },
    ),
    "compose": Tried(
        right={"whole": compose_whole, "parts": compose_parts, "padded": compose_padded},
        wrong={
            "three rows": (
                lambda a, b: torch.cat([compose_parts(a, b), torch.zeros_like(a[:, :1])], 1),
                "shape is not the expected one",
            ),
            "transposed": (
                lambda a, b: (a[:, :, :2].mT @ b), "The values differ"
            ),
            "one shift": (
                lambda a, b: torch.cat([a[..., :2] @ b[..., :2], a[..., 2:]], 2),
                "the second shift left out",
            ),
            "other shift": (
                lambda a, b: torch.cat([
                    compose_parts(a, b)[..., :2], compose_parts(b, a)[..., 2:]], 2),
                "a shift in the order of the layers",
            ),
            "no_grad": (torch.no_grad()(compose_parts), "`torch.no_grad()`"),
            "inverted": (lambda a, b: -compose_parts(a, b), "exactly the negative"),
        },
    ),
    "slopes_on_a_pixel": Tried(
        right={"text": "36, 13", "brackets": "(36, 13)", "words": "36 and 13",
               "quotes": ("'36'", "13"), "dictionary": {"printed": 36, "grid_sample": 13}},
        wrong={
            "turned": ("13, 36", "an exchange of the two"),
            "signs": ((-36, -13), "With the other sign"),
            "neighbours": ((85, 13), "both neighbours in the printed rule"),
            "units": ("36, 26", "a slope in half widths"),
            "one": ((36, 14), "look again at number 2: 14 is too large"),
            "three": ("36, 13, 0", "2 numbers are expected"),
        },
    ),
    "sample": Tried(
        right={
            "tents": sample_tents, "padded": sample_padded, "corners": sample_corners,
            "tents by size": tents_by_size,
            "relu": lambda x, g: tents_by_size(x, g, lambda u: torch.relu(1 - u.abs())),
        },
        wrong={
            "transposed": (lambda x, g: sample_padded(x, g).mT, "order: `.mT`"),
            "grid detached": (lambda x, g: sample_padded(x, g.detach()), "`.detach()`"),
            "shares by size": (
                lambda x, g: sample_corners(x, g, by_size=True),
                "the gradient with respect to `grid` is not",
            ),
            "truncated": (
                lambda x, g: sample_corners(x, g, whole=lambda u: u.long().to(u)), "a truncation"
            ),
            "edges": (lambda x, g: sample_corners(x, g, half=0), "half a pixel left out"),
            "late": (lambda x, g: sample_corners(x, g, late=True), "after the clamp"),
            "all or nothing": (
                lambda x, g: sample_corners(x, g, keep=lambda g: (g.abs() <= 1).all(-1)),
                "all or nothing at the edge",
            ),
            "channels last": (lambda x, g: sample_padded(x, g).movedim(1, 3), "`.movedim(3, 1)`"),
            "batch of the first": (
                lambda x, g: sample_padded(x[:1].expand_as(x), g), "only the first item"
            ),
            "two": (
                lambda x, g: F.grid_sample(x, g.flip(-1), mode="nearest", align_corners=False),
                "values differ",
            ),
        },
    ),
    "thin_plate": Tried(
        right={
            "joint": spline_joint,
            "r log r": lambda c, m, p: spline_joint(c, m, p, lambda d: torch.xlogy(d, d) / 2),
            "inverse": spline_inverse,
        },
        wrong={
            "moves": (
                lambda c, m, p: spline_joint(c, m - c, p), "moves in place of places"
            ),
            "detached": (lambda c, m, p: spline_joint(c, m.detach(), p), "`.detach()`"),
            "back": (lambda c, m, p: spline_joint(m, c, p), "on the way back"),
            "added": (
                lambda c, m, p: spline_joint(c, m, p, lambda d: d * (d + 1e-5).log()),
                "something added before the logarithm",
            ),
            "y first": (lambda c, m, p: spline_joint(c, m, p).flip(1), "mirrored along axis 1"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/spatial_transformer", TRIED)
