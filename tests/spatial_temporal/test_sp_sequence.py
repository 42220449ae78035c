"""What CGA and CLI promise, and the mistakes that must be noticed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from attncourse.layers import as_affine
from attncourse.spatial_temporal import CrossFrameGlobalAttention, CrossFrameLocalInterpolation
from attncourse.spatial_temporal.sp_sequence import (
    CARDS,
    cone,
    global_attention_reference,
    interpolate,
    local_interpolation_reference,
    nearest,
    scale,
    taken,
)
from tests.contract.specimen import Specimen, built, close, of_torch, outcomes_agree

DOUBLE = torch.float64
GLOBAL, LOCAL = {"channels": 3}, {"channels": 2, "neighbours": 2, "radius": 2.0}


def frames(c, n=6, b=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, 2, n, dtype=DOUBLE, generator=generator)


def permuted(x, frame):
    """The scenes with the points of one frame in another order, and that order."""
    order = torch.randperm(x.shape[3], generator=torch.Generator().manual_seed(9))
    other = x.clone()
    other[:, :, frame] = x[:, :, frame][..., order]
    return other, order


# ---------------------------------------------------------------- promises of CGA


def gates_stay_open_and_differ(make):
    s = built(make, GLOBAL).g(frames(3))
    assert s.shape == (2, 3)
    assert ((s > 0) & (s < 1)).all()
    assert s.std(dim=0).max() > 1e-3


def one_gate_for_all_present_points(make):
    module, x = built(make, GLOBAL), frames(3)
    y, s = module(x, need_weights=True)
    close(y, s[:, :, None] * x[:, :, 1])


def the_gate_reads_the_frame_before_alone(make):
    module, x = built(make, GLOBAL), frames(3)
    other = x.clone()
    other[:, :, 1] = 7.0
    close(module.g(other), module.g(x))
    other = x.clone()
    other[:, :, 0, 2] += 1
    assert (module.g(other) - module.g(x)).abs().max() > 1e-4


def order_of_points_before_does_not_matter(make):
    module, x = built(make, GLOBAL), frames(3)
    close(module(permuted(x, 0)[0]), module(x))
    other, order = permuted(x, 1)
    close(module(other), module(x)[..., order])


def each_point_before_twice_changes_nothing(make):
    module, x = built(make, GLOBAL), frames(3)
    close(module.g(x.repeat_interleave(2, dim=3)), module.g(x))


def silent_second_layer_halves_the_frame(make):
    module, x = built(make, GLOBAL), frames(3)
    with torch.no_grad():
        module.second.weight.zero_()
    close(module(x), x[:, :, 1] / 2)


def golden_gate(make):
    """Points 1, 3 and -2 of one channel: units 1, 3, 0, mean 4/3; 3/4 ln 3 times that is ln 3."""
    module = make(1).double().eval()
    with torch.no_grad():
        module.first.weight.fill_(1.0)
        module.norm.eps = 0.0
        module.second.weight.fill_(0.75 * math.log(3))
    x = torch.tensor([[1.0, 3.0, -2.0], [4.0, 8.0, -4.0]], dtype=DOUBLE)[None, None]
    close(module(x), torch.tensor([[[3.0, 6.0, -3.0]]], dtype=DOUBLE))


def released_global_form(make):
    """As released: both layers on every point, then the mean, then the sigmoid, points in rows."""
    module = built(make, GLOBAL)

    def released(x):
        rows = x[:, :, 0].transpose(1, 2)
        flat = rows.reshape(-1, 3) @ module.first.weight[..., 0].T
        norm = module.norm
        flat = F.batch_norm(
            flat, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )
        guide = (flat.relu() @ module.second.weight[..., 0].T).view_as(rows)
        gates = torch.stack([torch.sigmoid(own.sum(dim=0) / len(own)) for own in guide])
        return (x[:, :, 1].transpose(1, 2) * gates[:, None]).transpose(1, 2)

    x, upstream = frames(3), frames(3, seed=1)[:, :, 0]
    outcomes_agree((module, released), x, list(module.parameters()), upstream)


# ---------------------------------------------------------------- promises of CLI


def placed(now, before, c=2, seed=3):
    """Scenes of given positions on one axis, with random features."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 3 + c, 2, len(now), dtype=DOUBLE, generator=generator)
    x[:, :3] = 0
    x[0, 0, 0], x[0, 0, 1] = torch.tensor(before), torch.tensor(now)
    return x


def weights_are_the_cone(make):
    """Half where points coincide, a quarter at half of the radius, 0 from the radius on."""
    module = built(make, LOCAL)
    x = placed([0.0, 1.0, 4.0, 9.0], [0.0, 2.0, -8.0, 5.5])
    w, index = module.g(x)
    wanted = torch.tensor([[0.5, 0.0], [0.25, 0.25], [0.125, 0.0], [0.0, 0.0]], dtype=DOUBLE)
    close(w[0], wanted)
    assert index[0, 0].tolist() == [0, 1]
    assert set(index[0, 1].tolist()) == {0, 1}
    assert index[0, 2].tolist() == [3, 1]
    assert index[0, 3].tolist() == [3, 1]


def coinciding_clouds_give_half(make):
    """One neighbour and the same positions: q is half of what stands there."""
    module = built(make, {**LOCAL, "neighbours": 1})
    x = frames(5)
    x[:, :3, 1] = x[:, :3, 0]
    w, index = module.g(x)
    close(interpolate(w, index, x[:, 3:, 0]), x[:, 3:, 0] / 2)


def far_frames_say_nothing(make):
    """Beyond the radius, the frame before may be anything."""
    module, x = built(make, LOCAL), frames(5)
    x[:, 0, 0] += 50
    other = x.clone()
    other[:, 3:, 0] = 7.0
    close(module(other), module(x))


def the_sum_is_not_normalised(make):
    """A constant channel of the frame before reads the sum of the weights."""
    module, x = built(make, LOCAL), frames(5)
    w, index = module.g(x)
    ones = torch.ones(2, 1, 6, dtype=DOUBLE)
    close(interpolate(w, index, ones)[:, 0], w.sum(dim=2))
    assert w.sum(dim=2).std() > 1e-2
    assert w.max() <= 0.5


def points_may_come_in_any_order(make):
    module, x = built(make, LOCAL), frames(5)
    close(module(permuted(x, 0)[0]), module(x))
    other, order = permuted(x, 1)
    close(module(other), module(x)[..., order])


def moved_together_nothing_changes(make):
    """The same shift and turn of both frames keep every distance."""
    module, x = built(make, LOCAL), frames(5)
    other = x.clone()
    other[:, :3] = x[:, [1, 2, 0]] + 3.5
    close(module(other), module(x))


def present_features_count(make):
    """Each present point is heard by itself alone."""
    module, x = built(make, LOCAL), frames(5)
    other = x.clone()
    other[:, 3, 1, 2] += 1
    moved = (module(other) - module(x)).abs().amax(dim=(0, 1)) > 1e-6
    assert moved.tolist() == [False, False, True, False, False, False]


def positions_get_gradients_inside_the_cone(make):
    """The slope of a weight is 1 / (2 radius), towards the point before."""
    module = built(make, {**LOCAL, "neighbours": 1})
    x = placed([1.0, 30.0], [0.0, 60.0]).requires_grad_()
    w, _ = module.g(x)
    (slope,) = torch.autograd.grad(w.sum(), x)
    close(slope[0, 0], torch.tensor([[0.25, 0.0], [-0.25, 0.0]], dtype=DOUBLE))


def released_local_form(make):
    """As released: sorted distances over a full scale of 2 radii, 0.5 less the clamped, a sum."""
    module = built(make, LOCAL)

    def released(x):
        scenes = []
        for scene in x:
            a, b = scene[:3, 1].T, scene[:3, 0].T
            distance = (a[:, None] - b[None]).square().sum(dim=2).sqrt() / 4.0
            pick = distance.argsort(dim=1)[:, :2]
            weight = 0.5 - distance.gather(1, pick).clamp(0.0, 0.5)
            p = scene[3:, 0].T[pick.reshape(-1)].reshape(len(a), 2, -1)
            joined = torch.cat([scene[3:, 1].T, (p * weight.view(-1, 2, 1)).sum(dim=1)], dim=1)
            units = joined @ module.first.weight[..., 0].T
            factor, shift = as_affine(module.norm)
            scenes.append(((units * factor + shift).relu() @ module.second.weight[..., 0].T).T)
        return torch.stack(scenes)

    x, upstream = frames(5), frames(2, seed=1)[:, :, 0]
    outcomes_agree((module, released), x, list(module.parameters()), upstream)


# ---------------------------------------------------------------- mutants


def gating(gates=None, apply=None):
    """CGA with other gates, (module, p) -> s, or another use of them, (s, x) -> y."""

    class Gating(CrossFrameGlobalAttention):
        def g(self, x):
            return gates(self, x) if gates else super().g(x)

        def f(self, weights, x):
            return apply(weights, x) if apply else super().f(weights, x)

    return Gating


def units_of(m, p, relu=True, norm=True):
    units = m.first(p)
    units = m.norm(units) if norm else units
    return units.relu() if relu else units


def last(m, seen):
    return torch.sigmoid(m.second(seen[..., None])[..., 0])


GLOBAL_MUTANTS = {
    "present frame": gating(lambda m, x: m.gates(x[:, :, 1])),
    "both frames": gating(lambda m, x: m.gates(x.flatten(2))),
    "sum over points": gating(lambda m, x: last(m, units_of(m, x[:, :, 0]).sum(dim=2))),
    "largest point": gating(lambda m, x: last(m, units_of(m, x[:, :, 0]).amax(dim=2))),
    "mean of sigmoids": gating(
        lambda m, x: torch.sigmoid(m.second(units_of(m, x[:, :, 0]))).mean(dim=2)
    ),
    "mean first": gating(
        lambda m, x: last(m, units_of(m, x[:, :, 0].mean(dim=2, keepdim=True)).squeeze(2))
    ),
    "mean over the batch": gating(
        lambda m, x: last(m, units_of(m, x[:, :, 0]).mean(dim=(0, 2))).expand(len(x), -1)
    ),
    "lost ReLU": gating(lambda m, x: last(m, units_of(m, x[:, :, 0], relu=False).mean(dim=2))),
    "lost norm": gating(lambda m, x: last(m, units_of(m, x[:, :, 0], norm=False).mean(dim=2))),
    "lost sigmoid": gating(lambda m, x: last(m, units_of(m, x[:, :, 0]).mean(dim=2)).logit()),
    "softmax": gating(
        lambda m, x: last(m, units_of(m, x[:, :, 0]).mean(dim=2)).logit().softmax(dim=1)
    ),
    "twice the sigmoid": gating(lambda m, x: 2 * m.gates(x[:, :, 0])),
    "detached": gating(lambda m, x: m.gates(x[:, :, 0]).detach()),
    "added": gating(apply=lambda s, x: s[:, :, None] + x[:, :, 1]),
    "residual": gating(apply=lambda s, x: scale(1 + s, x[:, :, 1])),
    "gates the frame before": gating(apply=lambda s, x: scale(s, x[:, :, 0])),
}  # fmt: skip


def weighing(weigh):
    """CLI with other weights: (module, positions now, before) -> (weights, index)."""

    class Weighing(CrossFrameLocalInterpolation):
        def g(self, x):
            return weigh(self, x[:, :3, 1], x[:, :3, 0])

    return Weighing


def own(m, now, before, index=None):
    index = nearest(now, before, m.neighbours) if index is None else index
    return cone(now, before, index, m.radius), index


def reweighed(change):
    """CLI whose weights go through ``change``: (weights, radius) -> weights."""

    def weigh(m, now, before):
        w, index = own(m, now, before)
        return change(w, m.radius), index

    return weighing(weigh)


def farthest(m, now, before):
    return own(m, now, before, nearest(now, before, before.shape[2])[..., -m.neighbours :])


def flat_distance(m, now, before):
    ground = torch.tensor([1.0, 1.0, 0.0], dtype=now.dtype)[:, None]
    return own(m, now * ground, before * ground)


def squared(m, now, before):
    index = nearest(now, before, m.neighbours)
    apart = (now[..., None] - taken(before, index)).square().sum(dim=1)
    return 0.5 - (apart / (2 * m.radius)).clamp(max=0.5), index


def joining(join):
    """CLI with other things joined: (q, now) -> two parts."""

    class Joining(CrossFrameLocalInterpolation):
        def f(self, weights, x):
            q = interpolate(*weights, x[:, 3:, 0])
            units = self.first(torch.cat(join(q, x[:, 3:, 1]), dim=1))
            return self.second(self.norm(units).relu())

    return Joining


LOCAL_MUTANTS = {
    "normalised": reweighed(lambda w, r: w / (w.sum(dim=2, keepdim=True) + 1e-9)),
    "all weights one half": reweighed(lambda w, r: 0 * w + 0.5),
    "up to one": reweighed(lambda w, r: 2 * w),
    "never zero": reweighed(lambda w, r: w.clamp(min=0.05)),
    "half of the radius": weighing(
        lambda m, a, b: (cone(a, b, i := nearest(a, b, m.neighbours), m.radius / 2), i)
    ),
    "squared distance": weighing(squared),
    "farthest": weighing(farthest),
    "from the ground alone": weighing(flat_distance),
    "one neighbour too few": weighing(
        lambda m, a, b: own(m, a, b, nearest(a, b, m.neighbours)[..., :1])
    ),
    "neighbours in the present frame": weighing(lambda m, a, b: own(m, a, a)),
    "detached weights": reweighed(lambda w, r: w.detach()),
    "q first": joining(lambda q, x: [q, x]),
    "q twice": joining(lambda q, x: [q, q]),
    "q added": joining(lambda q, x: [x + q, q]),
    "difference": joining(lambda q, x: [x, x - q]),
}  # fmt: skip


# ---------------------------------------------------------------- specimens


def wrong_frames(x):
    """Wrong rank, wrong channels, one frame, three frames, no points."""
    return (
        (x[0], "axes"),
        (x[None], "axes"),
        (torch.cat([x, x], dim=1), "channels"),
        (x[:, :, :1], "frames"),
        (torch.cat([x, x], dim=2), "frames"),
        (x[..., :0], "points"),
    )


SIZES = ((2, 2, 4), (1, 2, 3), (3, 2, 5), (2, 2, 2))


def matrices(m):
    return m.first.weight[..., 0], m.second.weight[..., 0]


def normalised(m):
    return as_affine(m.norm)


SPECIMENS = (
    Specimen(
        card=CARDS[0],
        arguments=(GLOBAL, {"channels": 2}),
        reference=lambda m, x: global_attention_reference(
            x, *matrices(m), normalised(m)
        ),
        promises=(
            gates_stay_open_and_differ, one_gate_for_all_present_points,
            the_gate_reads_the_frame_before_alone, order_of_points_before_does_not_matter,
            each_point_before_twice_changes_nothing, silent_second_layer_halves_the_frame,
            golden_gate, released_global_form,
        ),
        mutants=GLOBAL_MUTANTS,
        grid=({"channels": 16}, {"channels": 5}),
        refused=(({"channels": 0}, "channels=0 must be at least 1"),),
        input_shape=lambda arguments, b, t, n: (b, arguments["channels"], 2, n),
        sizes=SIZES,
        small=(2, 2, 4),
        wrong=wrong_frames,
        dynamic=(0, 3),
        captured=(1,),
        smallest=({"channels": 1},),
        starts=(
            (
                {"channels": 64},
                {
                    "first.weight": of_torch(64), "second.weight": of_torch(64),
                    "norm.weight": ("constant", 1.0), "norm.bias": ("constant", 0.0),
                },
            ),
        ),
    ),
    Specimen(
        card=CARDS[1],
        arguments=(LOCAL, {"channels": 3, "neighbours": 2}),
        reference=lambda m, x: local_interpolation_reference(
            x, *matrices(m), normalised(m), m.neighbours, m.radius
        ),
        promises=(
            weights_are_the_cone, coinciding_clouds_give_half, far_frames_say_nothing,
            the_sum_is_not_normalised, points_may_come_in_any_order,
            moved_together_nothing_changes, present_features_count,
            positions_get_gradients_inside_the_cone, released_local_form,
        ),
        mutants=LOCAL_MUTANTS,
        grid=({"channels": 16, "neighbours": 2}, {"channels": 5, "neighbours": 1}),
        refused=(
            ({"channels": 0}, "channels=0 must be at least 1"),
            ({"channels": 4, "neighbours": 0}, "neighbours=0 must be at least 1"),
            ({"channels": 4, "radius": 0.0}, "radius=0.0 must be a positive number"),
            ({"channels": 4, "radius": -1.0}, "radius=-1.0 must be a positive number"),
        ),
        input_shape=lambda arguments, b, t, n: (b, 3 + arguments["channels"], 2, n),
        sizes=SIZES,
        small=(2, 2, 4),
        wrong=wrong_frames,
        dynamic=(0, 3),
        captured=(1,),
        smallest=({"channels": 1, "neighbours": 1},),
        starts=(
            (
                {"channels": 64},
                {
                    "first.weight": of_torch(128), "second.weight": of_torch(64),
                    "norm.weight": ("constant", 1.0), "norm.bias": ("constant", 0.0),
                },
            ),
        ),
        loud={"channels": 253},
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of its own


def test_golden_costs():
    """The paper's three gates and its one interpolation, of m = 16 base channels."""
    sizes = [sum(w.numel() for w in CrossFrameGlobalAttention(c).parameters())
             for c in (32, 64, 112)]  # fmt: skip
    assert sizes == [2 * c * c + 2 * c for c in (32, 64, 112)]
    cli = sum(w.numel() for w in CrossFrameLocalInterpolation(112).parameters())
    assert cli == 224 * 112 + 112 * 112 + 2 * 112


def test_frames_of_two_sizes():
    """The functions take a frame before with fewer points."""
    now, before = frames(3, 7)[:, :, 1], frames(3, 4, seed=2)[:, :, 0]
    index = nearest(now, before, 3)
    assert index.shape == (2, 7, 3)
    assert interpolate(cone(now, before, index), index, before).shape == (2, 3, 7)
    assert built(CrossFrameGlobalAttention, GLOBAL).gates(before).shape == (2, 3)


def test_the_nearest_are_found_far_from_the_origin():
    """Differences do not cancel where |a|^2 + |b|^2 - 2 a b in float32 does."""
    now, before = frames(3, 9)[:, :, 1].float() / 50, frames(3, 9, seed=2)[:, :, 0].float() / 50
    far = torch.tensor([3000.0, 0.0, 0.0])[:, None]
    exact = nearest((now + far).double(), (before + far).double(), 3)
    assert torch.equal(nearest(now + far, before + far, 3), exact)


def test_a_scale_of_32_is_a_radius_of_16_voxels():
    """A neighbour one voxel away has the weight 0.5 - 1 / 32."""
    now, before = torch.zeros(1, 3, 1), torch.tensor([[[1.0], [0.0], [0.0]]])
    index = torch.zeros(1, 1, 1, dtype=torch.long)
    close(cone(now, before, index), torch.tensor([[[0.5 - 1 / 32]]]))


def test_coinciding_points_have_finite_gradients():
    x = frames(5)
    x[:, :3, 1] = x[:, :3, 0]
    x.requires_grad_()
    built(CrossFrameLocalInterpolation, LOCAL)(x).sum().backward()
    assert torch.isfinite(x.grad).all()
