"""Answers to the exercises on STA-LSTM."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, less_the_mean, trials


def gate_stable(scores, x):
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    return scores.shape[-1] * (e / e.sum(-1, keepdim=True)).unsqueeze(-1) * x


def gate_mean(scores, x):
    e = (scores - scores.logsumexp(2, keepdim=True)).exp()
    return torch.einsum("btk,btkd->btkd", e / e.mean(2, keepdim=True), x)


def gate_plain(scores, x):
    return F.softmax(scores, dim=2)[..., None] * x * x.shape[2]


def before_loop(h):
    frames = [torch.zeros_like(h[:, 0])]
    for t in range(h.shape[1] - 1):
        frames.append(h[:, t])
    return torch.stack(frames, dim=1)


def before_pad(h):
    return F.pad(h, (0, 0, 1, -1))


def before_rolled(h):
    mask = torch.ones(h.shape[1], dtype=h.dtype)
    mask[0] = 0
    return torch.roll(h, 1, dims=1) * mask[:, None]


def gradient_steps(z, beta, y):
    o = (beta.unsqueeze(-1) * z).mean(1)
    error = o.softmax(-1)
    error = error - F.one_hot(y, z.shape[-1]).to(z.dtype)
    return torch.einsum("bn,btn->bt", error, z) / z.shape[1]


def gradient_autograd(z, beta, y):
    leaf = beta.detach().requires_grad_()
    o = torch.einsum("bt,btn->bn", leaf, z) / z.shape[1]
    F.cross_entropy(o, y, reduction="sum").backward()
    return leaf.grad


TRIED = {
    "gate_joints": Tried(
        right={"stable": gate_stable, "by the mean": gate_mean, "plain": gate_plain},
        wrong={
            "overflow": (
                lambda s, x: x.shape[2] * ((e := s.exp()) / e.sum(2, keepdim=True))[..., None] * x,
                "an overflow",
            ),
            "mean": (lambda s, x: x.shape[2] * less_the_mean(s, 2)[..., None] * x, "NaN"),
            "two": (
                lambda s, x: x + s.softmax(1)[..., None] * x * s.shape[2],
                "two mistakes at once: a softmax over the frames, and the gated skeleton added",
            ),
            "detached": (lambda s, x: gate_plain(s.detach(), x), "`.detach()`"),
            "no_grad": (torch.no_grad()(gate_plain), "`torch.no_grad()`"),
            "negative": (lambda s, x: -gate_plain(s, x), "exactly the negative"),
            "first": (lambda s, x: gate_plain(s[:1].expand_as(s), x), "only the first item"),
            "flat": (lambda s, x: gate_plain(s, x).flatten(2), "shape is not the expected one"),
            "coordinates": (
                lambda s, x: x.shape[-1] * s.softmax(-1)[..., None] * x, "Your factor is 3"
            ),
            "of one clip": (
                lambda s, x: (s.shape[2] * s.flatten(1).softmax(1).view_as(s))[..., None] * x,
                "Each frame has 1 of its own",
            ),
            "root": (
                lambda s, x: s.shape[2] ** 0.5 * s.softmax(2)[..., None] * x, "square root"
            ),
        },
    ),
    "before": Tried(
        right={"pad": before_pad, "rolled": before_rolled},
        wrong={
            "loop": (before_loop, "more calls where axis 1"),
            "transposed": (lambda h: before_pad(h).mT, "order: `.mT`"),
            "detached": (lambda h: before_pad(h.detach()), "`.detach()`"),
            "one frame": (lambda h: F.pad(h, (0, 0, 1, 0)), "shape is not the expected one"),
            "clips": (lambda h: F.pad(h, (0, 0, 0, 0, 1, 0))[:-1], "a shift of the clips"),
            "no dims": (lambda h: h.roll(1), "takes the tensor as one long row"),
            "rolled back": (lambda h: h.roll(-1, 1), "the last frame gets the first state"),
            "two": (lambda h: before_pad(before_pad(h)), "Yours is h_{t-2}"),
            "backwards": (lambda h: before_pad(h).flip(1), "mirrored along axis 1"),
        },
    ),
    "penalty_range": Tried(
        right={"text": "18.05, 19", "fraction": "361/20 and 19"},
        wrong={"turned": ((19, 18.05), "even gates and one joint changed places"),
               "one": ((18.05, 20), "look again at number 2: 20 is too large"),
               "squares": ("1/20 and 1", "the penalty is K - 2 more"),
               "free": ((18, 20), "aₖ that add up to 1")},
    ),
    "frame_gradient": Tried(
        right={"steps": gradient_steps, "autograd": gradient_autograd},
        wrong={
            "two": (
                lambda z, beta, y: -gradient_steps(z, beta, y) * z.shape[1],
                "two mistakes at once: a missing 1/T, and a turned sign",
            ),
            "mean over the batch": (
                lambda z, beta, y: gradient_steps(z, beta, y) / len(z), "the length of axis 0"
            ),
            "sum": (
                lambda z, beta, y: gradient_steps(z * z.shape[1], beta, y) / z.shape[1],
                "a prediction from the sum",
            ),
            "shares": (
                lambda z, beta, y: gradient_steps(z, beta / beta.mean(1, keepdim=True), y),
                "Nothing normalises them",
            ),
            "no classes": (
                lambda z, beta, y: (beta[..., None] * z).mean(1).softmax(-1), "shape is not"
            ),
        },
    ),
    "normaliser": Tried(
        right={"text": {"known before later frames come": "relu", "can be exactly zero": "ReLU",
                        "adds up to 1 over the clip": "softmax",
                        "gets a gradient at every frame": "'softmax'",
                        "can scale all scores of a clip up": ["relu"],
                        "sees what the main LSTM remembers": "None"}},
        wrong={"open": ({"can be exactly zero": "relu"}, "Still open")},
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial_temporal/sta_lstm", TRIED)
