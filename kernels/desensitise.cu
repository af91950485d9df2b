// SPDX-License-Identifier: Apache-2.0
//
// area_resize of frame.py and the planes of desensitise.py, bit for bit. What both leave behind in
// shared memory is zero; of a frame, only what PlaneState holds is kept.

#include <cstdint>

namespace desensitise_kernel {

constexpr int CANVAS_H = 64;
constexpr int CANVAS_W = 80;
constexpr int PIXELS = CANVAS_H * CANVAS_W;
constexpr int THREADS = 1024;
constexpr int OWN = PIXELS / THREADS;  // pixels of a thread: threadIdx.x + k * THREADS

// Volatile: for the compiler these stores would be to memory that nobody reads again.
__device__ void wipe(uint32_t* words, int count) {
    volatile uint32_t* word = words;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x))
        word[i] = 0;
}

// ---- the frame's area averages ------------------------------------------------------------------

constexpr int BGRX = 3;  // GRAY8 0, NV12 1 and I420 2 begin with a plane of luma

extern __shared__ __align__(64) uint32_t columns[];

template <bool bgrx>
__device__ __forceinline__ uint32_t luma(const uint8_t* __restrict__ frame, int pixel) {
    if (!bgrx) return frame[pixel];
    const uint32_t bytes = reinterpret_cast<const uint32_t*>(frame)[pixel];
    const uint32_t red = bytes >> 16 & 255, green = bytes >> 8 & 255, blue = bytes & 255;
    return (77 * red + 150 * green + 29 * blue + 128) >> 8;
}

// What source sample i, [i * parts, (i + 1) * parts), and part j, [j * size, (j + 1) * size), share.
__device__ __forceinline__ uint32_t overlap(int i, int parts, int j, int size) {
    return static_cast<uint32_t>(min((i + 1) * parts, (j + 1) * size) - max(i * parts, j * size));
}

// columns[x]: what the canvas's row covers of source column x. Neighbours read neighbours.
template <bool bgrx>
__device__ void sum_columns(const uint8_t* __restrict__ frame, int row, int width, int height) {
    const int first = row * height / CANVAS_H;
    const int last = ((row + 1) * height - 1) / CANVAS_H;
    for (int x = static_cast<int>(threadIdx.x); x < width; x += static_cast<int>(blockDim.x)) {
        uint32_t sum = 0;
#pragma unroll 8
        for (int y = first; y <= last; y++)
            sum += luma<bgrx>(frame, y * width + x) * overlap(y, CANVAS_H, row, height);
        columns[x] = sum;
    }
}

// ---- the planes ---------------------------------------------------------------------------------

constexpr int SUBSAMPLE = PIXELS / THREADS;  // one sample to each thread
constexpr int LOWER_MEDIAN = THREADS / 2 - 1;
constexpr int MOTION_SHIFT = 2;
constexpr int FOREGROUND_FLOOR = 6 * 16;
constexpr int FOREGROUND_SPAN = 408;
constexpr int MASK_THRESHOLD = 12 * 16;
constexpr int MOVING = 48 << 8;
constexpr int SCENE_CHANGE = PIXELS * 7 / 10;
constexpr int GHOST_EDGE_RATIO = 2;
constexpr uint32_t GHOST_STRIDE = 3;
constexpr int REACH = 9 / 2;  // to each side

// Of one sensor, between its frames. All zeros: nothing has been seen.
struct PlaneState {
    int32_t room[PIXELS];       // in 1/4096 grey levels
    int16_t previous[PIXELS];   // in 1/16
    uint16_t history[PIXELS];   // in 1/256
    uint8_t quiet[PIXELS];      // frames, up to quiet_frames
    uint32_t started;
    uint32_t phase;             // of GHOST_STRIDE
};

static_assert(sizeof(PlaneState) == 46088, "the host allocates it");

struct Scratch {
    int16_t grey[PIXELS];     // in 1/16 grey levels
    int16_t learned[PIXELS];  // the room before this frame, in 1/16
    uint8_t mask[PIXELS];     // 0 or 1
    union {
        struct {
            uint8_t canvas[PIXELS];
            uint8_t deviates[PIXELS];    // 0 or 1, before the median
            uint8_t foreground[PIXELS];  // before the median
        };
        int32_t votes[PIXELS];
    };
};

static_assert(sizeof(Scratch) == 46080, "the host asks for it, and every GPU has 48 KiB");

extern __shared__ __align__(64) uint8_t scratch_bytes[];

struct Place {
    int y, x;
};

__device__ __forceinline__ int own(int k) { return static_cast<int>(threadIdx.x) + k * THREADS; }
__device__ __forceinline__ Place place_of(int pixel) {
    return {pixel / CANVAS_W, pixel % CANVAS_W};
}

// Borders: a neighbour outside is the one as far inside, or the nearest one.
__device__ __forceinline__ int reflect(int i, int size) {
    return i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
}
__device__ __forceinline__ int nearest(int i, int size) { return max(0, min(i, size - 1)); }

template <typename T>
__device__ __forceinline__ int reflected(const T* image, int y, int x) {
    return image[reflect(y, CANVAS_H) * CANVAS_W + reflect(x, CANVAS_W)];
}

// [1 2 1] by [1 2 1]: in 1/16 grey levels.
__device__ int smooth(const uint8_t* canvas, Place at) {
    int sum = 0;
#pragma unroll
    for (int dy = -1; dy <= 1; dy++)
#pragma unroll
        for (int dx = -1; dx <= 1; dx++)
            sum += (2 - dy * dy) * (2 - dx * dx) * reflected(canvas, at.y + dy, at.x + dx);
    return sum;
}

// The lower median of grey - reference over every fifth pixel: the largest value that no more than
// LOWER_MEDIAN samples lie below, found bit by bit. All threads.
__device__ int common_shift(const int16_t* grey, const int16_t* reference) {
    constexpr int OFFSET = 4096;  // differences are within +-4080
    const int pixel = SUBSAMPLE * static_cast<int>(threadIdx.x);
    const int sample = grey[pixel] - reference[pixel] + OFFSET;
    int median = 0;
#pragma unroll 1
    for (int bit = OFFSET; bit > 0; bit >>= 1)
        if (__syncthreads_count(sample < (median | bit)) <= LOWER_MEDIAN) median |= bit;
    return median - OFFSET;
}

__device__ __forceinline__ void order(int& a, int& b) {
    const int smaller = min(a, b);
    b = max(a, b);
    a = smaller;
}

// Of the 3 by 3 neighbours: sorted columns, then the median of the largest of the smallest, the
// median of the medians and the smallest of the largest.
__device__ int median_of_nine(const uint8_t* image, Place at) {
    int low[3], middle[3], high[3];
#pragma unroll
    for (int column = 0; column < 3; column++) {
        const int x = nearest(at.x + column - 1, CANVAS_W);
        low[column] = image[nearest(at.y - 1, CANVAS_H) * CANVAS_W + x];
        middle[column] = image[at.y * CANVAS_W + x];
        high[column] = image[nearest(at.y + 1, CANVAS_H) * CANVAS_W + x];
        order(low[column], middle[column]);
        order(middle[column], high[column]);
        order(low[column], middle[column]);
    }
    order(middle[0], middle[1]);
    int a = max(max(low[0], low[1]), low[2]);
    int b = max(middle[0], min(middle[1], middle[2]));
    int c = min(min(high[0], high[1]), high[2]);
    order(a, b);
    order(b, c);
    return max(a, b);
}

// Set pixels among the 3 by 3 neighbours: none, most or all of them says what a filter would.
__device__ int set_of_nine(const uint8_t* mask, Place at) {
    int set = 0;
#pragma unroll
    for (int dy = -1; dy <= 1; dy++)
#pragma unroll
        for (int dx = -1; dx <= 1; dx++)
            set += mask[nearest(at.y + dy, CANVAS_H) * CANVAS_W + nearest(at.x + dx, CANVAS_W)];
    return set;
}

// Gradient magnitude (L1) by Sobel.
__device__ int gradient(const int16_t* image, Place at) {
    int across = 0, down = 0;
#pragma unroll
    for (int i = -1; i <= 1; i++) {
        const int weight = 2 - i * i;
        across += weight * (reflected(image, at.y + i, at.x + 1) -
                            reflected(image, at.y + i, at.x - 1));
        down += weight * (reflected(image, at.y + 1, at.x + i) -
                          reflected(image, at.y - 1, at.x + i));
    }
    return abs(across) + abs(down);
}

// ---- the stages of a frame, each by all threads; every thread writes its own pixels --------------

// The frame, smoothed, and the room. The first frame is its own past.
__device__ void take(const uint8_t* __restrict__ canvas, PlaneState& state, Scratch& scratch) {
    for (int k = 0; k < OWN; k++) scratch.canvas[own(k)] = canvas[own(k)];
    const bool first = state.started == 0;
    __syncthreads();
    for (int k = 0; k < OWN; k++) {
        const int i = own(k);
        const int grey = smooth(scratch.canvas, place_of(i));
        scratch.grey[i] = static_cast<int16_t>(grey);
        if (first) {
            state.previous[i] = static_cast<int16_t>(grey);
            state.room[i] = grey << 8;
        }
        scratch.learned[i] = static_cast<int16_t>((state.room[i] + 128) >> 8);
    }
    __syncthreads();
}

// Planes 0 and 1, and plane 2 and the mask before their medians.
__device__ void compare(PlaneState& state, Scratch& scratch, uint32_t decay,
                        uint8_t* __restrict__ planes) {
    const int since_previous = common_shift(scratch.grey, state.previous);
    const int since_learned = common_shift(scratch.grey, scratch.learned);
    for (int k = 0; k < OWN; k++) {
        const int i = own(k), grey = scratch.grey[i];
        const uint32_t moved = static_cast<uint32_t>(abs(grey - state.previous[i] - since_previous));
        const uint32_t motion = min(moved >> MOTION_SHIFT, 255u);
        const uint32_t history = max(state.history[i] * decay >> 16, motion << 8);
        const int deviation = abs(grey - scratch.learned[i] - since_learned);
        const int above = max(0, min(deviation - FOREGROUND_FLOOR, FOREGROUND_SPAN));
        state.history[i] = static_cast<uint16_t>(history);
        planes[i] = static_cast<uint8_t>(motion);
        planes[PIXELS + i] = static_cast<uint8_t>(history >> 8);
        scratch.foreground[i] = static_cast<uint8_t>(above * 5 >> 3);
        scratch.deviates[i] = deviation > MASK_THRESHOLD;
    }
    __syncthreads();
}

// Plane 2 and the mask; how many pixels of the whole canvas are masked.
__device__ int clean(Scratch& scratch, uint8_t* __restrict__ planes) {
    int masked = 0;
    for (int k = 0; k < OWN; k++) {
        const int i = own(k);
        const bool set = set_of_nine(scratch.deviates, place_of(i)) > 4;
        scratch.mask[i] = set;
        planes[2 * PIXELS + i] =
            static_cast<uint8_t>(median_of_nine(scratch.foreground, place_of(i)));
        masked += __syncthreads_count(set);
    }
    return masked;
}

// Counts frames without motion under the mask; whether any of the thread's own pixels is ripe.
__device__ bool wait_for_quiet(PlaneState& state, const Scratch& scratch, uint32_t needed) {
    bool ripe = false;
    for (int k = 0; k < OWN; k++) {
        const int i = own(k);
        const bool still = state.history[i] < MOVING && scratch.mask[i];
        const uint32_t quiet = still ? min(state.quiet[i] + 1u, needed) : 0;
        state.quiet[i] = static_cast<uint8_t>(quiet);
        ripe |= quiet == needed;
    }
    return ripe;
}

// Replaces what has left in the room: ripe, and its outline is rather the room's than the frame's.
__device__ void absorb_ghosts(PlaneState& state, Scratch& scratch, uint32_t needed) {
    for (int k = 0; k < OWN; k++) {
        const int i = own(k), set = set_of_nine(scratch.mask, place_of(i));
        scratch.votes[i] = set == 0 || set == 9
                               ? 0
                               : GHOST_EDGE_RATIO * gradient(scratch.grey, place_of(i)) -
                                     gradient(scratch.learned, place_of(i));
    }
    __syncthreads();
    int rows[OWN] = {};
#pragma unroll
    for (int k = 0; k < OWN; k++)
        for (int dx = -REACH; dx <= REACH; dx++)
            rows[k] += reflected(scratch.votes, place_of(own(k)).y, place_of(own(k)).x + dx);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < OWN; k++) scratch.votes[own(k)] = rows[k];
    __syncthreads();
    for (int k = 0; k < OWN; k++) {
        const int i = own(k);
        int evidence = 0;
        for (int dy = -REACH; dy <= REACH; dy++)
            evidence += reflected(scratch.votes, place_of(i).y + dy, place_of(i).x);
        if (state.quiet[i] == needed && evidence < 0) {
            state.room[i] = scratch.grey[i] << 8;
            state.quiet[i] = 0;
        }
    }
}

__device__ void learn_slowly(PlaneState& state, const Scratch& scratch, int learn) {
    for (int k = 0; k < OWN; k++) {
        const int i = own(k);
        if (set_of_nine(scratch.mask, place_of(i))) continue;  // somebody is there or nearby
        const int error = (scratch.grey[i] << 8) - state.room[i];
        state.room[i] += (error * learn + 4096) >> 13;
    }
}

__device__ void learn_at_once(PlaneState& state, const Scratch& scratch) {
    for (int k = 0; k < OWN; k++) {
        state.room[own(k)] = scratch.grey[own(k)] << 8;
        state.quiet[own(k)] = 0;
    }
}

}  // namespace desensitise_kernel

// A frame -> canvas (64, 80), each pixel its area's average. 64 blocks, one for each row; any
// blockDim.x; dynamic shared memory: 4 * width bytes.
extern "C" __global__ void area_resize(const uint8_t* __restrict__ frame,
                                       uint8_t* __restrict__ canvas, int pixels, int width,
                                       int height) {
    using namespace desensitise_kernel;
    const int row = static_cast<int>(blockIdx.x);
    if (pixels == BGRX)
        sum_columns<true>(frame, row, width, height);
    else
        sum_columns<false>(frame, row, width, height);
    __syncthreads();
    const uint32_t area = static_cast<uint32_t>(width) * static_cast<uint32_t>(height);
    for (int j = static_cast<int>(threadIdx.x); j < CANVAS_W; j += static_cast<int>(blockDim.x)) {
        uint32_t sum = area / 2;  // at most 255.5 * 3840 * 2160 in the end, below 2^31
        for (int x = j * width / CANVAS_W; x <= ((j + 1) * width - 1) / CANVAS_W; x++)
            sum += columns[x] * overlap(x, CANVAS_W, j, width);
        canvas[row * CANVAS_W + j] = static_cast<uint8_t>(sum / area);
    }
    __syncthreads();
    wipe(columns, width);
}

// canvas (64, 80) -> planes (3, 64, 80), and the state one frame on; decay, learn and quiet_frames
// are those of Rates. One block of 1024 threads; dynamic shared memory: 46080 bytes.
extern "C" __global__ void __launch_bounds__(1024)
    planes(const uint8_t* __restrict__ canvas, desensitise_kernel::PlaneState* __restrict__ kept,
           uint8_t* __restrict__ planes, uint32_t decay, uint32_t learn, uint32_t quiet_frames) {
    using namespace desensitise_kernel;
    Scratch& scratch = *reinterpret_cast<Scratch*>(scratch_bytes);
    PlaneState& state = *kept;
    take(canvas, state, scratch);
    compare(state, scratch, decay, planes);
    if (clean(scratch, planes) > SCENE_CHANGE) {
        learn_at_once(state, scratch);
    } else {
        const uint32_t phase = (state.phase + 1) % GHOST_STRIDE;
        const bool ripe = wait_for_quiet(state, scratch, quiet_frames);
        if (__syncthreads_or(phase == 0 && ripe)) absorb_ghosts(state, scratch, quiet_frames);
        learn_slowly(state, scratch, static_cast<int>(learn));
        if (threadIdx.x == 0) state.phase = phase;
    }
    for (int k = 0; k < OWN; k++) state.previous[own(k)] = scratch.grey[own(k)];
    if (threadIdx.x == 0) state.started = 1;
    __syncthreads();
    wipe(reinterpret_cast<uint32_t*>(&scratch), sizeof(Scratch) / sizeof(uint32_t));
}
