// SPDX-License-Identifier: Apache-2.0
//
// A CUDA driver on the CPU, for tests: libcuda.so.1 with as much of the driver's interface as PyCUDA
// and kernels/ use. Kernels are those that ../build.py compiled for the host. It is stricter than a
// real one: nothing runs before somebody waits for it, fresh memory is full of garbage, an access
// out of bounds or after free stops the process or is noted as a problem, and so is a leak.
//
//     memory.cpp    device memory between guards, registered host memory, searching both
//     work.cpp      what runs when, and the plan by which things go wrong
//     calls.cpp     devices, contexts, memory, kernels
//     streams.cpp   streams, graphs, events
//     control.h     what a test may ask for

#pragma once

#include <cuda.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

struct Op {
    std::string name;
    std::function<CUresult()> run;
    int node = -1;  // its number in the graph that it came from
};

struct CUctx_st {
    int retained = 0;
    CUresult broken = CUDA_SUCCESS;  // once a kernel has failed, the answer to every call
};

struct CUstream_st {
    std::deque<Op> pending;
    std::vector<Op> captured;
    bool capturing = false;
    bool invalidated = false;
};

struct CUgraph_st {
    std::vector<Op> nodes;
};

struct CUgraphExec_st {
    std::vector<Op> nodes;
};

struct CUevent_st {
    double passed_ms = -1;
};

struct CUmod_st {
    void* library;
};

struct CUfunc_st {
    CUmodule module;
    std::string name;
    std::vector<size_t> sizes;  // of the parameters
};

namespace memory {

CUresult allocate(CUdeviceptr* pointer, size_t bytes);
CUresult release(CUdeviceptr pointer);
bool is_device(CUdeviceptr pointer, size_t bytes);
CUresult pin(void* pointer, size_t bytes);
CUresult unpin(void* pointer);
bool is_pinned(const void* pointer, size_t bytes);
// Notes every guard that was written over; `after` is what ran last.
void check_guards(const std::string& after);
// The end of a context: what is left is given back, and is a problem unless the context was lost.
void abandon(bool lost);
void reset();
size_t count(const void* needle, size_t bytes);
size_t live();

}  // namespace memory

namespace work {

// All state here is for one caller at a time.
extern std::recursive_mutex one_at_a_time;

// The beginning of every function of cuda.h: counts the call, and fails it if that is the plan.
CUresult enter(const char* function);
// The same for what needs this thread to have a living context, and not to be recording.
CUresult enter_context(const char* function);
CUresult enter_context_unrecorded(const char* function);

void problem(const std::string& what);
// A status after which a context is of no use, as the documentation has it.
bool is_sticky(CUresult status);

CUresult enqueue(CUstream stream, Op op);
CUresult run_all(CUstream stream);

// Contexts: the stack of this thread, and the one primary context.
std::vector<CUcontext>& stack();
extern CUcontext primary;

extern std::vector<CUstream> streams;
// Handles that were made and not given back, by kind.
extern std::map<std::string, int> handles;
// How many bytes the next copy to the host may move, or less than zero: all.
extern long truncate_copy;
extern int driver_version, device_count;

}  // namespace work

#define ENTER(how)                                            \
    const std::lock_guard<std::recursive_mutex> turn(work::one_at_a_time); \
    if (const CUresult refused = work::how(__func__)) return refused
