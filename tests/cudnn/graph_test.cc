// The graphs that cuDNN is given mean what the specification means: what cuDNN was told is computed
// by its documented definitions and compared with the reference loops. cuDNN itself has accepted
// every descriptor on the way.
#include <fmt/format.h>

#include "core/random.h"
#include "cuda/reference_operation.h"
#include "cudnn_test.h"
#include "recording.h"
#include "support/near.h"

namespace oddity::test {
namespace {

using cuda::Fusion;
using cuda::Operand;
using cuda::OperationKind;
using cuda::OperationSpec;
using kernels::Epilogue;

/// Extents that all differ: what is mixed up does not fit.
OperationSpec convolution(OperationKind kind, int64_t stride, Epilogue epilogue) {
  OperationSpec spec;
  spec.kind = kind;
  spec.conv = {
      .images = 2, .height = 6, .width = 10, .channels = 3, .filters = 4, .stride = stride};
  spec.epilogue = epilogue;
  return spec;
}

OperationSpec batch_norm(OperationKind kind) {
  OperationSpec spec;
  spec.kind = kind;
  spec.norm = {.rows = 31, .channels = 5};
  return spec;
}

std::vector<OperationSpec> specs() {
  std::vector<OperationSpec> list;
  for (const int64_t stride : {1, 2}) {
    for (const Epilogue epilogue : {Epilogue::none, Epilogue::bias, Epilogue::bias_leaky_relu}) {
      list.push_back(convolution(OperationKind::conv2d, stride, epilogue));
      list.push_back(convolution(OperationKind::conv2d_transpose, stride, epilogue));
    }
    list.push_back(convolution(OperationKind::conv2d_weight_gradient, stride, Epilogue::none));
  }
  list.push_back(batch_norm(OperationKind::batch_norm_training));
  list.push_back(batch_norm(OperationKind::batch_norm_backward));
  return list;
}

/// Operands of host memory: what is read random, what is written NaN.
std::vector<std::vector<float>> random_operands(const OperationSpec& spec, uint64_t seed) {
  Philox random(seed, /*stream=*/0);
  std::vector<std::vector<float>> tensors;
  for (const Operand& operand : operands(spec)) {
    std::vector<float>& tensor = tensors.emplace_back(static_cast<size_t>(operand.size), NAN);
    if (operand.access == cuda::Access::write) continue;
    // Away from 0: an inverse deviation is positive, and a mean of 0 would hide its absence.
    for (float& value : tensor) value = random.uniform() - 0.3f;
    if (std::string_view(operand.name) == "inverse_deviation") {
      for (float& value : tensor) value = 0.5f + std::abs(value);
    }
  }
  return tensors;
}

class CudnnGraph : public CudnnTest, public testing::WithParamInterface<OperationSpec> {};

TEST_P(CudnnGraph, ComputesTheSpecification) {
  const OperationSpec& spec = GetParam();
  constexpr uint64_t kSeed = 7;
  SCOPED_TRACE(fmt::format("{}, seed {}", to_string(spec), kSeed));
  const std::vector<Operand> list = operands(spec);
  std::vector<std::vector<float>> expected = random_operands(spec, kSeed);
  const cuda::Graph graph = build_graph(recording_library(), nullptr, spec, Fusion::fused);
  TensorValues actual;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].access == cuda::Access::write) continue;
    actual[static_cast<int64_t>(i) + 1].assign(expected[i].begin(), expected[i].end());
  }
  interpret(graph, actual);
  std::vector<float*> pointers;
  for (std::vector<float>& tensor : expected) pointers.push_back(tensor.data());
  run_reference(spec, pointers);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].access != cuda::Access::write) continue;
    // Both are float64, the reference rounded to float32: half a unit in the last place, 6e-8. Sums
    // of some 100 products near 0 differ by 1e-15 between orders.
    EXPECT_TRUE(all_near(actual[static_cast<int64_t>(i) + 1], expected[i],
                         {.absolute = 1e-12, .relative = 6e-8}))
        << list[i].name;
  }
}

std::string name_of(const testing::TestParamInfo<OperationSpec>& info) {
  std::string name;
  for (const char c : to_string(info.param)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      name += c;
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  return fmt::format("{}_stride_{}", name, info.param.conv.stride);
}
INSTANTIATE_TEST_SUITE_P(, CudnnGraph, testing::ValuesIn(specs()), name_of);

class CudnnGraphParts : public CudnnTest {};

// The same is asked of cuDNN itself, as far as it answers: symmetric padding of a stride-2
// convolution would give the same extents and another result.
TEST_F(CudnnGraphParts, PaddingIsThatOfTheSpecification) {
  for (const auto kind : {OperationKind::conv2d, OperationKind::conv2d_transpose,
                          OperationKind::conv2d_weight_gradient}) {
    for (const int64_t stride : {1, 2}) {
      const OperationSpec spec = convolution(kind, stride, Epilogue::none);
      SCOPED_TRACE(to_string(spec));
      const cuda::Graph graph = build_graph(library_, nullptr, spec, Fusion::fused);
      const cuda::Descriptor& settings = graph.settings.front();
      const auto pair = [&](cudnnBackendAttributeName_t name) {
        return settings.get_list<int64_t>(name, 2);
      };
      const std::vector<int64_t> before(2, stride == 1 ? 1 : 0);
      EXPECT_EQ(pair(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), before);
      EXPECT_EQ(pair(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS), std::vector<int64_t>(2, 1));
      EXPECT_EQ(pair(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), std::vector<int64_t>(2, stride));
    }
  }
}

TEST_F(CudnnGraphParts, SeparateEpilogueIsNotInTheGraph) {
  const OperationSpec spec = convolution(OperationKind::conv2d, 2, Epilogue::bias_leaky_relu);
  const cuda::Graph graph = build_graph(library_, nullptr, spec, Fusion::separate);
  EXPECT_EQ(graph.nodes.size(), 1u);
  EXPECT_THROW(graph.operand(2), std::out_of_range);  // bias
  EXPECT_EQ(graph.operand(3).get<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID), 4);
}

// That cuDNN refuses what does not fit shows that it looks: with stride 3, which the padding is not
// made for, 8 + 1 rows give 3 and not 8 / 3.
TEST_F(CudnnGraphParts, ExtentsThatDoNotFollowAreRefused) {
  OperationSpec spec = convolution(OperationKind::conv2d, 3, Epilogue::none);
  EXPECT_NO_THROW(build_graph(library_, nullptr, spec, Fusion::fused));
  spec.conv.height = 8;
  EXPECT_THROW(build_graph(library_, nullptr, spec, Fusion::fused), DeviceError);
}

}  // namespace
}  // namespace oddity::test
