#include "engine/cuda/selftest.h"

#include <cmath>
#include <set>
#include <string>
#include <string_view>

#include "engine/cuda/fused_step.h"
#include "engine/cuda/reference_operation.h"
#include "engine/cuda/selftest_case.h"

namespace oddity::cuda {
namespace {

// A batch of the default size and what is left for its last (5,447 images): the two shapes of a
// training run. Inference where the number of images does not matter: enough to fill no tile
// evenly.
constexpr int64_t kBatch = 32;
constexpr int64_t kLastBatch = 7;
constexpr int64_t kInferenceImages = 33;

/// fp32: a sum of n products is off by √n · 6e-8 of its typical size when rounding errors are of
/// random sign; the longest sums here have 25,088 terms, 1e-5 is that, and correct kernels stay
/// well below, as they add in parts. tf32: factors keep 10 bits. Rounded, each is off by up to 2⁻¹¹
/// = 5e-4 of itself, and sums by about as much of the largest result; cut off, as some tensor cores
/// do with float32 operands, by up to 2⁻¹⁰ each and always towards 0: 2e-3 for a product, and so
/// for a sum. Batch normalisation has no products for the tensor cores: float32 everywhere.
double tolerance(const OperationSpec& spec, bool is_tf32) {
  const bool is_norm = spec.kind == OperationKind::batch_norm_training ||
                       spec.kind == OperationKind::batch_norm_backward;
  return is_tf32 && !is_norm ? 3e-3 : 1e-5;
}

/// Mean and inverse deviation that belong to x, as the training pass would have left them.
void set_moments(const OperationSpec& spec, std::vector<std::vector<double>>& tensors) {
  OperationSpec training = spec;
  training.kind = OperationKind::batch_norm_training;
  std::vector<std::vector<double>> all;
  for (const Operand& operand : operands(training)) {
    all.emplace_back(static_cast<size_t>(operand.size));
  }
  all[0] = tensors[0];
  execute_reference(training, all);
  for (size_t i = 0; i < 2; ++i) {
    for (size_t c = 0; c < all[4 + i].size(); ++c) {
      tensors[3 + i][c] = static_cast<double>(static_cast<float>(all[4 + i][c]));
    }
  }
}

/// Random operands; scales and variances are around 1.
std::vector<std::vector<double>> random_operands(const OperationSpec& spec) {
  std::vector<std::vector<double>> tensors;
  for (const Operand& operand : operands(spec)) {
    const std::string_view name = operand.name;
    const bool around_one = name == "gamma" || name == "moving_variance";
    const std::vector<float> numbers = random_numbers(
        operand.size, tensors.size(), around_one ? 0.5f : -1.0f, around_one ? 1.5f : 1.0f);
    tensors.emplace_back(numbers.begin(), numbers.end());
  }
  if (spec.kind == OperationKind::batch_norm_backward) set_moments(spec, tensors);
  return tensors;
}

TestCase make_case(Planner& planner, const OperationSpec& spec) {
  const std::shared_ptr<const Operation> operation = planner.plan(spec);
  const bool is_tf32 =
      planner.precision() == Precision::tf32 && operation->computed_by() != "kernels";
  TestCase test;
  test.operation = to_string(spec);
  test.computed_by = operation->computed_by();
  test.tolerance = tolerance(spec, is_tf32);
  test.workspace_bytes = operation->workspace_bytes();
  test.enqueue = [operation](cudaStream_t stream, std::span<float* const> tensors,
                             void* workspace) { operation->enqueue(stream, tensors, workspace); };
  std::vector<std::vector<double>> tensors = random_operands(spec);
  const std::vector<std::vector<double>> before = tensors;
  execute_reference(spec, tensors);
  const std::vector<Operand> list = operands(spec);
  for (size_t i = 0; i < list.size(); ++i) {
    TestTensor tensor{{before[i].begin(), before[i].end()}, {}};
    if (list[i].access == Access::write) tensor.before = unwritten(before[i].size());
    if (list[i].access != Access::read) tensor.expected = std::move(tensors[i]);
    test.tensors.push_back(std::move(tensor));
  }
  return test;
}

}  // namespace

std::vector<SelfTestResult> selftest_operations(Planner& planner, cudaStream_t stream,
                                                std::span<const OperationSpec> specs) {
  std::vector<SelfTestResult> results;
  results.reserve(specs.size());
  for (const OperationSpec& spec : specs) {
    results.push_back(run_case(make_case(planner, spec), stream));
  }
  return results;
}

std::vector<SelfTestResult> run_selftest(Planner& planner, cudaStream_t stream,
                                         const Architecture& architecture) {
  const Plan plan(architecture);
  const int64_t fixed = planner.inference_images();
  std::set<OperationSpec> specs;
  const auto add = [&](int64_t images, Mode mode) {
    for (const OperationSpec& spec : operation_specs(plan, images, mode)) specs.insert(spec);
  };
  add(kBatch, Mode::training);
  add(kLastBatch, Mode::training);
  add(fixed > 0 ? fixed : kInferenceImages, Mode::inference);
  const std::vector<OperationSpec> list(specs.begin(), specs.end());
  std::vector<SelfTestResult> results = selftest_operations(planner, stream, list);
  std::vector suites = {selftest_kernels, selftest_robust};
  if (FusedStep::fits(plan)) suites.insert(suites.end(), {selftest_stages, selftest_fused});
  for (const auto& rows : suites) {
    for (SelfTestResult& result : rows(stream, plan, kBatch + 1)) {
      results.push_back(std::move(result));
    }
  }
  return results;
}

}  // namespace oddity::cuda
