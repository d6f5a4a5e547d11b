#include "engine/cuda/cudnn_plan.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/error.h"

namespace oddity::cuda {
namespace {

/// Why an engine with these notes is not taken; null where it may be. TENSOR_CORE may stay: that is
/// TF32. Inputs rounded to half precision (DOWN_CONVERT_INPUTS) would lose the range of small
/// gradients.
const char* objection(const std::vector<cudnnBackendNumericalNote_t>& notes) {
  for (const cudnnBackendNumericalNote_t note : notes) {
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) return "is not deterministic";
    if (note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) return "rounds its inputs";
    if (note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) return "rounds its sums";
  }
  return nullptr;
}

}  // namespace

GraphPlanner::GraphPlanner(std::shared_ptr<CudnnHandle> handle)
    : library_(handle->library()), handle_(std::move(handle)) {}

GraphPlanner::GraphPlanner(std::shared_ptr<const CudnnLibrary> library,
                           std::string_view device_properties)
    : library_(std::move(library)) {
  properties_.emplace(library_, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties_
      ->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(device_properties))
      .finalize();
}

std::optional<GraphPlan> GraphPlanner::plan(const OperationSpec& spec) {
  if (!is_cudnn_kind(spec.kind)) return std::nullopt;
  std::optional<GraphPlan> fused = plan(spec, Fusion::fused);
  if (fused || spec.epilogue == kernels::Epilogue::none) return fused;
  return plan(spec, Fusion::separate);
}

std::optional<GraphPlan> GraphPlanner::plan(const OperationSpec& spec, Fusion fusion) {
  last_refusal_ = "no engine is proposed";
  try {
    GraphPlan plan{.graph = build_graph(library_, handle_ ? handle_->get() : nullptr, spec, fusion),
                   .fusion = fusion,
                   .descriptor = Descriptor(library_, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR),
                   .engine = -1,
                   .notes = {},
                   .workspace_bytes = 0};
    for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      for (const Descriptor& proposal : proposals(plan.graph, mode)) {
        if (finish(plan, proposal)) return plan;
      }
    }
  } catch (const DeviceError& error) {
    last_refusal_ = error.what();
  }
  return std::nullopt;
}

/// Engine configurations, the most promising first.
std::vector<Descriptor> GraphPlanner::proposals(const Graph& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(library_, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph.whole.front())
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (properties_) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *properties_);
  if (const cudnnStatus_t status = heuristics.try_finalize(); status != CUDNN_STATUS_SUCCESS) {
    last_refusal_ = library_->describe(status);
    return {};
  }
  const int64_t count =
      heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR);
  std::vector<Descriptor> proposals;
  proposals.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    proposals.emplace_back(library_, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  }
  const size_t filled = heuristics.get_each(CUDNN_ATTR_ENGINEHEUR_RESULTS, proposals);
  proposals.erase(proposals.begin() + static_cast<std::ptrdiff_t>(filled), proposals.end());
  return proposals;
}

/// Builds the plan that `proposal` stands for; false where that is not possible or not wanted.
bool GraphPlanner::finish(GraphPlan& plan, const Descriptor& proposal) {
  Descriptor engine(library_, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  proposal.get(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  plan.engine = engine.get<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  plan.notes = engine.get_list<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                                            CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  if (const char* const why = objection(plan.notes)) {
    last_refusal_ = fmt::format("engine {} {}", plan.engine, why);
    return false;
  }
  Descriptor descriptor(library_, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, proposal);
  if (handle_) descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, handle_->get());
  if (properties_) descriptor.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *properties_);
  if (const cudnnStatus_t status = descriptor.try_finalize(); status != CUDNN_STATUS_SUCCESS) {
    last_refusal_ = fmt::format("engine {}: {}", plan.engine, library_->describe(status));
    return false;
  }
  plan.workspace_bytes = descriptor.get<int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (plan.workspace_bytes > kLargestPlanWorkspace) {
    last_refusal_ =
        fmt::format("engine {} needs {} bytes of workspace", plan.engine, plan.workspace_bytes);
    return false;
  }
  plan.descriptor = std::move(descriptor);
  return true;
}

}  // namespace oddity::cuda
