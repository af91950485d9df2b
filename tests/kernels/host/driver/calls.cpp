// SPDX-License-Identifier: Apache-2.0
//
// Devices, contexts, memory and kernels. A module is a library that ../build.py made: that is the
// code that fits this "GPU". A fat binary is recognised and holds nothing for it.

#include <dlfcn.h>

#include <cstring>
#include <fstream>

#include "state.h"

namespace {

constexpr CUdevice DEVICE = 0;
constexpr char FAT_BINARY[] = "\x50\xED\x55\xBA", ELF[] = "\x7F" "ELF";
constexpr unsigned SHARED_BYTES = 48 * 1024;  // more has to be asked for, and nobody does

bool initialised;

CUresult device_exists(CUdevice device) {
    if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
    return device == DEVICE && work::device_count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

template <typename Function>
Function symbol(CUmodule module, const char* name) {
    return reinterpret_cast<Function>(dlsym(module->library, name));
}

using Parameters = int (*)(const char*, const size_t**);
using Launch = int (*)(const char*, const unsigned*, const unsigned*, size_t, void**, uint64_t);
using Text = const char* (*)();
using Size = size_t (*)();

// The values of a kernel's parameters, one after the other, each aligned to its own size.
using Values = std::vector<std::vector<uint8_t>>;

CUresult unpack(const CUfunction function, void** pointers, void** extra, Values* values) {
    const uint8_t* packed = nullptr;
    size_t packed_bytes = 0;
    for (; extra && *extra != CU_LAUNCH_PARAM_END; extra += 2) {
        if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) packed = static_cast<uint8_t*>(extra[1]);
        if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) packed_bytes = *static_cast<size_t*>(extra[1]);
    }
    size_t at = 0;
    for (size_t i = 0; i < function->sizes.size(); i++) {
        const size_t size = function->sizes[i];
        at = (at + size - 1) / size * size;
        const uint8_t* from = pointers ? static_cast<uint8_t*>(pointers[i]) : packed + at;
        at += size;
        if (!pointers && at > packed_bytes) return CUDA_ERROR_INVALID_VALUE;
        values->emplace_back(from, from + size);
    }
    return !pointers && at != packed_bytes ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult run_kernel(CUfunction function, const unsigned* grid, const unsigned* block,
                    unsigned shared_bytes, Values values) {
    static uint64_t seed;
    std::vector<void*> pointers;
    for (auto& value : values) pointers.push_back(value.data());
    const CUmodule module = function->module;
    const char* name = function->name.c_str();
    const auto launch = symbol<Launch>(module, "shim_launch");
    if (launch(name, grid, block, shared_bytes, pointers.data(), ++seed)) {
        work::problem(symbol<Text>(module, "shim_error")());
        return CUDA_ERROR_LAUNCH_FAILED;
    }
    if (symbol<Size>(module, "shim_residue")())
        work::problem(function->name + " left shared memory unwiped");
    return CUDA_SUCCESS;
}

CUresult copy(void* to, const void* from, size_t bytes, CUdeviceptr device) {
    if (!memory::is_device(device, bytes)) {
        work::problem("a copy of " + std::to_string(bytes) + " bytes out of bounds");
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    std::memcpy(to, from, bytes);
    return CUDA_SUCCESS;
}

void* at(CUdeviceptr pointer) { return reinterpret_cast<void*>(pointer); }

}  // namespace

// ---- the driver and its device ------------------------------------------------------------------

CUresult cuGetErrorString(CUresult status, const char** text) {
    thread_local std::string kept;
    kept = "error " + std::to_string(status);
    *text = kept.c_str();
    return CUDA_SUCCESS;
}

CUresult cuInit(unsigned) {
    ENTER(enter);
    if (work::device_count == 0) return CUDA_ERROR_NO_DEVICE;
    initialised = true;
    return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int* version) {
    ENTER(enter);
    *version = work::driver_version;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
    ENTER(enter);
    *device = ordinal;
    return device_exists(ordinal);
}

CUresult cuDeviceGetName(char* name, int bytes, CUdevice device) {
    ENTER(enter);
    std::strncpy(name, "a CPU", static_cast<size_t>(bytes));
    return device_exists(device);
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
    ENTER(enter);
    *major = 8;
    *minor = 7;
    return device_exists(device);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    ENTER(enter);
    if (const CUresult missing = device_exists(device)) return missing;
    if (!work::primary) work::primary = new CUctx_st;
    work::primary->retained++;
    *context = work::primary;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice) {
    ENTER(enter);
    if (!work::primary) return CUDA_ERROR_INVALID_CONTEXT;
    if (--work::primary->retained) return CUDA_SUCCESS;
    const bool lost = work::primary->broken != CUDA_SUCCESS;
    memory::abandon(lost);
    for (auto& [kind, count] : work::handles) {
        if (count && !lost)
            work::problem("a context ends with " + std::to_string(count) + " of " + kind);
        count = 0;
    }
    work::streams.clear();
    work::primary = nullptr;  // never deleted: its address stays a dead context's
    return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext context) {
    ENTER(enter);
    if (context != work::primary) return CUDA_ERROR_INVALID_CONTEXT;
    if (context->broken) return context->broken;
    work::stack().push_back(context);
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext* context) {
    ENTER(enter);
    if (work::stack().empty()) return CUDA_ERROR_INVALID_CONTEXT;
    *context = work::stack().back();
    work::stack().pop_back();
    return *context == work::primary ? work::primary->broken : CUDA_SUCCESS;
}

// ---- memory -------------------------------------------------------------------------------------

CUresult cuMemAlloc(CUdeviceptr* pointer, size_t bytes) {
    ENTER(enter_context_unrecorded);
    return memory::allocate(pointer, bytes);
}

CUresult cuMemFree(CUdeviceptr pointer) {
    ENTER(enter_context_unrecorded);
    for (const CUstream stream : work::streams)
        if (const CUresult status = work::run_all(stream)) return status;
    return memory::release(pointer);
}

CUresult cuMemHostRegister(void* pointer, size_t bytes, unsigned) {
    ENTER(enter_context_unrecorded);
    return memory::pin(pointer, bytes);
}

CUresult cuMemHostUnregister(void* pointer) {
    ENTER(enter_context_unrecorded);
    return memory::unpin(pointer);
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
    ENTER(enter_context);
    if (memory::is_pinned(from, bytes))
        return work::enqueue(stream, {"copy in", [=] { return copy(at(to), from, bytes, to); }});
    if (stream && stream->capturing) work::problem("a copy from pageable memory is recorded");
    const auto* first = static_cast<const uint8_t*>(from);
    const std::vector<uint8_t> now(first, first + bytes);  // the driver stages it
    return work::enqueue(stream, {"copy in", [=] { return copy(at(to), now.data(), bytes, to); }});
}

CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
    ENTER(enter_context);
    if (stream && stream->capturing && !memory::is_pinned(to, bytes))
        work::problem("a copy to pageable memory is recorded");
    const auto run = [=] {
        size_t moved = bytes;
        if (work::truncate_copy >= 0) moved = static_cast<size_t>(work::truncate_copy);
        work::truncate_copy = -1;
        return copy(to, at(from), moved < bytes ? moved : bytes, from);
    };
    return work::enqueue(stream, {"copy out", run});
}

CUresult cuMemsetD8Async(CUdeviceptr pointer, unsigned char value, size_t bytes, CUstream stream) {
    ENTER(enter_context);
    const auto run = [=] {
        if (!memory::is_device(pointer, bytes)) {
            work::problem("a memset of " + std::to_string(bytes) + " bytes out of bounds");
            return CUDA_ERROR_ILLEGAL_ADDRESS;
        }
        std::memset(at(pointer), value, bytes);
        return CUDA_SUCCESS;
    };
    return work::enqueue(stream, {"memset", run});
}

// ---- kernels ------------------------------------------------------------------------------------

CUresult cuModuleLoad(CUmodule* module, const char* path) {
    ENTER(enter_context_unrecorded);
    std::ifstream file(path, std::ios::binary);
    char magic[4] = {};
    if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
    file.read(magic, sizeof magic);
    if (std::memcmp(magic, FAT_BINARY, 4) == 0) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    if (std::memcmp(magic, ELF, 4) != 0) return CUDA_ERROR_INVALID_IMAGE;
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library || !dlsym(library, "shim_launch")) return CUDA_ERROR_INVALID_IMAGE;
    *module = new CUmod_st{library};
    work::handles["modules"]++;
    return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule module) {
    ENTER(enter_context_unrecorded);
    work::handles["modules"]--;
    module->library = nullptr;  // its functions may still be asked for
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
    ENTER(enter_context_unrecorded);
    const size_t* sizes = nullptr;
    const int count = symbol<Parameters>(module, "shim_parameters")(name, &sizes);
    if (count < 0) return CUDA_ERROR_NOT_FOUND;
    *function = new CUfunc_st{module, name, {sizes, sizes + count}};
    return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute, CUfunction) {
    ENTER(enter_context_unrecorded);
    *value = 0;
    return CUDA_SUCCESS;
}

// PyCUDA still says beforehand what the launch says again.
CUresult cuFuncSetBlockShape(CUfunction, int, int, int) {
    ENTER(enter_context);
    return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void** pointers, void** extra) {
    ENTER(enter_context);
    if (!function->module->library) return CUDA_ERROR_INVALID_HANDLE;
    Values values;
    if (const CUresult wrong = unpack(function, pointers, extra, &values)) return wrong;
    if (shared_bytes > SHARED_BYTES || block_x * block_y * block_z > 1024)
        return CUDA_ERROR_INVALID_VALUE;
    const auto run = [=] {
        const unsigned grid[] = {grid_x, grid_y, grid_z}, block[] = {block_x, block_y, block_z};
        return run_kernel(function, grid, block, shared_bytes, values);
    };
    return work::enqueue(stream, {function->name, run});
}
