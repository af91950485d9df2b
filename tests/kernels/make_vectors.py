# SPDX-License-Identifier: Apache-2.0
"""Write the known answers in vectors/: the release once more, from kernels/README.md alone.

Python integers and decimals only; neither NumPy nor anything of `kernels` is imported, so that
agreement means something. `python tests/kernels/make_vectors.py DIR` writes the files;
test_vectors.py checks that the files are what this writes and what the reference computes.
"""

import functools
import hashlib
import math
import struct
import sys
from decimal import Decimal, localcontext
from pathlib import Path

CASES = [
    # name, K, D, scale, C, M, sigma, releases, kind of embedding
    ("one-by-one", 1, 1, 0.5, 16, 40, 7, 3, "plain"),
    ("window-16-bits", 8, 64, 0.02, 256, 40_000, 244, 3, "plain"),
    ("coarse", 16, 64, 0.02, 256, 40_000, 1032, 2, "plain"),
    ("awkward", 7, 63, 0.03125, 255, 999, 151, 2, "plain"),
    ("odd-and-long", 31, 129, 0.1, 1000, 1, 800, 1, "plain"),
    ("saturated", 8, 64, 1e-30, 256, 1, 344, 1, "plain"),
    ("not-numbers", 8, 64, 0.02, 256, 10_000, 344, 1, "special"),
    ("nothing", 8, 64, 0.02, 256, 1, 344, 2, "zero"),
    ("widest", 3, 5, 1.0, 300, 2**31 - 1, 1500, 2, "plain"),
]


def stream_of_bytes(label, count):
    return hashlib.shake_256(label.encode()).digest(count)


def chacha_block(key, counter):
    def quarter(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            mixed = s[z] ^ s[x]
            s[z] = (mixed << bits | mixed >> (32 - bits)) & 0xFFFFFFFF

    constants = struct.unpack("<4I", b"expand 32-byte k")
    start = [*constants, *struct.unpack("<8I", key), counter, 0, 0, 0]
    s = list(start)
    for _ in range(10):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(*column)
        for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*diagonal)
    return struct.pack("<16I", *((x + y) & 0xFFFFFFFF for x, y in zip(s, start, strict=True)))


def turn(key, count):
    size = 32 + 16 * count
    stream = b"".join(chacha_block(key, n) for n in range(-(-size // 64)))[:size]
    words = [int.from_bytes(stream[at : at + 16], "little") for at in range(32, size, 16)]
    return stream[:32], words


@functools.lru_cache
def thresholds(sigma):
    with localcontext() as exact:
        exact.prec = 50
        weights = [Decimal(1)]
        while weights[-1] > Decimal(10) ** -33:
            weights.append((Decimal(-(len(weights) ** 2)) / (2 * sigma * sigma)).exp())
        sums = [weights[0]]
        for weight in weights[1:]:
            sums.append(sums[-1] + 2 * weight)
        bound = next(x for x, s in enumerate(sums) if (sums[-1] - s) * 2**80 < sums[-1])
        scale = Decimal(2**127) / sums[bound]
        return [int((s * scale).to_integral_value()) for s in sums[:bound]]


def draw(steps, word):
    magnitude = sum(t <= word % 2**127 for t in steps)
    return -magnitude if word >> 127 else magnitude


def single(value):
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def quantise(e, s):
    if math.isnan(e):
        return 0
    ratio = single(e / single(s))
    return round(max(-127.0, min(127.0, ratio)))


def clip(u, C, M):
    square = sum(x * x for x in u)
    root = math.isqrt(square)
    m = max(root + (root * root < square), M)
    return [x * C // m if x >= 0 else -(-x * C // m) for x in u]


def embedding_of(kind, name, D):
    raw = stream_of_bytes(f"embedding {name}", 4 * D)
    values = [single((x - 2**31) / 2**31 * 3) for x in struct.unpack(f"<{D}I", raw)]
    if kind == "zero":
        return [0.0] * D
    if kind == "special":
        values[:6] = [math.nan, math.inf, -math.inf, single(3e38), single(1e-40), -0.0]
    return values


def release_lines(case):
    name, K, D, scale, C, M, sigma, releases, kind = case
    raw = stream_of_bytes(f"projection {name}", K * D)
    P = [struct.unpack(f"{D}b", raw[k * D : (k + 1) * D]) for k in range(K)]
    key = stream_of_bytes(f"key {name}", 32)
    e = embedding_of(kind, name, D)
    q = [quantise(x, scale) for x in e]
    u = [sum(a * b for a, b in zip(row, q, strict=True)) for row in P]
    v = clip(u, C, M)
    table = thresholds(sigma)
    yield from (f"K: {K}", f"D: {D}", f"scale: {scale!r}", f"C: {C}", f"M: {M}", f"sigma: {sigma}")
    yield f"projection: {raw.hex()}"
    yield f"embedding: {struct.pack(f'<{D}f', *e).hex()}"
    yield from (f"q: {spaced(q)}", f"u: {spaced(u)}", f"v: {spaced(v)}")
    for _ in range(releases):
        yield f"key: {key.hex()}"
        key, words = turn(key, K)
        g = [draw(table, word) for word in words]
        yield f"g: {spaced(g)}"
        yield f"z: {spaced(a + b for a, b in zip(v, g, strict=True))}"
    yield f"key: {key.hex()}"


def draw_lines(sigma):
    """Words on both sides of a threshold, and the ends."""
    table = thresholds(sigma)
    yield f"sigma: {sigma}"
    yield f"bound: {len(table)}"
    chosen = sorted({0, 1, 2, len(table) // 3, len(table) // 2, len(table) - 2, len(table) - 1})
    magnitudes = [0, 2**127 - 1] + [table[i] + d for i in chosen for d in (-1, 0) if i >= 0]
    for r in magnitudes:
        for word in (r, r + 2**127):
            yield f"draw: {word.to_bytes(16, 'little').hex()} {draw(table, word)}"


def spaced(values):
    return " ".join(str(x) for x in values)


def main(folder):
    for case in CASES:
        text = "\n".join(release_lines(case)) + "\n"
        (folder / f"release-{case[0]}.txt").write_text(text, encoding="ascii")
    for sigma in (1, 7, 344, 1032, 1500):
        text = "\n".join(draw_lines(sigma)) + "\n"
        (folder / f"draws-{sigma}.txt").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
