#include "cuda/reference_planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "cuda/reference_operation.h"
#include "emulator/internal.h"

namespace oddity::cuda {
namespace {

constexpr uintptr_t kAlignment = 256;
constexpr int64_t kWorkspaceBytes = 1027;
constexpr int64_t kInferenceImages = 5;

// --- what an operation is called with ------------------------------------------------------------

struct Extent {
  std::string name;
  uintptr_t begin;
  uintptr_t end;
};

[[noreturn]] void refuse(const OperationSpec& spec, const std::string& what) {
  throw std::logic_error(fmt::format("{}: {}", to_string(spec), what));
}

Extent checked_extent(const OperationSpec& spec, const std::string& name, const void* pointer,
                      int64_t bytes) {
  if (pointer == nullptr) refuse(spec, name + " is null");
  const auto begin = reinterpret_cast<uintptr_t>(pointer);
  const Extent extent{name, begin, begin + static_cast<uintptr_t>(bytes)};
  if (begin % kAlignment != 0) {
    refuse(spec, fmt::format("{} at {} is not {}-byte aligned", name, pointer, kAlignment));
  }
  const emulator::Allocation* const allocation = emulator::find_allocation(pointer);
  if (allocation == nullptr || !allocation->live || begin < allocation->begin ||
      extent.end > allocation->end) {
    refuse(spec, fmt::format("{}, {} bytes at {}, is not inside of one allocation", name, bytes,
                             pointer));
  }
  return extent;
}

void check_call(const OperationSpec& spec, std::span<float* const> tensors, const void* workspace) {
  const std::vector<Operand> expected = operands(spec);
  if (tensors.size() != expected.size()) {
    refuse(spec, fmt::format("{} operands, expected {}", tensors.size(), expected.size()));
  }
  std::vector<Extent> extents = {checked_extent(spec, "workspace", workspace, kWorkspaceBytes)};
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t bytes = expected[i].size * static_cast<int64_t>(sizeof(float));
    const Extent extent = checked_extent(spec, expected[i].name, tensors[i], bytes);
    for (const Extent& other : extents) {
      if (extent.begin < other.end && other.begin < extent.end) {
        refuse(spec, fmt::format("{} overlaps {}", extent.name, other.name));
      }
    }
    extents.push_back(extent);
  }
}

/// Libraries choose by shape, and another choice rounds otherwise: this factor moves some results
/// of a kind that inference uses by one unit in the last place, and none by much more.
double scale_of(const OperationSpec& spec) {
  const int64_t images = std::max(spec.conv.images, spec.dense.images);
  return 1 + std::ldexp(static_cast<double>(images), -30);
}

void mark_results(const OperationSpec& spec, std::span<float* const> tensors) {
  const std::vector<Operand> list = operands(spec);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].access == Access::read) continue;
    emulator::mark_written(tensors[i], static_cast<size_t>(list[i].size) * sizeof(float));
  }
}

class ReferenceOperation final : public Operation {
 public:
  explicit ReferenceOperation(const OperationSpec& spec) : spec_(spec) {}

  int64_t workspace_bytes() const override { return kWorkspaceBytes; }
  std::string computed_by() const override { return "reference loops"; }

  void enqueue(cudaStream_t stream, std::span<float* const> tensors,
               void* workspace) const override {
    check_call(spec_, tensors, workspace);
    // By value: a captured graph may outlive this call and the operation.
    const auto work = [spec = spec_, copy = std::vector<float*>(tensors.begin(), tensors.end()),
                       workspace] {
      std::memset(workspace, 0xff, kWorkspaceBytes);
      emulator::mark_written(workspace, kWorkspaceBytes);
      run_reference(spec, copy, scale_of(spec));
      mark_results(spec, copy);
    };
    kernels::check(emulator::enqueue_host_work(stream, work));
  }

 private:
  OperationSpec spec_;
};

class ReferencePlanner final : public Planner {
 public:
  std::shared_ptr<const Operation> plan(const OperationSpec& spec) override {
    return std::make_shared<ReferenceOperation>(spec);
  }
  int64_t inference_images() const override { return kInferenceImages; }
  std::string name() const override { return "tf32 (a double of the libraries)"; }
};

}  // namespace

std::unique_ptr<Planner> make_reference_planner() { return std::make_unique<ReferencePlanner>(); }

}  // namespace oddity::cuda
