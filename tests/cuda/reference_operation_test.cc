// The float64 loops of `oddity selftest` against those of the tests.
#include "engine/cuda/reference_operation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "cuda/reference_operation.h"
#include "support/near.h"

namespace oddity::test {
namespace {

using cuda::Access;
using cuda::Operand;
using cuda::OperationKind;
using cuda::OperationSpec;
using kernels::Epilogue;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

OperationSpec convolution(OperationKind kind, const kernels::Conv2dShape& shape,
                          Epilogue epilogue = Epilogue::none) {
  OperationSpec spec;
  spec.kind = kind;
  spec.conv = shape;
  spec.epilogue = epilogue;
  return spec;
}

std::vector<OperationSpec> specs() {
  std::vector<OperationSpec> all;
  // Images, height, width, channels, filters, stride.
  for (const kernels::Conv2dShape& shape :
       {kernels::Conv2dShape{3, 4, 6, 2, 5, 2}, kernels::Conv2dShape{2, 5, 3, 4, 1, 1},
        kernels::Conv2dShape{1, 2, 2, 1, 3, 2}, kernels::Conv2dShape{2, 1, 1, 3, 2, 1}}) {
    for (const OperationKind kind : {OperationKind::conv2d, OperationKind::conv2d_transpose}) {
      for (const Epilogue epilogue : {Epilogue::none, Epilogue::bias, Epilogue::bias_leaky_relu}) {
        all.push_back(convolution(kind, shape, epilogue));
      }
    }
    all.push_back(convolution(OperationKind::conv2d_weight_gradient, shape));
  }
  for (const OperationKind kind : {OperationKind::dense, OperationKind::dense_data_gradient,
                                   OperationKind::dense_weight_gradient}) {
    OperationSpec spec;
    spec.kind = kind;
    spec.dense = {3, 7, 5};
    all.push_back(spec);
  }
  for (const OperationKind kind :
       {OperationKind::batch_norm_training, OperationKind::batch_norm_backward}) {
    OperationSpec spec;
    spec.kind = kind;
    spec.norm = {11, 3};
    all.push_back(spec);
  }
  return all;
}

TEST(ReferenceOperationTest, AgreesWithTheLoopsOfTheTests) {
  constexpr uint64_t kSeed = 51;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  uint64_t stream = 0;
  for (const OperationSpec& spec : specs()) {
    SCOPED_TRACE(to_string(spec));
    const std::vector<Operand> list = operands(spec);
    std::vector<std::vector<float>> expected;
    for (const Operand& operand : list) {
      Philox random(kSeed, stream++);
      std::vector<float>& numbers = expected.emplace_back(static_cast<size_t>(operand.size));
      // Above 0, as variances and deviations are; those of images are of both signs.
      const bool is_signed = operand.size > spec.norm.channels;
      for (float& number : numbers) number = random.uniform() - (is_signed ? 0.5f : -0.5f);
    }
    std::vector<std::vector<double>> actual;
    std::vector<float*> pointers;
    for (size_t i = 0; i < list.size(); ++i) {
      actual.emplace_back(expected[i].begin(), expected[i].end());
      if (list[i].access == Access::write) {
        std::fill(actual[i].begin(), actual[i].end(), std::nan(""));
      }
      pointers.push_back(expected[i].data());
    }
    cuda::run_reference(spec, pointers);
    execute_reference(spec, actual);
    for (size_t i = 0; i < list.size(); ++i) {
      // The tests' results are rounded to float32, 6e-8; and the momentum is .99 here, its float32
      // there, which differ by 1e-8.
      EXPECT_TRUE(all_near(actual[i], expected[i], {.relative = 1e-7, .of_largest = 1e-7}))
          << list[i].name;
    }
  }
}

TEST(ReferenceOperationTest, RefusesOtherOperands) {
  OperationSpec spec;
  spec.kind = OperationKind::dense_data_gradient;
  spec.dense = {2, 3, 4};
  std::vector<std::vector<double>> tensors = {std::vector<double>(8), std::vector<double>(12)};
  EXPECT_THAT([&] { execute_reference(spec, tensors); },
              ThrowsMessage<Error>(AllOf(HasSubstr("2 operands"), HasSubstr("3 needed"))));
  tensors.emplace_back(7);
  EXPECT_THAT([&] { execute_reference(spec, tensors); },
              ThrowsMessage<Error>(AllOf(HasSubstr("dx has 7 numbers, not 6"))));
}

}  // namespace
}  // namespace oddity::test
