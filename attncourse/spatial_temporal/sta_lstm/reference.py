"""STA-LSTM straight from its equations: one clip and one frame at a time."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attncourse.spatial_temporal.sta_lstm.memory import Memory
from attncourse.spatial_temporal.sta_lstm.module import SpatioTemporalLSTM

State = tuple[Tensor, Tensor]


def cell(memory: Memory, x: Float[Tensor, " e"], state: State) -> State:
    """One step of an LSTM: how much to let in, to keep, what to write, how much to show."""
    h, c = state
    units = []
    for row in range(memory.weight_x.shape[0]):
        units.append(memory.weight_x[row] @ x + memory.weight_h[row] @ h + memory.bias[row])
    let_in, keep, write, show = torch.stack(units).chunk(4)
    c = c / (1 + torch.exp(-keep)) + torch.tanh(write) / (1 + torch.exp(-let_in))
    return torch.tanh(c) / (1 + torch.exp(-show)), c


def sta_lstm_reference(
    net: SpatioTemporalLSTM, x: Float[Tensor, "b t k d"]
) -> Float[Tensor, "b n"]:
    """Equations (1) to (5) with the weights of ``net``."""
    clips = []
    for clip in x:
        start = (x.new_zeros(net.gate_hidden),) * 2
        joint_state, frame_state, state = start, start, (x.new_zeros(net.hidden),) * 2
        total = x.new_zeros(net.classes)
        for frame in clip:
            flat = frame.reshape(-1)
            alpha = [x.new_tensor(1 / net.joints)] * net.joints
            if net.where:  # (2), with the memory of the frames before this one
                hidden = torch.tanh(
                    net.joint_look.weight @ flat
                    + net.joint_recall.weight @ joint_state[0]
                    + net.joint_look.bias
                )
                scores = torch.exp(net.joint_score.weight @ hidden + net.joint_score.bias)
                alpha = [scores[k] / scores.sum() for k in range(net.joints)]
                joint_state = cell(net.joint_memory, flat, joint_state)
            beta = x.new_tensor(1.0)
            if net.when:  # (4)
                beta = (
                    net.frame_look.weight[0] @ flat
                    + net.frame_recall.weight[0] @ frame_state[0]
                    + net.frame_look.bias[0]
                ).clamp(min=0)
                frame_state = cell(net.frame_memory, flat, frame_state)
            factor = net.joints if net.rescale else 1
            seen = torch.cat([factor * alpha[k] * frame[k] for k in range(net.joints)])  # (3)
            state = cell(net.memory, seen, state)  # (1)
            total = total + beta * (net.readout.weight @ state[0] + net.readout.bias)  # (5)
        clips.append(total / len(clip) if net.average else total)
    return torch.stack(clips)
