// Capture of streams, and graphs. A graph's nodes run in any order that their dependencies allow.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "emulator/streams.h"

namespace oddity::emulator {
namespace {

std::set<cudaGraph_t> graphs;
std::set<cudaGraphExec_t> executables;

/// Whether every node comes before the origin's end: no other stream was forgotten.
bool is_joined(const Capture& capture) {
  std::vector<bool> reached(capture.nodes.size());
  std::vector<std::size_t> open = capture.origin->tail;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (!reached[node]) {
      reached[node] = true;
      open.insert(open.end(), capture.nodes[node].after.begin(), capture.nodes[node].after.end());
    }
  }
  return std::all_of(reached.begin(), reached.end(), [](bool value) { return value; });
}

cudaError_t begin_capture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const auto stream = find_stream(handle);
  if (stream == nullptr) {
    return bad_handle("cudaStreamBeginCapture");
  }
  if (handle == nullptr || handle == cudaStreamLegacy) {
    return cudaErrorStreamCaptureUnsupported;
  }
  if (stream->capture != nullptr) {
    return cudaErrorIllegalState;
  }
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream.get();
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  stream->tail.clear();
  return cudaSuccess;
}

cudaError_t end_capture(cudaStream_t handle, cudaGraph_t* graph) {
  *graph = nullptr;
  const auto stream = find_stream(handle);
  if (stream == nullptr) {
    return bad_handle("cudaStreamEndCapture");
  }
  const auto capture = stream->capture;
  if (capture == nullptr) {
    return cudaErrorIllegalState;
  }
  if (capture->origin != stream.get()) {
    capture->invalid = true;
    return cudaErrorStreamCaptureUnmatched;
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed &&
      capture->thread != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  const bool joined = is_joined(*capture);
  capture->ended = true;
  forget_capture(*capture);
  if (capture->invalid) {
    return cudaErrorStreamCaptureInvalidated;
  }
  if (!joined) {
    return cudaErrorStreamCaptureUnjoined;
  }
  if (creation_fails()) {
    return cudaErrorMemoryAllocation;
  }
  *graph = new CUgraph_st{std::move(capture->nodes)};
  graphs.insert(*graph);
  return cudaSuccess;
}

/// The work of one launch of a graph.
class Replay {
 public:
  explicit Replay(std::shared_ptr<const std::vector<CUgraphNode_st>> nodes)
      : nodes_(std::move(nodes)), done_(nodes_->size()) {}

  Progress advance() {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < done_.size(); ++i) {
      const auto& after = (*nodes_)[i].after;
      if (!done_[i] && std::all_of(after.begin(), after.end(),
                                   [&](std::size_t before) { return bool(done_[before]); })) {
        ready.push_back(i);
      }
    }
    if (ready.empty()) {
      return Progress::kFinished;
    }
    const std::size_t node = ready[choose(ready.size())];
    (*nodes_)[node].operation();
    done_[node] = true;
    return ++count_ == done_.size() ? Progress::kFinished : Progress::kAdvanced;
  }

 private:
  std::shared_ptr<const std::vector<CUgraphNode_st>> nodes_;
  std::vector<bool> done_;
  std::size_t count_ = 0;
};

}  // namespace

void add_node(CUstream_st& stream, Operation operation, cudaGraphNodeType type) {
  auto& nodes = stream.capture->nodes;
  nodes.push_back({std::move(operation), type, stream.tail});
  stream.tail = {nodes.size() - 1};
}

void add_graph_leaks(std::vector<std::string>& lines) {
  lines.insert(lines.end(), graphs.size(), "graph");
  lines.insert(lines.end(), executables.size(), "executable graph");
}

void reset_graphs() {
  for (cudaGraph_t graph : graphs) {
    delete graph;
  }
  graphs.clear();
  for (cudaGraphExec_t executable : executables) {
    delete executable;
  }
  executables.clear();
}

}  // namespace oddity::emulator

using namespace oddity::emulator;  // what follows is the C interface

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const std::lock_guard lock(runtime_mutex());
  return result(begin_capture(stream, mode));
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(runtime_mutex());
  return result(end_capture(stream, graph));
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const std::lock_guard lock(runtime_mutex());
  const auto stream = find_stream(handle);
  if (stream == nullptr) {
    return result(bad_handle("cudaStreamIsCapturing"));
  }
  *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  const std::lock_guard lock(runtime_mutex());
  *executable = nullptr;
  if (graphs.count(graph) == 0) {
    return result(bad_handle("cudaGraphInstantiate"));
  }
  if (creation_fails()) {
    return result(cudaErrorMemoryAllocation);
  }
  *executable =
      new CUgraphExec_st{std::make_shared<const std::vector<CUgraphNode_st>>(graph->nodes)};
  executables.insert(*executable);
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  const std::lock_guard lock(runtime_mutex());
  return executables.count(executable) == 1 ? cudaSuccess : result(bad_handle("cudaGraphUpload"));
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const std::lock_guard lock(runtime_mutex());
  if (executables.count(executable) == 0) {
    return result(bad_handle("cudaGraphLaunch"));
  }
  const auto replay = std::make_shared<Replay>(executable->nodes);
  return result(enqueue(
      stream, [replay] { return replay->advance(); }, cudaGraphNodeTypeGraph));
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const std::lock_guard lock(runtime_mutex());
  if (graphs.erase(graph) == 0) {
    return result(bad_handle("cudaGraphDestroy"));
  }
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const std::lock_guard lock(runtime_mutex());
  if (executables.erase(executable) == 0) {
    return result(bad_handle("cudaGraphExecDestroy"));
  }
  delete executable;  // launches under way keep the nodes
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  const std::lock_guard lock(runtime_mutex());
  if (graphs.count(graph) == 0) {
    return result(bad_handle("cudaGraphGetNodes"));
  }
  const std::size_t all = graph->nodes.size();
  if (nodes != nullptr) {
    for (std::size_t i = 0; i < *count; ++i) {
      nodes[i] = i < all ? &graph->nodes[i] : nullptr;
    }
    *count = std::min(*count, all);
  } else {
    *count = all;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
  const std::lock_guard lock(runtime_mutex());
  *type = node->type;
  return cudaSuccess;
}

}  // extern "C"
