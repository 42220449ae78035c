"""Experiments on the vision transformer.

``missing_glyph`` asks for the glyph of the one cell that has the blank cell's pattern; ``longer``
gives the rivals more steps, more width or more layers.  ``same_or_different`` looks alike, and a
bag of features solves it.  ``shuffled_digits`` shows every digit with its patches in one other
order.  ``two_names`` asks two questions at once, of one head or of two.
"""

from __future__ import annotations

import torch.nn.functional as F

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.vision_transformer.nets import (
    MeanMixing,
    NamesNet,
    NoSoftmax,
    Shuffled,
    cell_cnn,
    digit_cnn,
    digit_mlp,
    digit_vit,
    glyph_vit,
    pixel_mlp,
    same_cnn,
    same_vit,
)
from attncourse.tasks import digits_task
from attncourse.tasks.missing_glyph import MissingGlyph
from attncourse.tasks.same_glyph import SameGlyph
from attncourse.tasks.two_names import TwoNames, explained_items
from attncourse.training import Budget

_BUDGET = Budget(steps=1_000, batch_size=64, learning_rate=4e-3, weight_decay=0.01, clip=1.0)
_LONGER = Budget(steps=1_600, batch_size=64, learning_rate=2e-3, weight_decay=0.01, clip=1.0)

GLYPH = Experiment(
    name="missing_glyph",
    question="Can a network find the one cell with the same pattern, and say what stands in it?",
    task=MissingGlyph,
    variants=(
        Variant("CNN", "plain", cell_cnn, "convolutions that see the whole raster"),
        Variant("MLP", "plain", pixel_mlp, "every pixel meets every other in each layer"),
        Variant(
            "mean mixing",
            "ablation",
            lambda: glyph_vit(mixer=MeanMixing),
            "the same blocks, in which all tokens read the plain mean",
        ),
        Variant(
            "no softmax",
            "ablation",
            lambda: glyph_vit(mixer=NoSoftmax),
            "products of queries and keys over n, the number of tokens",
        ),
        Variant("one layer", "ablation", lambda: glyph_vit(depth=1), "attention once"),
        Variant("one head", "ablation", lambda: glyph_vit(heads=1), "one question a layer"),
        Variant("ViT", "mechanism", glyph_vit, "two layers of four heads"),
    ),
    quick=_BUDGET,
    full=_BUDGET,
    data="4 x 4 cells with fresh patterns, four glyphs, one blank",
    matters=0.02,
    learned=0.9,
)

LONGER = Experiment(
    name="longer",
    question="Do the rivals get there with more steps, more width or more layers?",
    task=MissingGlyph,
    variants=(
        Variant("CNN, wide", "plain", lambda: cell_cnn(64), "64 channels, 1,600 steps"),
        Variant("MLP", "plain", pixel_mlp, "the same network, 1,600 steps"),
        Variant(
            "one layer",
            "ablation",
            lambda: glyph_vit(depth=1),
            "the same network, 1,600 steps; weights set by hand are right in half of the images",
        ),
        Variant(
            "mean mixing, four layers",
            "ablation",
            lambda: glyph_vit(depth=4, mixer=MeanMixing),
            "a bag that is made anew in every layer, by cells that know the last one",
        ),
        Variant(
            "no softmax",
            "ablation",
            lambda: glyph_vit(mixer=NoSoftmax),
            "the same network, 1,600 steps",
        ),
        Variant("ViT", "mechanism", glyph_vit, "the same network, 1,600 steps"),
    ),
    quick=_LONGER,
    full=_LONGER,
    data="4 x 4 cells with fresh patterns, four glyphs, one blank",
    matters=0.02,
    learned=0.9,
)

_SAME = Budget(steps=600, batch_size=64, learning_rate=4e-3, weight_decay=0.01, clip=1.0)
SAME = Experiment(
    name="same_or_different",
    question="Does it take attention to say whether two glyphs are the same?",
    task=SameGlyph,
    variants=(
        Variant("CNN, linear head", "plain", same_cnn, "a mean over cells, and one layer"),
        Variant(
            "CNN, two-layer head", "plain", lambda: same_cnn(48), "the same mean, and two layers"
        ),
        Variant(
            "1 x 1, linear head",
            "ablation",
            lambda: same_cnn(reach=1),
            "no cell sees another before the mean, and one layer",
        ),
        Variant(
            "1 x 1, two-layer head",
            "ablation",
            lambda: same_cnn(48, reach=1),
            "no cell sees another before the mean, and two layers",
        ),
        Variant(
            "mean mixing",
            "ablation",
            lambda: same_vit(MeanMixing),
            "the ViT's blocks, in which all tokens read the plain mean",
        ),
        Variant("ViT", "mechanism", same_vit, "two layers of four heads"),
    ),
    quick=_SAME,
    full=_SAME,
    data="two of four glyphs on 4 x 4 cells",
    matters=0.02,
    learned=0.9,
)

_DIGITS = Budget(steps=600, batch_size=64, learning_rate=3e-3, weight_decay=0.05, clip=1.0)
SHUFFLED = Experiment(
    name="shuffled_digits",
    question="Who needs neighbouring patches to be neighbours?",
    task=digits_task,
    variants=(
        Variant("CNN", "plain", lambda: Shuffled(digit_cnn(), shuffle=False), "digits as they are"),
        Variant("CNN, shuffled", "plain", lambda: Shuffled(digit_cnn()), "one fixed other order"),
        Variant("MLP", "plain", lambda: Shuffled(digit_mlp(), shuffle=False), "digits as they are"),
        Variant("MLP, shuffled", "plain", lambda: Shuffled(digit_mlp()), "one fixed other order"),
        Variant(
            "ViT, no positions",
            "ablation",
            lambda: Shuffled(digit_vit(positions=False), shuffle=False),
            "a set of patches; every order is the same",
        ),
        Variant("ViT", "mechanism", lambda: Shuffled(digit_vit(), shuffle=False), "as they are"),
        Variant("ViT, shuffled", "mechanism", lambda: Shuffled(digit_vit()), "another order"),
    ),
    quick=_DIGITS,
    full=_DIGITS,
    data="scikit-learn digits, 1,400 for training, 397 for testing",
    matters=0.01,
)

_NAMES = Budget(steps=3_000, batch_size=32, learning_rate=2e-3, clip=1.0)
HEADS = Experiment(
    name="two_names",
    question="Can one head ask two questions at once?",
    task=TwoNames,
    variants=(
        Variant("one head", "plain", lambda: NamesNet(1), "one softmax over the tokens"),
        Variant("one head, wide", "plain", lambda: NamesNet(1, 64), "all tokens twice as wide"),
        Variant(
            "one head, two layers",
            "ablation",
            lambda: NamesNet(1, depth=2),
            "one question after the other",
        ),
        Variant(
            "one head, MLP",
            "ablation",
            lambda: NamesNet(1, after=64),
            "a hidden layer reads what one head has read",
        ),
        Variant(
            "one head, two MLPs",
            "ablation",
            lambda: NamesNet(1, before=64, after=64),
            "and another one writes what it reads",
        ),
        Variant("two heads", "mechanism", lambda: NamesNet(2), "the same parameters as one head"),
    ),
    quick=_NAMES,
    full=_NAMES,
    data="sixteen tokens with two names and a number",
    loss=F.mse_loss,
    score=Score(explained_items, bounds=(None, 1.0)),
    metric="share of the answers' variance explained",
    matters=0.02,
)

EXPERIMENTS = (GLYPH, LONGER, SAME, SHUFFLED, HEADS)
