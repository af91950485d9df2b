# SPDX-License-Identifier: Apache-2.0
"""The family as ONNX: one network for each exit, which says what holds at a window's last step.

Letters: B windows, N sensors, T time steps, K released size, C channels.

In training every member tells every step. A bridge asks for the last one only, and a dilated
convolution of stride 1 then computes mostly what nobody reads: to tell the last step, the largest
member looks at eleven steps of the one before, sixteen apart. `needed` works out which steps
each block must know, and each is computed there and nowhere else; the results are the same. What
one network hands to the next is `hidden` at those steps, oldest first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from calibration.train.family import (
    MEMBERS,
    NEAR,
    Block,
    Entrance,
    Family,
    Member,
    onset_s,
)
from calibration.train.unusual import Unusual

OPSET = 17
OUTPUTS = ("behaviours", "postures", "count", "onset", "unusual")
HIDDEN, DEEPER = "hidden", "deeper"  # what a network takes from the smaller one, and hands on


@dataclass(frozen=True, slots=True)
class Steps:
    """Of a window's steps the last one, the one `stride` before it, and so on: `count` of them.

    The last step alone has stride 0.
    """

    stride: int
    count: int

    @property
    def reach(self) -> int:
        """Steps of the window from the first of them to its end."""
        return self.stride * (self.count - 1) + 1

    def before(self, dilation: int) -> Steps:
        """What a block of that dilation must know to tell these."""
        stride = math.gcd(self.stride, dilation)
        return Steps(stride, (self.reach - 1 + 2 * dilation) // stride + 1)

    def inside(self, window: int) -> Steps:
        """Those that lie in a window of so many steps."""
        return Steps(self.stride, min(self.count, (window - 1) // max(1, self.stride) + 1))


def needed(dilations: Sequence[int], window: int) -> list[Steps]:
    """Before each block, and last after all: what must be known to tell a window's last step."""
    found = [Steps(0, 1)]
    for dilation in reversed(dilations):
        found.append(found[-1].before(dilation).inside(window))
    return found[::-1]


class _Thinned(nn.Module):
    """A block that tells some steps only, from the ones it needs: (B, C, before) -> (B, C, after).

    Before the window there is nothing, as in training: zeros.
    """

    def __init__(self, block: Block, dilation: int, before: Steps, after: Steps) -> None:
        super().__init__()
        self.conv, self.mix = block.conv, block.mix
        self.apart = dilation // before.stride
        self.stride = max(1, after.stride // before.stride)
        self.missing = after.before(dilation).count - before.count

    def forward(self, x: Tensor) -> Tensor:
        if self.missing:
            x = nn.functional.pad(x, (self.missing, 0))
        y = nn.functional.conv1d(
            x, self.conv.weight, self.conv.bias, stride=self.stride, dilation=self.apart
        )
        kept = x[..., 2 * self.apart :]
        if self.stride > 1:  # every so many-th; a slice in steps is slow in OpenVINO
            kept = nn.functional.max_pool1d(kept, 1, self.stride)
        return kept + self.mix(torch.relu(y))


class _Exit(nn.Module):
    """One member: (B, C, before) -> (B, C, after), then OUTPUTS of the last step."""

    def __init__(
        self, member: Member, dilations: Sequence[int], steps: Sequence[Steps], unusual: Unusual
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                _Thinned(block, dilation, *steps[k : k + 2])
                for k, (block, dilation) in enumerate(zip(member.blocks, dilations, strict=True))
            )
        )
        self.member, self.unusual = member, unusual

    def forward(self, hidden: Tensor) -> tuple[Tensor, ...]:
        deeper = self.blocks(hidden)
        features = self.member.features(deeper[..., -1:])
        heads = self.member.heads(features)
        return (
            deeper,
            torch.sigmoid(heads.behaviours[:, 0]),
            torch.sigmoid(heads.postures[:, 0]),
            torch.softmax(heads.count[:, 0], dim=-1),
            onset_s(heads),
            self.unusual(features),
        )


class _Entered(nn.Module):
    """The first exit, from vectors on: (B, N, T, K+1), (B, N)."""

    def __init__(self, entrance: Entrance, first: _Exit, steps: Steps) -> None:
        super().__init__()
        self.entrance, self.first, self.steps = entrance, first, steps

    def forward(self, window: Tensor, modality: Tensor) -> tuple[Tensor, ...]:
        reach = self.steps.reach
        recent = window[:, :, -(reach + NEAR - 1) :]  # all of it if it is shorter
        entered = self.entrance(recent, modality)
        found: tuple[Tensor, ...] = self.first(entered[..., -reach :: self.steps.stride])
        return found


class _Last(nn.Module):
    """The largest member hands nothing on."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.part(*given)[1:])


def exits(family: Family, unusual: Mapping[str, Unusual], window: int) -> dict[str, nn.Module]:
    """What is exported, by member, smallest first; each takes what the one before hands on.

    All but the last return (handed on, *OUTPUTS), the last OUTPUTS; `window` is T.
    """
    steps = needed([dilation for member in MEMBERS.values() for dilation in member], window)
    found: dict[str, nn.Module] = {}
    at = 0
    for name, dilations in MEMBERS.items():
        known = steps[at : at + len(dilations) + 1]
        part: nn.Module = _Exit(family.members[name], dilations, known, unusual[name])
        found[name] = part if at else _Entered(family.entrance, part, known[0])
        at += len(dilations)
    return {**found, name: _Last(found[name])}


def write_family(
    family: Family, unusual: Mapping[str, Unusual], folder: Path, window: int
) -> list[Path]:
    """Write recogniser-<member>.onnx for windows of so many steps, smallest first; B, N are free.

    `unusual` has one for every member.
    """
    family.eval()
    # Two windows of two sensors, so that no free axis is 1.
    rows = torch.zeros(2, 2, window, family.entrance.rows.in_features)
    given: tuple[Tensor, ...] = rows, torch.zeros(2, 2, dtype=torch.long)
    inputs: tuple[str, ...] = "window", "modality"
    paths, handed = [], HIDDEN
    for name, part in exits(family, unusual, window).items():
        path = folder / f"recogniser-{name}.onnx"
        outputs = OUTPUTS if isinstance(part, _Last) else (handed, *OUTPUTS)
        axes = {one: {0: "B"} for one in (*inputs, *outputs)}
        axes |= {one: {0: "B", 1: "N"} for one in inputs if one != HIDDEN}
        write_onnx(part, given, inputs, outputs, path, axes)
        with torch.no_grad():
            given, inputs, handed = part(*given)[:1], (HIDDEN,), DEEPER
        paths.append(path)
    return paths


def write_onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    path: Path,
    free: Mapping[str, Mapping[int, str]],
) -> None:
    """Write a network as ONNX; `free` names, by input or output, the axes of no fixed size."""
    module.eval()
    torch.onnx.export(
        module,
        example,
        str(path),
        input_names=list(inputs),
        output_names=list(outputs),
        opset_version=OPSET,
        dynamic_axes={name: dict(axes) for name, axes in free.items()},
        dynamo=False,
    )
