# SPDX-License-Identifier: Apache-2.0
"""Secret noise: a ChaCha20 keystream (RFC 8439), a key ratchet, and draws from a table.

One 128-bit word makes one draw. A word is 16 bytes of keystream, little-endian: the low limb, then
the high limb. The top bit of the high limb is the sign, the other 127 bits choose the magnitude.

The search takes the same steps for every word: no rejection, no early exit, no branch on a word.
The ratchet is fast key erasure: the first 32 bytes of a key's keystream (zero nonce, counter 0)
are the next key, the rest is noise. A key makes one keystream and is overwritten.
Nothing here keeps, prints or logs a key or a word. The machine is little-endian.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import DTypeLike, NDArray

from kernels.errors import ReleaseError
from kernels.table import NoiseTable

KEY_BYTES = 32
NONCE_BYTES = 12
WORD_BYTES = 16

Octets = bytearray | memoryview
Words = NDArray[np.uint64]  # (n, 2): low limb, high limb

_ALIGNMENT = 64
_SIGN_SHIFT = np.uint64(63)
_MAGNITUDE_MASK = np.uint64(2**63 - 1)
_NONCE_ZERO = bytes(NONCE_BYTES)


def keystream(
    key: Octets | bytes, out: Octets, zeros: bytes, counter: int = 0, nonce: bytes = _NONCE_ZERO
) -> None:
    """ChaCha20 of RFC 8439 into `out`; `zeros` are as many zero bytes.

    Written in place: no copy of key or stream is left in an object that Python cannot wipe.
    """
    start = counter.to_bytes(4, "little") + nonce
    Cipher(ChaCha20(key, start), mode=None).encryptor().update_into(zeros, out)


def ratchet(key: Octets | bytes, count: int) -> tuple[bytearray, Words]:
    """(next key, noise words (count, 2)) of a 32-byte key. Pure; the caller overwrites the key."""
    stream = bytearray(KEY_BYTES + WORD_BYTES * count)
    keystream(key, stream, bytes(len(stream)))
    limbs = np.frombuffer(stream, dtype=np.uint64, offset=KEY_BYTES)
    return stream[:KEY_BYTES], limbs.reshape(count, 2)


class Carver:
    """Hands out aligned views of one block of bytes, so that one call wipes them all."""

    def __init__(self, block: NDArray[np.uint8]) -> None:
        self._block = block
        self._used = 0

    def __call__(self, count: int, dtype: DTypeLike) -> NDArray[Any]:
        """`count` zeroed values of `dtype`."""
        size = count * np.dtype(dtype).itemsize
        if self._used + size > self._block.size:
            raise ReleaseError("scratch block is too small")
        view = self._block[self._used : self._used + size].view(dtype)
        self._used += -(-size // _ALIGNMENT) * _ALIGNMENT
        return view


class Search:
    """Room for n draws at once; every array lies in the carver's block."""

    def __init__(self, count: int, carve: Carver) -> None:
        self._high, self._low, self._table_high, self._table_low, self._borrow = (
            carve(count, np.uint64) for _ in range(5)
        )
        self._step = carve(count, np.int64)
        self.draws = carve(count, np.int64)
        # Comparisons write the lowest byte of a zeroed integer: 0 or 1 without a conversion.
        self._borrow_flag = self._borrow.view(np.bool_)[::8]
        self._step_flag = self._step.view(np.bool_)[::8]

    @classmethod
    def bytes_needed(cls, count: int) -> int:
        """Size of a block that holds this and the gaps between its arrays."""
        return 7 * (8 * count + _ALIGNMENT)

    def run(self, table: NoiseTable, words: Words) -> None:
        """words (n, 2) uint64 -> self.draws (n,) int64; n is this room's size."""
        np.bitwise_and(words[:, 1], _MAGNITUDE_MASK, out=self._high)
        np.copyto(self._low, words[:, 0])
        self._descend(table)
        np.right_shift(words[:, 1], _SIGN_SHIFT, out=self._borrow)
        np.copyto(self._step, self._borrow, casting="same_kind")
        np.subtract(self.draws, self._step, out=self.draws)
        np.negative(self._step, out=self._step)
        np.bitwise_xor(self.draws, self._step, out=self.draws)  # -g is the complement of g - 1

    def _descend(self, table: NoiseTable) -> None:
        """How many T[i] <= r: from the root to a leaf, table.steps look-ups for every word."""
        node = self.draws
        node.fill(1)
        self._borrow.fill(0)
        self._step.fill(0)
        for _ in range(table.steps):
            table.high.take(node, out=self._table_high, mode="clip")
            table.low.take(node, out=self._table_low, mode="clip")
            np.greater(self._table_low, self._low, out=self._borrow_flag)
            np.add(self._table_high, self._borrow, out=self._table_high)
            np.less_equal(self._table_high, self._high, out=self._step_flag)
            np.add(node, node, out=node)
            np.add(node, self._step, out=node)
        np.subtract(node, len(table.high), out=node)


def sample(table: NoiseTable, words: Words) -> NDArray[np.int32]:
    """words (n, 2) uint64 -> n discrete Gaussians int32, |g| <= table.bound."""
    count = len(words)
    search = Search(count, Carver(np.zeros(Search.bytes_needed(count), dtype=np.uint8)))
    search.run(table, words)
    return search.draws.astype(np.int32)
