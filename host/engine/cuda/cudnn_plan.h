// Execution plans: of the engines that cuDNN's heuristics propose for a graph, the first that can
// be built, always computes the same bits and needs little memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cuda/cudnn_graph.h"

namespace oddity::cuda {

/// Plans that want more workspace are passed over.
inline constexpr int64_t kLargestPlanWorkspace = int64_t{256} << 20;

/// A graph and how it is computed. Everything that a run needs but tensors and workspace.
struct GraphPlan {
  Graph graph;
  Fusion fusion;
  Descriptor descriptor;  // the execution plan
  int64_t engine;         // cuDNN's number of it
  std::vector<cudnnBackendNumericalNote_t> notes;
  int64_t workspace_bytes;
};

/// Plans graphs for one device.
class GraphPlanner {
 public:
  /// For the handle's device; its plans can run.
  explicit GraphPlanner(std::shared_ptr<CudnnHandle> handle);
  /// For a device that is described in cuDNN's JSON (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION) and
  /// need not be there: its plans can only be looked at. Needs cuDNN 9.8 or newer. Throws
  /// DeviceError where cuDNN does not accept the description.
  GraphPlanner(std::shared_ptr<const CudnnLibrary> library, std::string_view device_properties);

  /// The plan for `spec`, fused where cuDNN does that, none where cuDNN has no plan that is
  /// acceptable here; last_refusal() says why.
  std::optional<GraphPlan> plan(const OperationSpec& spec);
  /// What cuDNN said of the last graph that it refused.
  const std::string& last_refusal() const { return last_refusal_; }

 private:
  std::optional<GraphPlan> plan(const OperationSpec& spec, Fusion fusion);
  std::vector<Descriptor> proposals(const Graph& graph, cudnnBackendHeurMode_t mode);
  bool finish(GraphPlan& plan, const Descriptor& proposal);

  std::shared_ptr<const CudnnLibrary> library_;
  std::shared_ptr<CudnnHandle> handle_;   // null: described only
  std::optional<Descriptor> properties_;  // of a described device
  std::string last_refusal_;
};

}  // namespace oddity::cuda
