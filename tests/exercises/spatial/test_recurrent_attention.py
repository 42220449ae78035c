"""Answers to the exercises on RAM."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, trials


def axis(place, size, length):
    middle = (length - 1) / 2 + place * max(length - size, 0) / 2
    return middle[:, None] + torch.arange(size, dtype=place.dtype) - (size - 1) / 2


def grid_for(x, location, size):
    across = (2 * axis(location[:, 0], size, x.shape[3]) + 1) / x.shape[3] - 1
    down = (2 * axis(location[:, 1], size, x.shape[2]) + 1) / x.shape[2] - 1
    shape = (len(x), size, size)
    return torch.stack([across[:, None].expand(shape), down[:, :, None].expand(shape)], dim=-1)


def glimpse(x, location, size, **options):
    return F.grid_sample(x, grid_for(x, location, size), align_corners=False, **options)


def glimpse_by_image(x, location, size):
    pairs = zip(x.split(1), location.split(1), strict=True)
    return torch.cat([glimpse(image, place, size) for image, place in pairs])


def tents(x, location, size):
    """Shares of the pixels, written out: max(0, 1 - distance) along each axis."""
    across = axis(location[:, 0], size, x.shape[3])[:, :, None]
    down = axis(location[:, 1], size, x.shape[2])[:, :, None]
    a = (1 - (across - torch.arange(x.shape[3])).abs()).clamp(min=0)
    b = (1 - (down - torch.arange(x.shape[2])).abs()).clamp(min=0)
    return torch.einsum("bchw,biw,bjh->bcji", x, a, b)


def padded(x, location, size):
    """A border of zeros around the image, and a warp of it."""
    rim = 2 * size + max(x.shape[2:])
    big = F.pad(x, (rim, rim, rim, rim))
    across = axis(location[:, 0], size, x.shape[3]) + rim
    down = axis(location[:, 1], size, x.shape[2]) + rim
    grid = torch.stack(
        [
            (2 * across / (big.shape[3] - 1) - 1)[:, None].expand(-1, size, -1),
            (2 * down / (big.shape[2] - 1) - 1)[:, :, None].expand(-1, -1, size),
        ],
        dim=-1,
    )
    return F.grid_sample(big, grid, align_corners=True)


def no_maximum(x, location, size):
    across = (x.shape[3] - 1) / 2 + location[:, :1] * (x.shape[3] - size) / 2
    down = (x.shape[2] - 1) / 2 + location[:, 1:] * (x.shape[2] - size) / 2
    offset = torch.arange(size) - (size - 1) / 2
    a, d = (2 * (across + offset) + 1) / x.shape[3] - 1, (2 * (down + offset) + 1) / x.shape[2] - 1
    shape = (len(x), size, size)
    grid = torch.stack([a[:, None].expand(shape), d[:, :, None].expand(shape)], dim=-1)
    return F.grid_sample(x, grid, align_corners=False)


def clamped_grid(x, location, size):
    grid = grid_for(x, location, size).clamp(-1, 1)
    return F.grid_sample(x, grid, align_corners=False)


def estimate_loops(sample, mean, std, reward, guess):
    total = torch.zeros_like(mean[0])
    for s, m, r, b in zip(sample, mean, reward, guess, strict=True):
        total = total + (r - b) * (s - m) / std**2
    return total / len(sample)


def estimate_loss(sample, mean, std, reward, guess):
    mu = mean.clone().requires_grad_()
    density = torch.distributions.Normal(mu, std).log_prob(sample).sum(1)
    loss = -((reward - guess).detach() * density).mean()
    return -torch.autograd.grad(loss, mu)[0].sum(0)


TRIED = {
    "glimpse": Tried(
        right={"grid": glimpse, "tents": tents, "padded": padded},
        wrong={
            "loop": (glimpse_by_image, "more calls where axis 0"),
            "no maximum": (no_maximum, "a large window that moves the wrong way"),
            "border": (lambda *a: glimpse(*a, padding_mode="border"), "a repeated border"),
            "reflection": (lambda *a: glimpse(*a, padding_mode="reflection"), "The values differ"),
            "clamped grid": (clamped_grid, "The values differ"),
            "clamped location": (lambda x, p, n: glimpse(x, p.clamp(-1, 1), n), "clamped location"),
            "transposed": (lambda *a: glimpse(*a).mT, "order: `.mT`"),
            "two": (
                lambda x, p, n: glimpse(x, p.flip(1).clamp(-1, 1), n),
                "two mistakes at once: a location taken as (row, column), and a clamped location",
            ),
            "location detached": (lambda x, p, n: glimpse(x, p.detach(), n), "`.detach()`"),
            "no_grad": (torch.no_grad()(glimpse), "`torch.no_grad()`"),
            "first": (lambda x, p, n: glimpse(x[:1].expand_as(x), p, n), "only the first item"),
            "mirrored": (lambda *a: glimpse(*a).flip(-1), "mirrored along axis 3"),
        },
    ),
    "estimate": Tried(
        right={
            "loops": estimate_loops,
            "a loss": estimate_loss,
            "no_grad": torch.no_grad()(estimate_loops),
        },
        wrong={
            "one sign": (lambda s, m, std, r, b: estimate_loops(s, m, std, r.abs(), b), "differ"),
            "two": (
                lambda s, m, std, r, b: (r[:, None] * (s - m) / std**2).sum(0),
                "two mistakes at once: a forgotten baseline, and a sum over the batch",
            ),
            "not averaged": (
                lambda s, m, std, r, b: (r - b)[:, None] * (s - m) / std**2,
                "shape is not the expected one",
            ),
            "half": (lambda *a: estimate_loops(*a) / 2, "1/2 times the expected"),
        },
    ),
    "best_baseline": Tried(
        right={"text": "-4.25, -4.75", "dictionary": {"reward": -4.25, "baseline": "-4.75"}},
        wrong={
            "one number": (-4.25, "2 numbers are expected, but the answer holds 1"),
            "one wrong": ((-4.25, -4.5), "look again at number 2: -4.5 is too large"),
            "set": ({-4.25, -4.75}, "A set has no order"),
        },
    ),
    "silent_line": Tried(
        right={"letter": "option a", "line": "sample = policy.rsample()"},
        wrong={"other": ("c", "Not this one."),
               "none": ("e", "choose one of a, b, c, d")},
    ),
    "who_learns": Tried(
        right={"text": {"Cross-entropy": "What", "reinforce": "policy", "regression": "baseline",
                        "fence": "'policy'"}},
        wrong={"open": ({"fence": "policy"}, "Still open")},
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/recurrent_attention", TRIED)
