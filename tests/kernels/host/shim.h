// SPDX-License-Identifier: Apache-2.0
//
// The part of CUDA C++ that Lethe's kernels use, for the host: build.py puts this file in front of
// a .cu and compiles it with g++. Whatever is not here does not compile, and that is meant: a
// kernel may use nothing that cannot be run and checked without a GPU. shim.cpp says how it runs.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
// Blocks run one after the other, so one copy serves all. The section is filled before each block.
#define __shared__ static __attribute__((section("cuda_shared")))

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace shim {

// What those that meet at a barrier bring with them: added up, and all their bits.
struct Votes {
    unsigned sum = 0, bits = 0;
};

Votes block_barrier(unsigned vote, const char* file, int line);
Votes warp_barrier(unsigned mask, unsigned vote, const char* file, int line);

// Dynamic shared memory of the block; build.py makes `extern __shared__ T name[];` a call of this.
void* dynamic_shared();

// What the launcher knows of a kernel: how to call it, and the size of each parameter in bytes.
struct Kernel {
    const char* name;
    void (*call)(void** arguments);
    const size_t* sizes;
    int parameters;
};

struct Registration {
    explicit Registration(const Kernel& kernel);
};

template <auto kernel>
struct Entry;

template <typename... Parameters, void (*kernel)(Parameters...)>
struct Entry<kernel> {
    static constexpr size_t sizes[sizeof...(Parameters) + 1] = {sizeof(Parameters)..., 0};

    template <size_t... i>
    static void spread([[maybe_unused]] void** arguments, std::index_sequence<i...>) {
        kernel(*static_cast<Parameters*>(arguments[i])...);
    }
    static void call(void** arguments) {
        spread(arguments, std::index_sequence_for<Parameters...>{});
    }
    static Kernel named(const char* name) { return {name, call, sizes, sizeof...(Parameters)}; }
};

}  // namespace shim

#define SHIM_KERNEL(name) \
    static const shim::Registration shim_##name(shim::Entry<&name>::named(#name))

// ---- barriers: the place of the call counts, as it does in the rules for divergent code ---------

#define SHIM_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(SHIM_HERE) { shim::block_barrier(0, file, line); }
inline int __syncthreads_count(int predicate, SHIM_HERE) {
    return static_cast<int>(shim::block_barrier(predicate != 0, file, line).sum);
}
inline int __syncthreads_or(int predicate, SHIM_HERE) {
    return static_cast<int>(shim::block_barrier(predicate != 0, file, line).bits);
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, SHIM_HERE) {
    shim::warp_barrier(mask, 0, file, line);
}
// All lanes meet here, though on a device that orders no memory: a __syncwarp() that is missing
// beside one of these is not seen.
inline int __reduce_add_sync(unsigned mask, int value, SHIM_HERE) {
    return static_cast<int>(
        shim::warp_barrier(mask, static_cast<unsigned>(value), file, line).sum);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, SHIM_HERE) {
    return shim::warp_barrier(mask, value, file, line).bits;
}
// One thread runs at a time and blocks never overlap: every write is seen at once.
inline void __threadfence() {}

// ---- atomics: a thread is only left at a barrier ------------------------------------------------

inline int atomicAdd(int* address, int value) {
    const int old = *address;
    *address = static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value));
    return old;
}
inline unsigned atomicAdd(unsigned* address, unsigned value) {
    const unsigned old = *address;
    *address = old + value;
    return old;
}
inline int atomicOr(int* address, int value) {
    const int old = *address;
    *address = old | value;
    return old;
}
inline unsigned atomicOr(unsigned* address, unsigned value) {
    const unsigned old = *address;
    *address = old | value;
    return old;
}

// ---- arithmetic ---------------------------------------------------------------------------------

inline int __dp4a(int a, int b, int sum) {
    uint32_t total = static_cast<uint32_t>(sum);  // wraps, as the instruction does
    for (int byte = 0; byte < 32; byte += 8) {
        const int product = static_cast<int8_t>(static_cast<uint32_t>(a) >> byte) *
                            static_cast<int8_t>(static_cast<uint32_t>(b) >> byte);
        total += static_cast<uint32_t>(product);
    }
    return static_cast<int>(total);
}
inline float __fdiv_rn(float numerator, float denominator) { return numerator / denominator; }

template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
constexpr Integer min(Integer a, Integer b) {
    return b < a ? b : a;
}
template <typename Integer, typename = std::enable_if_t<std::is_integral_v<Integer>>>
constexpr Integer max(Integer a, Integer b) {
    return a < b ? b : a;
}
