"""Answers to the exercises on the building blocks."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, trials


def std_by_hand(x, eps):
    h, w = x.shape[2:]
    centred = x - x.sum((2, 3), keepdim=True) / (h * w)
    return torch.sqrt((centred * centred).sum((2, 3)) / (h * w) + eps)


def std_loops(x, eps):
    rows = []
    for image in x:
        rows.append(torch.stack([(m.var(unbiased=False) + eps) ** 0.5 for m in image]))
    return torch.stack(rows)


def fold_loops(weight, bias, gamma, beta, mean, var, eps):
    rows = []
    for o in range(len(weight)):
        a = gamma[o] / torch.sqrt(var[o] + eps)
        rows.append(torch.cat([a * weight[o].flatten(), (beta[o] + a * (bias[o] - mean[o]))[None]]))
    return torch.stack(rows)


def fold_at_once(weight, bias, gamma, beta, mean, var, eps):
    rows = torch.cat([weight.flatten(1), (bias - mean)[:, None]], dim=1)
    rows = rows * (gamma / (var + eps) ** 0.5)[:, None]
    return torch.cat([rows[:, :-1], rows[:, -1:] + beta[:, None]], dim=1)


def norm(x, eps):
    dims = (0, 2, 3)
    rho = (x.var(dims, correction=0, keepdim=True) + eps).sqrt()
    return rho, (x - x.mean(dims, keepdim=True)) / rho


def cancelling(x, dims):
    """E[x²] - E[x]², the biased variance but for rounding."""
    return x.square().mean(dims, keepdim=True) - x.mean(dims, keepdim=True).square()


def grouped_cancelling(x, groups, eps):
    y = x.unflatten(1, (groups, -1))
    rho = (cancelling(y, (2, 3, 4)).clamp_min(0) + eps).sqrt()
    return ((y - y.mean((2, 3, 4), keepdim=True)) / rho).flatten(1, 2)


def backward_cancelling(x, gamma, g, eps):
    rho = (cancelling(x, (0, 2, 3)).clamp_min(0) + eps).sqrt()
    x_hat = (x - x.mean((0, 2, 3), keepdim=True)) / rho
    slope = (g * x_hat).mean((0, 2, 3), keepdim=True)
    return gamma[:, None, None] / rho * (g - g.mean((0, 2, 3), keepdim=True) - x_hat * slope)


def backward_means(x, gamma, g, eps):
    rho, x_hat = norm(x, eps)
    level = g.mean((0, 2, 3), keepdim=True)
    slope = (g * x_hat).mean((0, 2, 3), keepdim=True)
    return gamma.view(1, -1, 1, 1) / rho * (g - level - x_hat * slope)


def backward_paper(x, gamma, g, eps):
    """The chain rule as in the paper: through x-hat, the variance and the mean."""
    dims, m = (0, 2, 3), x.numel() / x.shape[1]
    mu = x.mean(dims, keepdim=True)
    var = x.var(dims, correction=0, keepdim=True)
    d_hat = g * gamma[:, None, None]
    d_var = (d_hat * (x - mu) * -0.5 * (var + eps) ** -1.5).sum(dims, keepdim=True)
    d_mu = (-d_hat / (var + eps) ** 0.5).sum(dims, keepdim=True)
    return d_hat / (var + eps) ** 0.5 + d_var * 2 * (x - mu) / m + d_mu / m


def grouped_reshape(x, groups, eps):
    b, c, h, w = x.shape
    y = x.reshape(b, groups, c // groups * h * w)
    y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, unbiased=False, keepdim=True) + eps) ** 0.5
    return y.reshape(b, c, h, w)


def grouped_loops(x, groups, eps):
    parts = []
    for part in x.chunk(groups, dim=1):
        centred = part - part.mean((1, 2, 3), keepdim=True)
        variance = centred.square().mean((1, 2, 3), keepdim=True)
        parts.append(centred * torch.rsqrt(variance + eps))
    return torch.cat(parts, dim=1)


TRIED = {
    "grouped": Tried(
        right={
            "reshape": grouped_reshape,
            "loops": grouped_loops,
            "library": lambda x, groups, eps: F.group_norm(x, groups, None, None, eps),
        },
        wrong={
            "cancelling": (grouped_cancelling, "digits are lost"),
            "layer": (
                lambda x, groups, eps: F.layer_norm(x, x.shape[1:], eps=eps), "layer normalisation"
            ),
            "each map": (
                lambda x, groups, eps: grouped_reshape(x, x.shape[1], eps),
                "instance normalisation",
            ),
            "sizes": (
                lambda x, groups, eps: grouped_reshape(x, x.shape[1] // groups, eps),
                "not the other way round",
            ),
            "interleaved": (
                lambda x, groups, eps: torch.stack(
                    [grouped_reshape(x[:, n::groups], 1, eps) for n in range(groups)], 2
                ).flatten(1, 2),
                "neighbouring channels",
            ),
            "no eps": (lambda x, groups, eps: grouped_reshape(x, groups, 0), "√(var + eps)"),
            "negative": (lambda *a: -grouped_reshape(*a), "exactly the negative"),
            "detached": (
                lambda x, groups, eps: grouped_reshape(x.detach(), groups, eps), "`.detach()`"
            ),
        },
    ),
    "std_pool": Tried(
        right={"by hand": std_by_hand, "loops": std_loops},
        wrong={
            "difference of squares": (
                lambda x, eps: (x.square().mean((2, 3)) - x.mean((2, 3)) ** 2 + eps).sqrt(),
                "difference of two large, nearly equal numbers",
            ),
            "difference, clamped": (
                lambda x, eps: (
                    ((x**2).mean((-2, -1)) - x.mean((-2, -1)) ** 2).clamp(min=0) + eps
                ) ** 0.5,
                "difference of two large, nearly equal numbers",
            ),
            "library": (lambda x, eps: x.std((2, 3)), "torch's own std"),
            "kept axes": (lambda x, eps: std_by_hand(x, eps)[..., None, None], "axes of length 1"),
            "detached": (lambda x, eps: std_by_hand(x.detach(), eps), "`.detach()`"),
            "transposed": (lambda x, eps: std_by_hand(x, eps).T, "another order: `.T`"),
        },
    ),
    "fold": Tried(
        right={
            "loops": fold_loops,
            "at once": fold_at_once,
            "no_grad": torch.no_grad()(fold_at_once),
            "detached": lambda *layer: fold_at_once(*layer).detach(),
        },
        wrong={
            "one sign": (lambda w, b, y, *rest: fold_at_once(w, b, y.abs(), *rest), "differ"),
            "two": (
                lambda w, b, gamma, beta, mean, var, eps: fold_at_once(
                    w, b, torch.ones_like(gamma), torch.zeros_like(beta), mean, var, eps
                ),
                "two mistakes at once: a forgotten beta, and a forgotten gamma",
            ),
            "transposed": (lambda *layer: fold_at_once(*layer).T, "another order: `.T`"),
            "first": (
                lambda w, b, *rest: torch.cat([
                    fold_at_once(w, b, *rest)[:1], torch.cat([w.flatten(1), b[:, None]], 1)[1:]
                ]),
                "only the first item",
            ),
        },
    ),
    "bn_backward": Tried(
        right={"means": backward_means, "paper": backward_paper},
        wrong={
            "two": (
                lambda x, gamma, dy, eps: (
                    norm(x, eps)[0] ** -1 * (dy - dy.mean((0, 2, 3), keepdim=True))
                ),
                "two mistakes at once: a missing projection on x-hat, and a forgotten gamma",
            ),
            "cancelling": (backward_cancelling, "digits are lost"),
            "one sign": (lambda x, y, *a: backward_means(x, y.abs(), *a), "differ"),
            "negative": (lambda *a: -backward_means(*a), "exactly the negative"),
            "the forward pass": (
                lambda x, gamma, dy, eps: gamma[:, None, None] * norm(x, eps)[1], "values differ"
            ),
        },
    ),
    "leaky_scale": Tried(
        right={"text": "8/5", "list": [1.6], "comma": "1,6"},
        wrong={
            "near": (1.61, "1.61 is close, and too large by less than 1 %."),
            "sign": (-1.6, "With the other sign"),
        },
    ),
    "which_order": Tried(
        wrong={
            "incomplete": ({"average": "mean"}, "Still open"),
            "two": (
                {"average": "mean, std", "ReLU → average": "mean std code",
                 "batch norm → average": "mean", "batch norm → ReLU → average": "mean std code",
                 "instance norm → average": "mean", "instance norm → ReLU → average": "code"},
                "And an instance norm that leaves the mean",
            ),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("foundations/building_blocks", TRIED)
