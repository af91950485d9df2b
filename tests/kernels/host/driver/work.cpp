// SPDX-License-Identifier: Apache-2.0
//
// What runs when. Everything that is enqueued waits until somebody waits for it. Failures come by
// plan: a call, a node of a graph, or a copy.

#include <cstring>

#include "control.h"
#include "state.h"

std::recursive_mutex work::one_at_a_time;
CUcontext work::primary;
std::vector<CUstream> work::streams;
std::map<std::string, int> work::handles;
long work::truncate_copy = -1;
int work::driver_version = CUDA_VERSION;
int work::device_count = 1;

namespace {

struct {
    std::string function;
    int before = 0, times = 0;
    CUresult status = CUDA_SUCCESS;
    int node = -1;
    CUresult node_status = CUDA_SUCCESS;
} plan;

std::string trace, problems;

// "cuMemAlloc_v2" is what its callers write as cuMemAlloc.
std::string plain(const char* function) {
    const std::string name = function;
    const size_t suffix = name.rfind("_v");
    return suffix != std::string::npos && suffix + 3 == name.size() ? name.substr(0, suffix) : name;
}

CUresult planned(const std::string& name) {
    if (plan.times == 0 || (!plan.function.empty() && plan.function != name)) return CUDA_SUCCESS;
    if (plan.before-- > 0) return CUDA_SUCCESS;
    plan.times--;
    return plan.status;
}

bool recording() {
    for (const CUstream stream : work::streams)
        if (stream->capturing) return true;
    return false;
}

CUresult break_context(CUresult status) {
    if (work::primary && work::is_sticky(status)) work::primary->broken = status;
    return status;
}

}  // namespace

void work::problem(const std::string& what) { problems += what + "\n"; }

bool work::is_sticky(CUresult status) {
    switch (status) {
        case CUDA_ERROR_ECC_UNCORRECTABLE:
        case CUDA_ERROR_ILLEGAL_ADDRESS:
        case CUDA_ERROR_LAUNCH_TIMEOUT:
        case CUDA_ERROR_ASSERT:
        case CUDA_ERROR_HARDWARE_STACK_ERROR:
        case CUDA_ERROR_ILLEGAL_INSTRUCTION:
        case CUDA_ERROR_MISALIGNED_ADDRESS:
        case CUDA_ERROR_INVALID_PC:
        case CUDA_ERROR_LAUNCH_FAILED:
            return true;
        default:
            return false;
    }
}

std::vector<CUcontext>& work::stack() {
    thread_local std::vector<CUcontext> contexts;
    return contexts;
}

CUresult work::enter(const char* function) {
    const std::string name = plain(function);
    trace += name + "\n";
    return break_context(planned(name));
}

CUresult work::enter_context(const char* function) {
    if (const CUresult refused = enter(function)) return refused;
    if (stack().empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (stack().back() != primary) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return primary->broken;
}

CUresult work::enter_context_unrecorded(const char* function) {
    if (const CUresult refused = enter_context(function)) return refused;
    if (!recording()) return CUDA_SUCCESS;
    for (const CUstream stream : streams) stream->invalidated = stream->capturing;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult work::enqueue(CUstream stream, Op op) {
    if (!stream) {
        problem(op.name + " on the legacy stream");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    if (stream->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (stream->capturing)
        stream->captured.push_back(std::move(op));
    else
        stream->pending.push_back(std::move(op));
    return CUDA_SUCCESS;
}

CUresult work::run_all(CUstream stream) {
    while (!stream->pending.empty()) {
        const Op op = std::move(stream->pending.front());
        stream->pending.pop_front();
        CUresult status;
        if (op.node >= 0 && op.node == plan.node) {
            plan.node = -1;
            status = plan.node_status;
        } else {
            status = op.run();
            memory::check_guards(op.name);
        }
        if (status) {
            stream->pending.clear();
            return break_context(status);
        }
    }
    return CUDA_SUCCESS;
}

void lethe_driver_reset() {
    memory::reset();
    work::streams.clear();
    work::handles.clear();
    work::stack().clear();
    work::primary = nullptr;
    plan = {};
    trace.clear();
    problems.clear();
    work::truncate_copy = -1;
    lethe_driver_machine(CUDA_VERSION, 1);
}

void lethe_driver_machine(int driver_version, int device_count) {
    work::driver_version = driver_version;
    work::device_count = device_count;
}

void lethe_driver_fail(const char* function, int nth, int status, int times) {
    plan.function = function;
    plan.before = nth - 1;
    plan.times = times;
    plan.status = static_cast<CUresult>(status);
}

void lethe_driver_break_node(int node, int status) {
    plan.node = node;
    plan.node_status = static_cast<CUresult>(status);
}

void lethe_driver_truncate_copy(long bytes) { work::truncate_copy = bytes; }

const char* lethe_driver_trace() { return trace.c_str(); }

const char* lethe_driver_problems() { return problems.c_str(); }

int lethe_driver_live() {
    int found = static_cast<int>(memory::live()) + (work::primary ? work::primary->retained : 0);
    for (const auto& [kind, count] : work::handles) found += count;
    return found;
}
