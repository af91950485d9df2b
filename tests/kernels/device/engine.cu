// SPDX-License-Identifier: Apache-2.0
//
// An inference for tests: it depends on every byte of its input, leaves a copy of it in its
// workspace as activations would, and can be told to go wrong. engine.py has the same in NumPy.

#include <cstdint>

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
