"""Task and controls of the chapter on graph reasoning, and what its runs bear out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.experiments import experiments_of, published
from attncourse.experiments.spatial.spatial_pyramid_graph.nets import (
    Dilated,
    Doubled,
    FineEdges,
    GatedBefore,
    MeanPyramid,
    Smoothing,
    StaticDiagonal,
    WithoutDiagonal,
    WithoutEdges,
)
from attncourse.spatial.spatial_pyramid_graph import affinity, smoothed
from attncourse.tasks.kindred_blobs import (
    ATTRIBUTE_NOISE,
    SIGN,
    VARIANCE,
    Decoys,
    KindredBlobs,
    explained_items,
    from_mean_of,
    lines,
    noise_explained_items,
    not_linear,
    seen_alike,
)
from tests.contract.specimen import built
from tests.unit.of_tasks import Says, batch_of

CHAPTER = "spatial/spatial_pyramid_graph"


@pytest.mark.parametrize("task", [KindredBlobs(), Decoys(), KindredBlobs(scattered=True)])
def test_a_batch_is_a_function_of_its_seed(task):
    x, y = batch_of(task)
    assert x.shape[2:] == y.shape[2:] == (12, 12)
    assert task.classes == 0


def test_kinds_are_keys_and_attributes():
    """Means over a kind are its key, a unit vector, and its attribute; noise is as stated."""
    task = KindredBlobs(test_size=1_024)
    x, y, kind, blob = task.test_cases()
    assert torch.equal(kind, blob % 3)
    one = F.one_hot(kind).movedim(-1, 1).float()
    count = one.sum(dim=(2, 3))
    large = (count > 20)[..., None]
    mean = torch.einsum("bkhw,bchw->bkc", one, x) / count.clamp(min=1)[..., None]
    asked = torch.einsum("bkhw,bchw->bkc", one, y) / count.clamp(min=1)[..., None]
    norm = mean[..., :4].norm(dim=2, keepdim=True)[large]
    assert float((norm - 1).abs().mean()) < 0.05
    assert float((x[:, 4:] - y).std()) == pytest.approx(ATTRIBUTE_NOISE, rel=0.01)
    assert float(y.var()) == pytest.approx(VARIANCE, rel=0.03)
    at_pixels = torch.einsum("bkhw,bkc->bchw", one, asked)
    assert (at_pixels - y).abs().max() < 1e-5  # one answer for all pixels of a kind


def test_scattered_pictures_have_no_blobs():
    """A neighbour is of one's kind as often as any pixel, and three times as often with blobs."""
    found = {}
    for scattered in (False, True):
        _, _, kind, _ = KindredBlobs(scattered=scattered).test_cases()
        share = F.one_hot(kind).double().mean(dim=(1, 2)).square().sum(dim=1).mean()
        found[scattered] = (
            float((kind[..., 1:] == kind[..., :-1]).double().mean()), float(share)
        )  # fmt: skip
    assert found[True][0] == pytest.approx(found[True][1], abs=0.01)
    assert found[False][0] > 0.75


def test_the_difference_is_the_noise():
    x, y, _, _ = KindredBlobs(asks_difference=True).test_cases()
    _, mean, _, _ = KindredBlobs().test_cases()
    assert torch.allclose(x[:, 4:] - y, mean, atol=1e-5)


def test_counts_of_a_window_by_hand():
    kind = torch.tensor([[[0, 0, 1], [0, 1, 1], [2, 2, 1]]])
    assert seen_alike(kind, 1).tolist() == [[[3, 3, 3], [3, 4, 4], [2, 2, 3]]]
    assert seen_alike(kind).tolist() == [[[3, 3, 4], [3, 4, 4], [2, 2, 4]]]


def test_lines_are_the_facts_and_are_reached():
    """Readers that are told the kinds reach their lines, and the lines are those of the facts."""
    task = KindredBlobs()
    x, y, kind, blob = task.test_cases()
    found = lines(kind, blob)
    wanted = {"own pixel": 0.129, "3x3 window": 0.474, "7x7 window": 0.722, "own blob": 0.666,
              "all of the kind": 0.878}  # fmt: skip
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=2e-3)
    for name, group in (("own blob", blob), ("all of the kind", kind)):
        one = F.one_hot(group).movedim(-1, 1).float()
        count = one.sum(dim=(2, 3)).clamp(min=1)
        mean = torch.einsum("bkhw,bchw->bkc", one, x[:, 4:]) / count[..., None]
        guess = (from_mean_of(count.double()).float() * mean.movedim(2, 0)).movedim(0, 2)
        answer = torch.einsum("bkhw,bkc->bchw", one, guess)
        reached = explained_items(Says(lambda _, a=answer: a[: len(_)]), x[:256], y[:256]).mean()
        assert float(reached) == pytest.approx(found[name], abs=0.02)


def test_one_answer_for_all_explains_squared_shares():
    _, y, kind, blob = KindredBlobs(test_size=8_192).test_cases()
    left = (y - y.mean(dim=(2, 3), keepdim=True)).square().mean()
    assert 1 - float(left) / VARIANCE == pytest.approx(lines(kind, blob)["one answer"], abs=0.01)


def test_a_guess_that_is_not_linear_gains_little():
    assert not_linear(1) == pytest.approx(0.1294, abs=2e-4)
    assert not_linear(48) == pytest.approx(0.8869, abs=2e-4)
    for n in (1, 9, 48):
        linear = float(from_mean_of(torch.tensor(float(n))))
        assert linear - 1e-6 < not_linear(n) < linear + 0.02
    draws = torch.rand(200_000, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    seen = draws + 0.5 * torch.randn(200_000, generator=torch.Generator().manual_seed(1)).double()
    grid = torch.linspace(-2.5, 2.5, 60).double()
    cell = torch.bucketize(seen, grid)
    means = torch.zeros(61).double().index_add(0, cell, draws) / torch.bincount(cell, minlength=61)
    explained = means.nan_to_num()[cell].square().mean() / VARIANCE
    assert float(explained) == pytest.approx(not_linear(9), abs=0.01)  # nine pixels: spread 0.5


def test_the_noise_is_scored_by_its_own_variance():
    x, y = KindredBlobs(asks_difference=True, test_size=256).test_set()
    share = ATTRIBUTE_NOISE**2 / (ATTRIBUTE_NOISE**2 + VARIANCE)
    reached = noise_explained_items(Says(lambda x: share * x[:, 4:]), x, y).mean()
    assert float(reached) == pytest.approx(share, abs=0.02)


def test_decoys_are_told_by_the_mean_alone():
    x, _, kind, _ = Decoys(test_size=2_048).test_cases()
    first = x[:, 11].mean(dim=(1, 2)) > 0
    one = F.one_hot(kind).movedim(-1, 1).float()
    mean = torch.einsum("bkhw,bchw->bkc", one, x) / one.sum(dim=(2, 3)).clamp(min=1)[..., None]
    sharp = [mean[..., g : g + 4].norm(dim=2).mean(dim=1) for g in (0, 4)]
    told = (sharp[0] > sharp[1]) == first  # keys of the valid map agree within a kind
    assert told.double().mean() > 0.98
    signs = torch.where(first, x[:, 11].movedim(0, -1), -x[:, 11].movedim(0, -1))
    assert float(signs.mean()) == pytest.approx(SIGN, abs=0.01)
    assert float((signs > 0).double().mean()) < 0.67  # a pixel alone is little better than a coin


def test_impossible_pictures_are_refused():
    with pytest.raises(ValueError, match="kinds=13 does not suit blobs=12"):
        KindredBlobs(kinds=13)


def example(seed=0, h=8, w=8):
    return torch.randn(
        2, 6, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def test_diagonals_are_what_their_names_say():
    x, y = example(), example(1)
    plain = built(lambda: WithoutDiagonal(6), {})
    assert torch.equal(plain.factors(0, x)[1], torch.ones(2, 6, dtype=torch.float64))
    static = StaticDiagonal(6).double()
    assert torch.equal(static.factors(0, x)[1], static.factors(0, y)[1])
    static(x).sum().backward()
    assert static.diagonal[0].weight.grad is None
    gated = built(lambda: GatedBefore(6), {})
    gate = 2 * torch.sigmoid(gated.gate(x.mean(dim=(2, 3))))
    torch.testing.assert_close(gated(x), gated.graph(x * gate[:, :, None, None]))
    fresh = GatedBefore(6).double()
    torch.nn.init.zeros_(fresh.gate.weight), torch.nn.init.zeros_(fresh.gate.bias)
    torch.testing.assert_close(fresh(x), x)


def test_pyramids_are_what_their_names_say():
    x = example(h=7, w=5)
    means = MeanPyramid(6, 3).double().maps(x)
    assert [tuple(m.shape[2:]) for m in means] == [(7, 5), (4, 3), (2, 2)]
    torch.testing.assert_close(means[1][..., 0, 0], x[..., :2, :2].mean(dim=(2, 3)))
    torch.testing.assert_close(means[1][..., 3, 2], x[..., 6, 4])  # a last one stays itself
    without = built(lambda: WithoutEdges(6), {})
    y = None
    for level in (2, 1, 0):
        own = without.theta[level](means[level])
        y = own if y is None else own + F.interpolate(y, size=own.shape[2:], mode="bilinear")
    torch.testing.assert_close(without(x), x + y)
    fine = built(lambda: FineEdges(6), {})
    seen = smoothed(x.flatten(2), *fine.factors(0, x)).view_as(x)
    y = None
    for level in (2, 1, 0):
        own = fine.theta[level](means[level] if level else seen)
        y = own if y is None else own + F.interpolate(y, size=own.shape[2:], mode="bilinear")
    torch.testing.assert_close(fine(x), x + y)
    assert Doubled(6).phi[0].weight.shape[0] == 12
    assert affinity(*Doubled(6).double().factors(0, x)).shape == (2, 35, 35)


def test_dilated_convolutions_reach_the_whole_picture():
    module = built(lambda: Dilated(6), {})
    x = example(h=12, w=12).requires_grad_()
    for corner in ((0, 0), (11, 0), (11, 11)):
        (slope,) = torch.autograd.grad(module(x)[(..., *corner)].sum(), x)
        assert (slope.abs().sum(dim=(0, 1)) > 0).all()


def test_operators_have_the_same_parameters():
    blobs = experiments_of(CHAPTER)[0]
    counts = {v.name: sum(p.numel() for p in v.build().parameters()) for v in blobs.variants}
    assert {counts[name] for name in ("L", "x + L", "S", "x + S")} == {5_635}
    assert counts["7x7 convolution"] > 9 * counts["x + S"] > 9 * counts["non-local"]
    assert sum(p.numel() for p in Smoothing(32).parameters()) == 2 * (32 * 32 + 32) + 32 * 32 + 32


def values(experiment, variant):
    return list(published(CHAPTER).values(experiment, variant).values())


def test_the_runs_bear_out_what_the_chapter_says():
    """L without a residual is at the own pixel; the others are far above, in every seed."""
    assert max(values("blobs", "L")) < 0.13
    for name, least in (("x + L", 0.3), ("S", 0.5), ("x + S", 0.5)):
        assert min(values("blobs", name)) > least
    assert min(values("blobs", "x + S")) > max(values("blobs", "dilated"))
    assert min(values("difference", "L")) > max(values("difference", "no block"))
    assert max(values("difference", "S")) < min(values("difference", "no block"))
    large = values("noisy_keys", "3 levels, means")
    assert min(large) > max(values("noisy_keys", "64 features"))
    fine = values("noisy_keys", "fine edges")
    assert max(values("noisy_keys", "no edges")) < min(fine) < max(fine) < min(large)


def test_longer_runs_bear_out_what_the_chapter_says():
    """With a residual L catches up; most of the gain on decoys needs no diagonal."""
    assert min(values("blobs_longer", "x + L")) > max(values("blobs", "x + L"))
    longer = published(CHAPTER).compare("blobs_longer", "x + L")
    assert longer["x + S"].gain.verdict == "no clear effect"
    assert min(values("decoys_longer", "no diagonal")) > 0.5 > max(values("decoys", "x + S"))
    later = published(CHAPTER).compare("decoys_longer", "no diagonal")
    verdicts = {row.name: row.gain.verdict for row in later.rows if row.gain}
    assert verdicts.pop("no block") == "clear"
    assert verdicts == {
        "x + S": "no clear effect", "static": "clearly small", "gate before": "no clear effect"
    }  # fmt: skip
