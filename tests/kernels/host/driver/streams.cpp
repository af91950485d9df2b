// SPDX-License-Identifier: Apache-2.0
//
// Streams, graphs and events.

#include <algorithm>
#include <chrono>

#include "state.h"

namespace {

double now_ms() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace

// ---- streams ------------------------------------------------------------------------------------

CUresult cuStreamCreate(CUstream* stream, unsigned) {
    ENTER(enter_context_unrecorded);
    *stream = new CUstream_st;
    work::streams.push_back(*stream);
    work::handles["streams"]++;
    return CUDA_SUCCESS;
}

CUresult cuStreamDestroy(CUstream stream) {
    ENTER(enter_context_unrecorded);
    if (!stream->pending.empty()) work::problem("a stream is destroyed with work that nobody awaits");
    work::streams.erase(std::find(work::streams.begin(), work::streams.end(), stream));
    delete stream;
    work::handles["streams"]--;
    return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream stream) {
    ENTER(enter_context_unrecorded);
    return work::run_all(stream);
}

// ---- graphs -------------------------------------------------------------------------------------

CUresult cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode) {
    ENTER(enter_context_unrecorded);
    stream->capturing = true;
    stream->invalidated = false;
    return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
    const bool invalidated = stream->invalidated;
    std::vector<Op> captured = std::move(stream->captured);
    stream->captured.clear();
    stream->capturing = stream->invalidated = false;  // also when it fails
    *graph = nullptr;
    ENTER(enter_context);
    if (invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    *graph = new CUgraph_st{std::move(captured)};
    for (size_t i = 0; i < (*graph)->nodes.size(); i++)
        (*graph)->nodes[i].node = static_cast<int>(i);
    work::handles["graphs"]++;
    return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
    ENTER(enter_context_unrecorded);
    *executable = new CUgraphExec_st{graph->nodes};
    work::handles["executable graphs"]++;
    return CUDA_SUCCESS;
}

CUresult cuGraphUpload(CUgraphExec, CUstream) {
    ENTER(enter_context_unrecorded);
    return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
    ENTER(enter_context_unrecorded);
    for (const Op& node : executable->nodes)
        if (const CUresult refused = work::enqueue(stream, node)) return refused;
    return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) {
    ENTER(enter);
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    delete graph;
    work::handles["graphs"]--;
    return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec executable) {
    ENTER(enter);
    delete executable;
    work::handles["executable graphs"]--;
    return CUDA_SUCCESS;
}

// ---- events -------------------------------------------------------------------------------------

CUresult cuEventCreate(CUevent* event, unsigned) {
    ENTER(enter_context_unrecorded);
    *event = new CUevent_st;
    work::handles["events"]++;
    return CUDA_SUCCESS;
}

CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
    ENTER(enter_context);
    if ((flags == CU_EVENT_RECORD_EXTERNAL) != stream->capturing) return CUDA_ERROR_INVALID_VALUE;
    const auto run = [=] {
        event->passed_ms = now_ms();
        return CUDA_SUCCESS;
    };
    return work::enqueue(stream, {"event", run});
}

// The plain name is the first version's, which every driver has; a later cuda.h gives it to another.
#undef cuEventElapsedTime
extern "C" CUresult cuEventElapsedTime(float* elapsed_ms, CUevent start, CUevent end) {
    ENTER(enter_context_unrecorded);
    if (start->passed_ms < 0 || end->passed_ms < 0) return CUDA_ERROR_INVALID_HANDLE;
    *elapsed_ms = static_cast<float>(end->passed_ms - start->passed_ms);
    return CUDA_SUCCESS;
}

CUresult cuEventDestroy(CUevent) {
    ENTER(enter);
    work::handles["events"]--;  // not deleted: work that is under way may still pass it
    return CUDA_SUCCESS;
}
