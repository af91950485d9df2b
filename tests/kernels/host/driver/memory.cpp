// SPDX-License-Identifier: Apache-2.0
//
// Device memory is host memory that ends at a page which nobody may touch; the few bytes up to there,
// and those before it, are guards with a known value. Given back, its pages are never used again, so
// that a late access stops the process.

#include "state.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "control.h"

namespace {

constexpr uint8_t GARBAGE = 0xC3;  // fresh memory
constexpr uint8_t GUARD = 0x9D;
constexpr size_t ALIGNMENT = 256;  // of what cuMemAlloc returns

struct Allocation {
    uint8_t* first;  // of the accessible pages
    size_t span;
    uint8_t* data;
    size_t bytes;
};

std::map<CUdeviceptr, Allocation> allocations;
std::map<const uint8_t*, size_t> pinned;
size_t nonzero_freed;

size_t up_to(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

CUdeviceptr address(const void* pointer) { return reinterpret_cast<CUdeviceptr>(pointer); }

size_t nonzero(const Allocation& one) {
    return one.bytes - static_cast<size_t>(std::count(one.data, one.data + one.bytes, 0));
}

size_t occurrences(const uint8_t* from, size_t bytes, const void* needle, size_t length) {
    size_t found = 0;
    const uint8_t* end = from + bytes;
    while ((from = static_cast<const uint8_t*>(
                memmem(from, static_cast<size_t>(end - from), needle, length)))) {
        found++;
        from++;
    }
    return found;
}

void give_back(const Allocation& one) {
    nonzero_freed += nonzero(one);
    madvise(one.first, one.span, MADV_DONTNEED);
    mprotect(one.first, one.span, PROT_NONE);
}

}  // namespace

CUresult memory::allocate(CUdeviceptr* pointer, size_t bytes) {
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t span = up_to(bytes, page);
    void* map = mmap(nullptr, span + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    Allocation one{static_cast<uint8_t*>(map) + page, span, nullptr, bytes};
    if (mprotect(one.first, span, PROT_READ | PROT_WRITE) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
    one.data = one.first + span - up_to(bytes, ALIGNMENT);
    std::memset(one.first, GUARD, span);
    std::memset(one.data, GARBAGE, bytes);
    *pointer = address(one.data);
    allocations[*pointer] = one;
    return CUDA_SUCCESS;
}

CUresult memory::release(CUdeviceptr pointer) {
    const auto found = allocations.find(pointer);
    if (found == allocations.end()) {
        work::problem("memory is given back that was not allocated");
        return CUDA_ERROR_INVALID_VALUE;
    }
    give_back(found->second);
    allocations.erase(found);
    return CUDA_SUCCESS;
}

bool memory::is_device(CUdeviceptr pointer, size_t bytes) {
    auto after = allocations.upper_bound(pointer);
    if (after == allocations.begin()) return false;
    const Allocation& one = (--after)->second;
    return pointer + bytes <= after->first + one.bytes;
}

CUresult memory::pin(void* pointer, size_t bytes) {
    if (is_pinned(pointer, 1)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    pinned[static_cast<uint8_t*>(pointer)] = bytes;
    return CUDA_SUCCESS;
}

CUresult memory::unpin(void* pointer) {
    if (pinned.erase(static_cast<uint8_t*>(pointer))) return CUDA_SUCCESS;
    work::problem("host memory is unregistered that was not registered");
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
}

bool memory::is_pinned(const void* pointer, size_t bytes) {
    const auto* at = static_cast<const uint8_t*>(pointer);
    auto after = pinned.upper_bound(at);
    if (after == pinned.begin()) return false;
    --after;
    return at + bytes <= after->first + after->second;
}

void memory::check_guards(const std::string& name) {
    const auto touched = [](const uint8_t* from, const uint8_t* to) {
        return std::any_of(from, to, [](uint8_t byte) { return byte != GUARD; });
    };
    for (auto& [pointer, one] : allocations) {
        uint8_t* end = one.first + one.span;
        if (!touched(one.first, one.data) && !touched(one.data + one.bytes, end)) continue;
        work::problem(name + " wrote out of the bounds of " + std::to_string(one.bytes) + " bytes");
        std::memset(one.first, GUARD, static_cast<size_t>(one.data - one.first));
        std::memset(one.data + one.bytes, GUARD, static_cast<size_t>(end - one.data) - one.bytes);
    }
}

void memory::abandon(bool lost) {
    if (!lost && !(allocations.empty() && pinned.empty()))
        work::problem("a context ends with " + std::to_string(live()) + " pieces of its memory in use");
    for (const auto& [pointer, one] : allocations) {
        madvise(one.first, one.span, MADV_DONTNEED);
        mprotect(one.first, one.span, PROT_NONE);
    }
    allocations.clear();
    pinned.clear();
}

void memory::reset() {
    abandon(true);
    nonzero_freed = 0;
}

size_t memory::count(const void* needle, size_t bytes) {
    size_t found = 0;
    for (const auto& [pointer, one] : allocations)
        found += occurrences(one.data, one.bytes, needle, bytes);
    for (const auto& [pointer, size] : pinned) found += occurrences(pointer, size, needle, bytes);
    return found;
}

size_t memory::live() { return allocations.size() + pinned.size(); }

size_t lethe_driver_count(const void* needle, size_t bytes) { return memory::count(needle, bytes); }

size_t lethe_driver_nonzero() {
    size_t found = 0;
    for (const auto& [pointer, one] : allocations) found += nonzero(one);
    return found;
}

size_t lethe_driver_nonzero_freed() { return nonzero_freed; }
