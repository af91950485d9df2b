// SPDX-License-Identifier: Apache-2.0
//
// The release of reference.py, bit for bit, for a batch of B sensors:
//     q = clamp(rint(e / s), -127, 127)                      u = P q
//     m = max(ceil(sqrt(sum u^2)), M)                        v = trunc(u C / m)
//     z = v + g, g drawn with the noise words of the key; the key is overwritten by the next one
// One warp per release, any K from 1 to 1024 and D from 1 to 4096. Everything before the noise, and
// the noise, is in registers and in the warp's room in shared memory, which is zeroed on every path;
// nothing spills to device memory. No branch and no number of steps depends on a key or a word.

#include <cmath>
#include <cstdint>

struct Order {
    uint64_t ticket;  // the receipt repeats it
    int32_t level;    // of the noise; -1: release nothing and do not turn the key
    uint32_t reserved;
};

struct Receipt {  // written last, when the vector is
    uint64_t ticket;
    int32_t level;
    uint32_t flags;
};

static_assert(sizeof(Order) == 16 && sizeof(Receipt) == 16, "the host reads and writes these");

namespace release_kernel {

constexpr uint32_t DONE = 1;            // the order was carried out, unless there is a fault as well
constexpr uint32_t NOT_FINITE = 2;      // a NaN or an infinity in the embedding; the key is turned
constexpr uint32_t NO_SUCH_LEVEL = 4;   // the key is not turned
constexpr uint32_t NO_KEY = 8;          // the key is all zeros: noise from it would be known to all

constexpr unsigned ALL_LANES = 0xFFFFFFFFu;
constexpr int LANES = 32;
constexpr int MAX_WARPS = 4;
constexpr int KEY_WORDS = 8;      // of 4 bytes
constexpr int DRAW_WORDS = 4;     // of 4 bytes: one draw
constexpr int BLOCK_WORDS = 16;   // of 4 bytes: one ChaCha20 block
constexpr int ROWS = 8;           // of P at a time, so that their loads do not wait for each other

extern __shared__ __align__(64) uint8_t rooms[];

// What one warp has in shared memory; each part begins on a multiple of 64 bytes.
struct Room {
    int8_t* q;
    int32_t* u;
    uint32_t* stream;
    uint8_t* end;
};

__device__ __forceinline__ int round64(int bytes) { return (bytes + 63) & ~63; }

__device__ Room room_of(int warp, int words, int released_dim) {
    const int q_bytes = round64(4 * words);
    const int u_bytes = round64(4 * released_dim);
    const int stream_bytes = round64(4 * (KEY_WORDS + DRAW_WORDS * released_dim));
    uint8_t* start = rooms + warp * (q_bytes + u_bytes + stream_bytes);
    return {reinterpret_cast<int8_t*>(start), reinterpret_cast<int32_t*>(start + q_bytes),
            reinterpret_cast<uint32_t*>(start + q_bytes + u_bytes),
            start + q_bytes + u_bytes + stream_bytes};
}

// Volatile: for the compiler these stores would be to memory that nobody reads again.
__device__ void wipe(const Room& room, int lane) {
    volatile uint32_t* word = reinterpret_cast<uint32_t*>(room.q);
    volatile uint32_t* end = reinterpret_cast<uint32_t*>(room.end);
#pragma unroll 4
    for (word += lane; word < end; word += LANES) *word = 0;
}

// ---- before the noise ---------------------------------------------------------------------------

// e (D) -> q, padded with zeros to whole words; whether every e is a finite number.
__device__ bool quantise(const float* __restrict__ embedding, int embedding_dim, int words,
                         float scale, int lane, int8_t* q) {
    uint32_t strange = 0;
#pragma unroll 1
    for (int i = lane; i < 4 * words; i += LANES) {
        const float e = i < embedding_dim ? embedding[i] : 0.0f;
        const bool finite = fabsf(e) < INFINITY;
        const float ratio = finite ? __fdiv_rn(e, scale) : 0.0f;
        q[i] = static_cast<int8_t>(rintf(fminf(fmaxf(ratio, -127.0f), 127.0f)));
        strange |= !finite;
    }
    return __reduce_or_sync(ALL_LANES, strange) == 0;
}

// u = P q; the sum of u^2, below 2^62. Rows past the last are the last once more and do not count.
__device__ uint64_t project(const int32_t* __restrict__ projection, const int32_t* q, int words,
                            int released_dim, int lane, int32_t* u) {
    uint64_t square = 0;
    for (int first = 0; first < released_dim; first += ROWS) {
        int32_t sums[ROWS] = {};
#pragma unroll 1
        for (int i = lane; i < words; i += LANES) {
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                const int k = min(first + row, released_dim - 1);
                sums[row] = __dp4a(projection[k * words + i], q[i], sums[row]);
            }
        }
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const int32_t sum = __reduce_add_sync(ALL_LANES, sums[row]);
            if (first + row < released_dim) {
                square += static_cast<uint64_t>(static_cast<int64_t>(sum) * sum);
                if (lane == row) u[first + row] = sum;
            }
        }
    }
    return square;
}

// max(ceil(sqrt(square)), M) for square < 2^62 and M >= 1: one more than the largest integer whose
// square is smaller, found bit by bit.
__device__ uint32_t divisor(uint64_t square, uint32_t full_scale) {
    uint32_t below = 0;
#pragma unroll
    for (int bit = 30; bit >= 0; bit--) {
        const uint32_t larger = below | 1u << bit;
        below = static_cast<uint64_t>(larger) * larger < square ? larger : below;
    }
    return max(below + 1, full_scale);
}

// trunc(u C / m). The quotient is at most C < 2^15: fifteen steps, whatever u is.
__device__ int32_t clip(int32_t u, uint32_t clip_norm, uint32_t m) {
    uint64_t rest = static_cast<uint64_t>(u < 0 ? -u : u) * clip_norm;
    int32_t quotient = 0;
#pragma unroll
    for (int bit = 14; bit >= 0; bit--) {
        const uint64_t part = static_cast<uint64_t>(m) << bit;
        const bool fits = rest >= part;
        rest -= fits ? part : 0;
        quotient |= static_cast<int32_t>(fits) << bit;
    }
    return u < 0 ? -quotient : quotient;
}

// ---- the noise ----------------------------------------------------------------------------------

__device__ __forceinline__ uint32_t rotate(uint32_t x, int bits) {
    return x << bits | x >> (32 - bits);
}

__device__ __forceinline__ void quarter(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d) {
    a += b;
    d = rotate(d ^ a, 16);
    c += d;
    b = rotate(b ^ c, 12);
    a += b;
    d = rotate(d ^ a, 8);
    c += d;
    b = rotate(b ^ c, 7);
}

// One block of ChaCha20 (RFC 8439, section 2.3) with a nonce of zeros.
__device__ void chacha(const uint32_t (&key)[KEY_WORDS], uint32_t counter, uint32_t* out) {
    const uint32_t start[BLOCK_WORDS] = {0x61707865, 0x3320646E, 0x79622D32, 0x6B206574,
                                         key[0],     key[1],     key[2],     key[3],
                                         key[4],     key[5],     key[6],     key[7],
                                         counter,    0,          0,          0};
    uint32_t x[BLOCK_WORDS];
#pragma unroll
    for (int i = 0; i < BLOCK_WORDS; i++) x[i] = start[i];
#pragma unroll 1
    for (int round = 0; round < 20; round += 2) {
#pragma unroll
        for (int i = 0; i < 4; i++) quarter(x[i], x[4 + i], x[8 + i], x[12 + i]);
#pragma unroll
        for (int i = 0; i < 4; i++)
            quarter(x[i], x[4 + (i + 1) % 4], x[8 + (i + 2) % 4], x[12 + (i + 3) % 4]);
    }
#pragma unroll
    for (int i = 0; i < BLOCK_WORDS; i++) out[i] = x[i] + start[i];
}

// The keystream, a block to each lane; then the next key over the old one, before a word is used.
__device__ void turn(uint32_t* key, const uint32_t (&old)[KEY_WORDS], int released_dim, int lane,
                     uint32_t* stream) {
    const int words = KEY_WORDS + DRAW_WORDS * released_dim;
    for (int block = lane; block * BLOCK_WORDS < words; block += LANES)
        chacha(old, static_cast<uint32_t>(block), stream + block * BLOCK_WORDS);
    __syncwarp();
    if (lane < KEY_WORDS) key[lane] = stream[lane];
}

// The discrete Gaussian of one word: how many thresholds of the tree are at most r, and the sign.
__device__ int32_t draw(const uint64_t* __restrict__ tree, int steps, const uint32_t* word) {
    const uint64_t* __restrict__ tree_low = tree + (1 << steps);
    const uint64_t low = static_cast<uint64_t>(word[1]) << 32 | word[0];
    const uint64_t high = static_cast<uint64_t>(word[3] & 0x7FFFFFFF) << 32 | word[2];
    uint32_t node = 1;
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
        const uint64_t borrow = tree_low[node] > low;
        node = 2 * node + (tree[node] + borrow <= high);
    }
    const int32_t magnitude = static_cast<int32_t>(node) - (1 << steps);
    const int32_t minus = -static_cast<int32_t>(word[3] >> 31);
    return (magnitude ^ minus) - minus;
}

}  // namespace release_kernel

// embeddings (B, D); projection (K, 4 ceil(D / 4)), padded with zeros; trees: of every level the high
// limbs, then the low limbs; levels (L): where its tree begins, and its steps; keys (B, 32), turned in
// place; vectors (B, K): zeros where nothing is released. blockDim (32, 1 to MAX_WARPS); dynamic
// shared memory per warp: round64(4 ceil(D / 4)) + round64(4 K) + round64(32 + 16 K) bytes.
extern "C" __global__ void __launch_bounds__(32 * release_kernel::MAX_WARPS)
    release(const float* __restrict__ embeddings, const int8_t* __restrict__ projection,
            const uint64_t* __restrict__ trees, const int32_t* __restrict__ levels,
            const Order* __restrict__ orders, uint8_t* __restrict__ keys,
            int16_t* __restrict__ vectors, Receipt* __restrict__ receipts, int batch,
            int released_dim, int embedding_dim, int level_count, float scale, int clip_norm,
            int full_scale) {
    using namespace release_kernel;
    const int lane = static_cast<int>(threadIdx.x);
    const int warp = static_cast<int>(threadIdx.y);
    const int64_t b = static_cast<int64_t>(blockIdx.x) * blockDim.y + warp;
    const int words = (embedding_dim + 3) / 4;
    const Room room = room_of(warp, words, released_dim);
    if (b < batch) {
        const int32_t level = orders[b].level;
        uint32_t* key = reinterpret_cast<uint32_t*>(keys) + KEY_WORDS * b;
        int16_t* vector = vectors + released_dim * b;

        uint32_t old[KEY_WORDS], any_bit = 0;
#pragma unroll
        for (int i = 0; i < KEY_WORDS; i++) any_bit |= old[i] = key[i];
        const bool level_known = -1 <= level && level < level_count;
        const bool finite =
            quantise(embeddings + embedding_dim * b, embedding_dim, words, scale, lane, room.q);
        const uint32_t flags = DONE | (finite ? 0 : NOT_FINITE) |
                               (level_known ? 0 : NO_SUCH_LEVEL) | (any_bit != 0 ? 0 : NO_KEY);

        const bool turns = level_known && level >= 0 && any_bit != 0;
        __syncwarp();
        if (turns) turn(key, old, released_dim, lane, room.stream);
        if (turns && finite) {
            const uint64_t square =
                project(reinterpret_cast<const int32_t*>(projection),
                        reinterpret_cast<const int32_t*>(room.q), words, released_dim, lane, room.u);
            const uint32_t m = divisor(square, static_cast<uint32_t>(full_scale));
            const uint64_t* tree = trees + levels[2 * level];
            const int steps = levels[2 * level + 1];
            __syncwarp();
#pragma unroll 1
            for (int k = lane; k < released_dim; k += LANES) {
                const int32_t v = clip(room.u[k], static_cast<uint32_t>(clip_norm), m);
                const int32_t g = draw(tree, steps, room.stream + KEY_WORDS + DRAW_WORDS * k);
                vector[k] = static_cast<int16_t>(v + g);
            }
        } else {
#pragma unroll 1
            for (int k = lane; k < released_dim; k += LANES) vector[k] = 0;
        }
        __threadfence();  // key and vector are in memory before the receipt says so
        __syncwarp();
        if (lane == 0) receipts[b] = {orders[b].ticket, level, flags};
    }
    wipe(room, lane);  // nobody of this warp reads its room after the barrier above
}
