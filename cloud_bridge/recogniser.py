# SPDX-License-Identifier: Apache-2.0
"""Windows in, judgements out: the family of networks on OpenVINO.

The only file of the bridge that knows the engine. The smallest network judges every window. One of
which it is not sure (`Exit.gate`) goes on to the next, as the hidden features that it left: the
one output of a network that is no head is the `hidden` of the next. So the cost falls with the
share of windows that leave early. One call infers all windows that are due, of all rooms with the
same number of sensors together. No window is kept.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud_bridge.card import COUNT, HEADS, KINDS, ONSET, POSTURES, UNUSUAL, Card, load_card
from cloud_bridge.errors import ModelError

# Windows per inference; more are cut into several, so that memory does not grow with a burst.
MAX_BATCH = 64
ROUNDING = 1e-3  # by which a probability may leave 0..1
ONSET_MAX_S = 20.0  # what the onset head was trained to reach back
GATED = [KINDS.index(kind) for kind in ("fall", "down", "fight")]

BEHAVIOURS = "behaviours"

F32 = NDArray[np.float32]
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the family says of one window; all but `onset_s` and `exit` are probabilities.

    A head that the card does not name is None or empty.
    """

    behaviours: F32  # (4,) of KINDS
    postures: F32  # (P,) of the card's postures: anybody there is so
    counts: F32  # (n,) of 0, 1, ... persons, the last of so many or more
    onset_s: float | None  # before the window's end: when the latest fall or fight began
    unusual: float | None  # how far from normal life
    exit: int  # index into the card's exits

    @property
    def persons(self) -> int | None:
        """The likeliest count."""
        return int(self.counts.argmax()) if len(self.counts) else None


class Recogniser:
    """The networks of a card, used as it says."""

    def __init__(self, card: Path, threads: int = 1) -> None:
        """Compile once. Raises ModelError if a network is missing or is not the card's."""
        self.card: Card = load_card(card)
        self._left: Counter[str] = Counter()
        widths = {POSTURES: len(self.card.postures), COUNT: self.card.counts, ONSET: 1, UNUSUAL: 1}
        told = {head: width for head, width in widths.items() if head in self.card.heads}
        self._widths = {BEHAVIOURS: len(KINDS), **told}
        self._requests = [
            _compile(exit_.network, threads).create_infer_request() for exit_ in self.card.exits
        ]
        self._handed = [self._hands_on(number) for number in range(len(self._requests) - 1)]
        self._check()

    @property
    def left(self) -> dict[str, int]:
        """How many windows left at each exit so far, by its name."""
        return {exit_.name: self._left[exit_.name] for exit_ in self.card.exits}

    def infer(self, batch: F32, modality: NDArray[np.int64]) -> list[Judgement]:
        """batch (B, N, T, K+1) float32, modality (B, N) int64  ->  B judgements, in order.

        Raises ModelError if a network gives anything else than it should.
        """
        found = [
            judgement
            for first in range(0, len(batch), MAX_BATCH)
            for judgement in self._judge(
                {
                    "window": np.ascontiguousarray(batch[first : first + MAX_BATCH]),
                    "modality": np.ascontiguousarray(modality[first : first + MAX_BATCH]),
                }
            )
        ]
        self._left.update(self.card.exits[judgement.exit].name for judgement in found)
        return found

    def _judge(self, inputs: Mapping[str, NDArray[Any]]) -> list[Judgement]:
        """Exit by exit; `rows` are the windows that have not left yet."""
        rows = np.arange(len(inputs["window"]))
        found: dict[int, Judgement] = {}
        for number, exit_ in enumerate(self.card.exits):
            heads = self._run(number, inputs)
            leaves = np.ones(len(rows), bool)
            if exit_.gate is not None:
                sure = np.abs(2 * heads[BEHAVIOURS][:, GATED] - 1).min(axis=1)
                leaves = sure >= exit_.gate
            for at in np.flatnonzero(leaves):
                found[int(rows[at])] = _judgement(heads, int(at), number)
            rows = rows[~leaves]
            if not len(rows):
                break
            inputs = {"hidden": heads["hidden"][~leaves]}
        return [found[row] for row in range(len(found))]

    def _run(self, number: int, inputs: Mapping[str, NDArray[Any]]) -> dict[str, F32]:
        """One network on a batch: every head, checked and copied; `hidden` if another follows."""
        results: Any = self._requests[number].infer(dict(inputs))
        name = self.card.exits[number].name
        heads = {key: np.array(results[key], np.float32) for key in self._widths}
        for key, width in self._widths.items():
            size = len(next(iter(inputs.values())))
            if heads[key].shape != (size, width):
                raise ModelError(
                    f"{self.card.model_id}, exit {name}: {key} comes as {heads[key].shape} for"
                    f" {size} windows, not {(size, width)}"
                )
        for key, values in heads.items():
            lowest, highest = (0, ONSET_MAX_S) if key == ONSET else (0, 1)
            slack = np.inf if key == ONSET else ROUNDING
            # Written so that NaN, which compares false, is noticed too.
            if not np.all((values > lowest - slack) & (values < highest + slack)):
                where = f"{self.card.model_id}, exit {name}"
                raise ModelError(f"{where}: {key} is not between {lowest} and {highest}")
            np.clip(values, lowest, highest, out=values)
        if number < len(self._handed):
            heads["hidden"] = np.array(results[self._handed[number]], np.float32)
        return heads

    def _hands_on(self, number: int) -> str:
        """The name of the output that is no head."""
        ports = self._requests[number].get_compiled_model().outputs
        found = [
            port.get_any_name() for port in ports if not port.get_names() & {BEHAVIOURS, *HEADS}
        ]
        if len(found) != 1:
            raise ModelError(
                f"{self.card.exits[number].network}: of its outputs one must be hidden features for"
                f" the next network, found {found}"
            )
        return str(found[0])

    def _check(self) -> None:
        """Windows through every network: a wrong shape is noticed here, not in the night."""
        for windows, sensors in ((1, 1), (2, self.card.sensors_max)):
            shape = (windows, sensors, self.card.window, self.card.released_dim + 1)
            inputs: dict[str, NDArray[Any]] = {
                "window": np.zeros(shape, np.float32),
                "modality": np.zeros(shape[:2], np.int64),
            }
            for number, exit_ in enumerate(self.card.exits):
                self._check_inputs(number, inputs)
                try:
                    heads = self._run(number, inputs)
                except (RuntimeError, KeyError) as error:
                    raise ModelError(f"{exit_.network}: cannot be run: {error}") from error
                inputs = {key: heads[key] for key in ("hidden",) if key in heads}

    def _check_inputs(self, number: int, inputs: Mapping[str, NDArray[Any]]) -> None:
        """The declared inputs are these, and take arrays of this type and shape."""
        path = self.card.exits[number].network
        model = self._requests[number].get_compiled_model()
        declared = {port.get_any_name(): port for port in model.inputs}
        if set(declared) != set(inputs):
            raise ModelError(f"{path}: takes {sorted(declared)}, not {sorted(inputs)}")
        for key, array in inputs.items():
            port = declared[key]
            fits = port.partial_shape.compatible(_partial_shape(array.shape))
            if not fits or port.element_type.to_dtype() != array.dtype:
                raise ModelError(
                    f"{path}: {key} takes {port.partial_shape} of {port.element_type}; the card"
                    f" says {array.shape} of {array.dtype}"
                )


def _judgement(heads: Mapping[str, F32], at: int, number: int) -> Judgement:
    return Judgement(
        behaviours=heads[BEHAVIOURS][at],
        postures=heads[POSTURES][at] if POSTURES in heads else _NOTHING,
        counts=heads[COUNT][at] if COUNT in heads else _NOTHING,
        onset_s=float(heads[ONSET][at, 0]) if ONSET in heads else None,
        unusual=float(heads[UNUSUAL][at, 0]) if UNUSUAL in heads else None,
        exit=number,
    )


def _partial_shape(shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - the engine ships no types
    from openvino import PartialShape

    return PartialShape(list(shape))


def _compile(model: Path, threads: int) -> Any:  # noqa: ANN401 - the engine ships no types
    # Imported when a recogniser is opened, so that --help and a configuration error are instant.
    try:
        import openvino
    except ImportError as error:
        raise ModelError("the engine is missing: pip install openvino") from error
    if not model.is_file():
        raise ModelError(f"{model}: no such file")
    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # A pinned thread waits for its core even when another one is free.
        "ENABLE_CPU_PINNING": "NO",
    }
    try:
        return core.compile_model(core.read_model(model), "CPU", options)
    except RuntimeError as error:
        raise ModelError(f"{model}: the engine cannot use it: {error}") from error
