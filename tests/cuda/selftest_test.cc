// `oddity selftest` of a CUDA device: it passes where everything is right, and finds what is not.
#include "engine/cuda/selftest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "cuda/reference_planner.h"
#include "emulator/emulator.h"
#include "engine/cuda/resources.h"
#include "engine/cuda/selftest_case.h"
#include "launch_recorder.h"

namespace oddity::test {
namespace {

using testing::Each;
using testing::HasSubstr;

const Architecture kOdd = conv_autoencoder(4, 8, 3, {3, 5}, 7);

class CudaSelftest : public testing::Test {
 protected:
  void SetUp() override { emulator::reset(); }
  void TearDown() override {
    EXPECT_EQ(emulator::leaks(), "");
    emulator::reset();
  }
};

bool passed(const SelfTestResult& result) { return result.error <= result.tolerance; }

void expect_all_pass(cuda::Planner& planner, const char* computed_by) {
  const cuda::Stream stream;
  const std::vector<SelfTestResult> results = cuda::run_selftest(planner, stream.get(), kOdd);
  std::set<std::string> names;
  std::set<std::string> planned_by;
  for (const SelfTestResult& result : results) {
    EXPECT_TRUE(passed(result)) << result.operation << ": " << result.error << " > "
                                << result.tolerance;
    EXPECT_GE(result.microseconds, 0);
    names.insert(result.operation.substr(0, result.operation.find(' ')));
    planned_by.insert(result.computed_by);
  }
  EXPECT_EQ(planned_by, (std::set<std::string>{computed_by, "kernels"}));
  EXPECT_THAT(names, testing::IsSupersetOf({"conv2d",
                                            "conv2d_transpose",
                                            "conv2d_weight_gradient",
                                            "dense",
                                            "dense_data_gradient",
                                            "dense_weight_gradient",
                                            "batch_norm_training",
                                            "batch_norm_backward",
                                            "load_images",
                                            "gather_images",
                                            "leaky_relu",
                                            "leaky_relu_backward",
                                            "bias_epilogue",
                                            "bias_gradient",
                                            "batch_norm_fold",
                                            "batch_norm_inference",
                                            "batch_norm_moving",
                                            "sigmoid",
                                            "sigmoid_mse",
                                            "sigmoid_mse_backward",
                                            "adam",
                                            "finish_step",
                                            "variations",
                                            "robust_errors",
                                            "trim_gradients",
                                            "select",
                                            "conv2d_stage",
                                            "conv2d_stage_gradient",
                                            "conv2d_transpose_stage",
                                            "conv2d_transpose_stage_gradient",
                                            "stage_weight_gradient",
                                            "dense_stage",
                                            "dense_stage_gradient",
                                            "dense_stage_weight_gradients",
                                            "dense_whole",
                                            "last_stage",
                                            "decoder_tail",
                                            "update"}));
}

TEST_F(CudaSelftest, OfTheKernelsPasses) {
  expect_all_pass(*cuda::make_kernel_planner(), "kernels");
}

TEST_F(CudaSelftest, OfLibrariesPasses) {
  expect_all_pass(*cuda::make_reference_planner(), "reference loops");
}

std::vector<SelfTestResult> fused_rows(const Architecture& architecture, int64_t images) {
  const cuda::Stream stream;
  const cuda::Plan plan(architecture);
  std::vector<SelfTestResult> rows = cuda::selftest_stages(stream.get(), plan, images);
  for (SelfTestResult& row : cuda::selftest_fused(stream.get(), plan, images)) {
    rows.push_back(std::move(row));
  }
  return rows;
}

TEST_F(CudaSelftest, OfTheFusedKernelsPassesForAnyDepth) {
  for (const Architecture& architecture :
       {conv_autoencoder(2, 2, 1, {1}, 1), conv_autoencoder(16, 8, 3, {4, 8, 36}, 5)}) {
    for (const SelfTestResult& row : fused_rows(architecture, 5)) {
      EXPECT_LE(row.error, row.tolerance) << row.operation;
    }
  }
}

TEST_F(CudaSelftest, OfTheFusedKernelsFailsInEveryRowWhereNoneRuns) {
  const kernels::LaunchRecorder instead;
  const std::vector<SelfTestResult> rows = fused_rows(kOdd, 3);
  EXPECT_EQ(rows.size(), 27u);
  for (const SelfTestResult& row : rows) EXPECT_FALSE(passed(row)) << row.operation;
}

TEST_F(CudaSelftest, WhatLiesInTheWorkspaceIsComparedToo) {
  const cuda::Stream stream;
  const auto row = [&](float left) {
    const auto number = cuda::on_device(std::vector<float>{left}, stream.get());
    const auto copy = [](cudaStream_t on, void* to, const void* from) {
      kernels::check(cudaMemcpyAsync(to, from, sizeof(float), cudaMemcpyDeviceToDevice, on));
    };
    cuda::TestCase test{.operation = "test", .tolerance = 1e-6, .tensors = {cuda::output({2})}};
    test.workspace_bytes = sizeof(float);
    test.enqueue = [&](cudaStream_t on, std::span<float* const>, void* workspace) {
      copy(on, workspace, number->data());
    };
    test.collect = [&](cudaStream_t on, std::span<float* const> t, void* workspace) {
      copy(on, t[0], workspace);
    };
    return cuda::run_case(test, stream.get());
  };
  EXPECT_TRUE(passed(row(2)));
  EXPECT_FALSE(passed(row(2.1f)));
}

/// The kernels, and then some damage on the device.
class DamagedPlanner final : public cuda::Planner {
 public:
  using Damage = std::function<void(cudaStream_t, std::span<float* const>)>;
  explicit DamagedPlanner(Damage damage) : damage_(std::move(damage)) {}

  std::shared_ptr<const cuda::Operation> plan(const cuda::OperationSpec& spec) override {
    return std::make_shared<Damaged>(kernels_->plan(spec), damage_);
  }
  std::string name() const override { return "fp32"; }

 private:
  class Damaged final : public cuda::Operation {
   public:
    Damaged(std::shared_ptr<const cuda::Operation> inner, Damage damage)
        : inner_(std::move(inner)), damage_(std::move(damage)) {}
    int64_t workspace_bytes() const override { return inner_->workspace_bytes(); }
    std::string computed_by() const override { return "something broken"; }
    void enqueue(cudaStream_t stream, std::span<float* const> tensors,
                 void* workspace) const override {
      inner_->enqueue(stream, tensors, workspace);
      damage_(stream, tensors);
    }

   private:
    std::shared_ptr<const cuda::Operation> inner_;
    Damage damage_;
  };

  std::unique_ptr<cuda::Planner> kernels_ = cuda::make_kernel_planner();
  Damage damage_;
};

/// dx [3, 7] = dy [3, 5] · wᵀ, the third operand.
SelfTestResult damaged(DamagedPlanner::Damage damage) {
  cuda::OperationSpec spec;
  spec.kind = cuda::OperationKind::dense_data_gradient;
  spec.dense = {3, 7, 5};
  DamagedPlanner planner(std::move(damage));
  const cuda::Stream stream;
  return cuda::selftest_operations(planner, stream.get(), std::span(&spec, 1)).at(0);
}

void set(cudaStream_t stream, float* at, int byte) {
  kernels::check(cudaMemsetAsync(at, byte, sizeof(float), stream));
}

TEST_F(CudaSelftest, NothingWrongPasses) {
  const SelfTestResult result = damaged([](cudaStream_t, std::span<float* const>) {});
  EXPECT_TRUE(passed(result)) << result.error;
  EXPECT_EQ(result.computed_by, "something broken");
}

TEST_F(CudaSelftest, AWrongNumberIsFound) {
  const SelfTestResult result =
      damaged([](cudaStream_t stream, std::span<float* const> t) { set(stream, t[2] + 20, 0); });
  EXPECT_GT(result.error, 1000 * result.tolerance);
}

TEST_F(CudaSelftest, ANumberThatIsNotWrittenIsFound) {
  const SelfTestResult result =
      damaged([](cudaStream_t stream, std::span<float* const> t) { set(stream, t[2] + 6, 0xff); });
  EXPECT_TRUE(std::isnan(result.error));
  EXPECT_FALSE(passed(result));
}

TEST_F(CudaSelftest, WritingBehindATensorIsFound) {
  const SelfTestResult result =
      damaged([](cudaStream_t stream, std::span<float* const> t) { set(stream, t[2] + 21, 0); });
  EXPECT_THAT(result.operation, HasSubstr("wrote beyond its results"));
  EXPECT_FALSE(passed(result));
}

TEST_F(CudaSelftest, WritingIntoAnOperandThatIsOnlyReadIsFound) {
  const SelfTestResult result =
      damaged([](cudaStream_t stream, std::span<float* const> t) { set(stream, t[0], 0); });
  EXPECT_THAT(result.operation, HasSubstr("wrote beyond its results"));
  EXPECT_FALSE(passed(result));
}

TEST_F(CudaSelftest, TwoRunsThatDifferAreFound) {
  int runs = 0;
  const SelfTestResult result = damaged([&](cudaStream_t stream, std::span<float* const> t) {
    // The first number's last byte alone: far below every tolerance.
    if (++runs == 2) kernels::check(cudaMemsetAsync(t[2], 0x55, 1, stream));
  });
  EXPECT_THAT(result.operation, HasSubstr("two runs differ"));
  EXPECT_FALSE(passed(result));
}

}  // namespace
}  // namespace oddity::test
