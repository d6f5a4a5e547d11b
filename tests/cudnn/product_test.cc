// The products that cuBLAS is asked for are the dense layers: BLAS' definition in plain loops
// beside the reference.
#include <gtest/gtest.h>

#include "core/random.h"
#include "cuda/reference_operation.h"
#include "engine/cuda/cublas_dense.h"
#include "support/near.h"

namespace oddity::test {
namespace {

using cuda::MatrixProduct;
using cuda::OperationKind;
using cuda::OperationSpec;

/// Column-major: element (row, column) lies at row + column · leading.
float element(const float* matrix, int leading, bool transposed, int row, int column) {
  return transposed ? matrix[column + int64_t{row} * leading]
                    : matrix[row + int64_t{column} * leading];
}

/// sgemm with factors 1 and 0.
void multiply(const MatrixProduct& p, const std::vector<float*>& tensors) {
  for (int row = 0; row < p.rows; ++row) {
    for (int column = 0; column < p.columns; ++column) {
      double sum = 0;
      for (int i = 0; i < p.inner; ++i) {
        sum += static_cast<double>(element(tensors[p.a], p.a_leading(), p.transpose_a, row, i)) *
               static_cast<double>(element(tensors[p.b], p.b_leading(), p.transpose_b, i, column));
      }
      tensors[p.c][row + int64_t{column} * p.c_leading()] = static_cast<float>(sum);
    }
  }
}

class CublasProduct : public testing::TestWithParam<OperationKind> {};

TEST_P(CublasProduct, IsTheDenseLayer) {
  constexpr uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  OperationSpec spec;
  spec.kind = GetParam();
  spec.dense = {.images = 3, .inputs = 7, .outputs = 5};
  const std::vector<cuda::Operand> list = operands(spec);
  Philox random(kSeed, /*stream=*/0);
  std::vector<std::vector<float>> tensors;
  for (const cuda::Operand& operand : list) {
    std::vector<float>& tensor = tensors.emplace_back(static_cast<size_t>(operand.size), NAN);
    if (operand.access == cuda::Access::write) continue;
    for (float& value : tensor) value = random.uniform() - 0.5f;
    // The bias is added afterwards.
    if (std::string_view(operand.name) == "bias") tensor.assign(tensor.size(), 0.0f);
  }
  std::vector<std::vector<float>> expected = tensors;
  std::vector<float*> actual_pointers;
  std::vector<float*> expected_pointers;
  for (size_t i = 0; i < list.size(); ++i) {
    actual_pointers.push_back(tensors[i].data());
    expected_pointers.push_back(expected[i].data());
  }
  const std::optional<MatrixProduct> product = matrix_product(spec);
  ASSERT_TRUE(product.has_value());
  multiply(*product, actual_pointers);
  run_reference(spec, expected_pointers);
  // Both sums are float64 in one order; rounded to float32 they may differ by a unit: 1.2e-7.
  EXPECT_TRUE(all_near(tensors.back(), expected.back(), {.relative = 1.2e-7}));
}

std::string name_of(const testing::TestParamInfo<OperationKind>& info) {
  return info.param == OperationKind::dense                 ? "dense"
         : info.param == OperationKind::dense_data_gradient ? "data_gradient"
                                                            : "weight_gradient";
}
INSTANTIATE_TEST_SUITE_P(, CublasProduct,
                         testing::Values(OperationKind::dense, OperationKind::dense_data_gradient,
                                         OperationKind::dense_weight_gradient),
                         name_of);

TEST(CublasProductTest, NoneForExtentsBeyond31Bits) {
  OperationSpec spec;
  spec.kind = OperationKind::dense;
  spec.dense = {.images = 1, .inputs = int64_t{1} << 31, .outputs = 2};
  EXPECT_FALSE(matrix_product(spec).has_value());
}

TEST(CublasProductTest, NoneForConvolutions) {
  EXPECT_FALSE(cuda::matrix_product(OperationSpec{}).has_value());  // a convolution
}

}  // namespace
}  // namespace oddity::test
