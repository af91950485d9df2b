# SPDX-License-Identifier: Apache-2.0
"""The family as ONNX: one network for each exit, which says what holds at a window's last step.

Letters: B windows, N sensors, T time steps, K released size, C channels.

In training every member tells every step. A bridge asks for the last one only, and a dilated
convolution of stride 1 then computes mostly what nobody reads: to tell the last step, the largest
member looks at eleven steps of the one before, sixteen apart. `needed` works out which steps
each block must know, and each is computed there and nowhere else; the results are the same.

For its own exit the smallest member looks at the last 35 steps; for a larger one it is wanted at
all of a window's, which costs many times as much and is thrown away whenever a window leaves
early. So the smallest network hands on what it was given, and the next begins with that; from
there on the features at the needed steps, oldest first, are handed on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
    """Blocks up to a member's last: (B, C, before) -> (B, C, after), then what the member says."""

    def __init__(self, blocks: Sequence[_Thinned], member: Member, unusual: Unusual) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
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
    """An exit from vectors on: (B, N, T, K+1), (B, N)."""

    def __init__(self, entrance: Entrance, exit_: _Exit, steps: Steps) -> None:
        super().__init__()
        self.entrance, self.exit, self.steps = entrance, exit_, steps

    def forward(self, window: Tensor, modality: Tensor) -> tuple[Tensor, ...]:
        reach = self.steps.reach
        recent = window[:, :, -(reach + NEAR - 1) :]  # all of it if it is shorter
        entered = self.entrance(recent, modality)
        found: tuple[Tensor, ...] = self.exit(entered[..., -reach :: self.steps.stride])
        return found


class _First(nn.Module):
    """The smallest exit; hands on a window with its modality as one more column, (B, N, T, K+2)."""

    def __init__(self, entered: _Entered) -> None:
        super().__init__()
        self.entered = entered

    def forward(self, window: Tensor, modality: Tensor) -> tuple[Tensor, ...]:
        of_each = modality[..., None, None].to(window.dtype).expand_as(window[..., :1])
        return torch.cat([window, of_each], dim=-1), *self.entered(window, modality)[1:]


class _Second(nn.Module):
    """The next larger one: begins with what `_First` hands on."""

    def __init__(self, entered: _Entered) -> None:
        super().__init__()
        self.entered = entered

    def forward(self, hidden: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = self.entered(hidden[..., :-1], hidden[..., 0, -1].long())
        return found


class _Last(nn.Module):
    """The largest one hands nothing on."""

    def __init__(self, exit_: _Exit) -> None:
        super().__init__()
        self.exit = exit_

    def forward(self, hidden: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.exit(hidden)[1:])


def _thinned(family: Family, names: Sequence[str], steps: Sequence[Steps]) -> list[_Thinned]:
    """The blocks of some members in a row; `steps` before each of them and after the last."""
    blocks = [block for name in names for block in family.members[name].blocks]
    dilations = [dilation for name in names for dilation in MEMBERS[name]]
    return [
        _Thinned(block, dilation, before, after)
        for block, dilation, (before, after) in zip(blocks, dilations, pairwise(steps), strict=True)
    ]


def exits(family: Family, unusual: Mapping[str, Unusual], window: int) -> dict[str, nn.Module]:
    """What is exported, by member, smallest first; each takes what the one before hands on.

    All but the last return (handed on, *OUTPUTS), the last OUTPUTS; `window` is T.
    """
    small, middle, large = MEMBERS
    alone = needed(MEMBERS[small], window)
    chain = needed([dilation for member in MEMBERS.values() for dilation in member], window)
    second = len(MEMBERS[small]) + len(MEMBERS[middle])

    def exit_of(name: str, blocks: Sequence[_Thinned]) -> _Exit:
        return _Exit(blocks, family.members[name], unusual[name])

    first = exit_of(small, _thinned(family, [small], alone))
    larger = exit_of(middle, _thinned(family, [small, middle], chain[: second + 1]))
    largest = exit_of(large, _thinned(family, [large], chain[second:]))
    return {
        small: _First(_Entered(family.entrance, first, alone[0])),
        middle: _Second(_Entered(family.entrance, larger, chain[0])),
        large: _Last(largest),
    }


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
        with torch.no_grad():
            found = part(*given)
        tensors = [*zip(inputs, given, strict=True), *zip(outputs, found, strict=True)]
        free = {one: _free_axes(tensor) for one, tensor in tensors}
        write_onnx(part, given, inputs, outputs, path, free)
        given, inputs, handed = found[:1], (HIDDEN,), DEEPER
        paths.append(path)
    return paths


def _free_axes(tensor: Tensor) -> dict[int, str]:
    """B, and N of what there is for each sensor: rows in four dimensions, and the modality."""
    of_sensors = tensor.dim() == 4 or not tensor.is_floating_point()
    return {0: "B", 1: "N"} if of_sensors else {0: "B"}


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
