// SPDX-License-Identifier: Apache-2.0
//
// Kernels of the tests.

#include <cstdint>

// An inference: it depends on every byte of its input, leaves a copy of it in its workspace as
// activations would, and can be told to go wrong. engine.py has the same in NumPy.
extern "C" __global__ void engine(const uint8_t* planes, float* embedding, uint8_t* workspace,
                                  const float* spoil, int bytes, int dim) {
    const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
    for (int i = thread; i < bytes; i += threads) workspace[i] = planes[i];
    __syncthreads();
    for (int d = thread; d < dim; d += threads) {
        uint32_t sum = 0;
        for (int i = d; i < bytes; i += dim) sum += workspace[i] * static_cast<uint32_t>(i % 7 + 1);
        embedding[d] = static_cast<float>(static_cast<int32_t>(sum % 4096) - 2048) / 16.0f;
    }
    __syncthreads();
    if (thread == 0) embedding[0] += *spoil;
}

// How often any of some 16-byte needles occurs in a piece of memory, at any offset.
extern "C" __global__ void search(const uint8_t* memory, uint64_t bytes, const uint8_t* needles,
                                  int count, uint32_t* found) {
    const uint64_t step = static_cast<uint64_t>(gridDim.x) * blockDim.x;
    uint64_t at = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; at + 16 <= bytes; at += step) {
        for (int n = 0; n < count; n++) {
            int i = 0;
            while (i < 16 && memory[at + i] == needles[16 * n + i]) i++;
            if (i == 16) atomicAdd(found, 1u);
        }
    }
}
