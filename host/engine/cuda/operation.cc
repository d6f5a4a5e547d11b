#include "engine/cuda/operation.h"

#include <fmt/format.h>

namespace oddity::cuda {
namespace {

using kernels::Epilogue;

std::vector<Operand> convolution_operands(const OperationSpec& spec) {
  const kernels::Conv2dShape& shape = spec.conv;
  const bool transposed = spec.kind == OperationKind::conv2d_transpose;
  const int64_t large = shape.large_pixels() * shape.channels;
  const int64_t small = shape.small_pixels() * shape.filters;
  std::vector<Operand> list = {{"x", transposed ? small : large, Access::read},
                               {"w", shape.filters * 9 * shape.channels, Access::read}};
  if (spec.epilogue != Epilogue::none) {
    list.push_back({"bias", transposed ? shape.channels : shape.filters, Access::read});
  }
  list.push_back({"y", transposed ? large : small, Access::write});
  return list;
}

const char* name_of(OperationKind kind) {
  switch (kind) {
    case OperationKind::conv2d:
      return "conv2d";
    case OperationKind::conv2d_transpose:
      return "conv2d_transpose";
    case OperationKind::conv2d_weight_gradient:
      return "conv2d_weight_gradient";
    case OperationKind::dense:
      return "dense";
    case OperationKind::dense_data_gradient:
      return "dense_data_gradient";
    case OperationKind::dense_weight_gradient:
      return "dense_weight_gradient";
    case OperationKind::batch_norm_training:
      return "batch_norm_training";
    case OperationKind::batch_norm_backward:
      return "batch_norm_backward";
  }
  return "";
}

}  // namespace

std::vector<Operand> operands(const OperationSpec& spec) {
  const kernels::Conv2dShape& conv = spec.conv;
  const int64_t x = spec.dense.images * spec.dense.inputs;
  const int64_t w = spec.dense.inputs * spec.dense.outputs;
  const int64_t y = spec.dense.images * spec.dense.outputs;
  const int64_t channels = spec.norm.channels;
  const int64_t all = spec.norm.rows * channels;
  switch (spec.kind) {
    case OperationKind::conv2d:
    case OperationKind::conv2d_transpose:
      return convolution_operands(spec);
    case OperationKind::conv2d_weight_gradient:
      return {{"x", conv.large_pixels() * conv.channels, Access::read},
              {"dy", conv.small_pixels() * conv.filters, Access::read},
              {"dw", conv.filters * 9 * conv.channels, Access::write}};
    case OperationKind::dense:
      return {{"x", x, Access::read},
              {"w", w, Access::read},
              {"bias", spec.dense.outputs, Access::read},
              {"y", y, Access::write}};
    case OperationKind::dense_data_gradient:
      return {{"dy", y, Access::read}, {"w", w, Access::read}, {"dx", x, Access::write}};
    case OperationKind::dense_weight_gradient:
      return {{"x", x, Access::read}, {"dy", y, Access::read}, {"dw", w, Access::write}};
    case OperationKind::batch_norm_training:
      return {{"x", all, Access::read},
              {"gamma", channels, Access::read},
              {"beta", channels, Access::read},
              {"y", all, Access::write},
              {"mean", channels, Access::write},
              {"inverse_deviation", channels, Access::write},
              {"moving_mean", channels, Access::update},
              {"moving_variance", channels, Access::update}};
    case OperationKind::batch_norm_backward:
      return {{"x", all, Access::read},
              {"dy", all, Access::read},
              {"gamma", channels, Access::read},
              {"mean", channels, Access::read},
              {"inverse_deviation", channels, Access::read},
              {"dx", all, Access::write},
              {"dgamma", channels, Access::write},
              {"dbeta", channels, Access::write}};
  }
  return {};
}

std::string to_string(const OperationSpec& spec) {
  const kernels::Conv2dShape& c = spec.conv;
  const std::string large = fmt::format("{}x{}x{}x{}", c.images, c.height, c.width, c.channels);
  const std::string small =
      fmt::format("{}x{}x{}x{}", c.images, c.small_height(), c.small_width(), c.filters);
  const char* const name = name_of(spec.kind);
  switch (spec.kind) {
    case OperationKind::conv2d:
    case OperationKind::conv2d_transpose: {
      const bool transposed = spec.kind == OperationKind::conv2d_transpose;
      const char* const epilogue = spec.epilogue == Epilogue::none   ? ""
                                   : spec.epilogue == Epilogue::bias ? ", bias"
                                                                     : ", bias, leaky_relu";
      return fmt::format("{} {} -> {}{}", name, transposed ? small : large,
                         transposed ? large : small, epilogue);
    }
    case OperationKind::conv2d_weight_gradient:
      return fmt::format("{} {}, {}", name, large, small);
    case OperationKind::dense:
    case OperationKind::dense_data_gradient:
    case OperationKind::dense_weight_gradient:
      return fmt::format("{} {}x{} -> {}", name, spec.dense.images, spec.dense.inputs,
                         spec.dense.outputs);
    case OperationKind::batch_norm_training:
    case OperationKind::batch_norm_backward:
      return fmt::format("{} {}x{}", name, spec.norm.rows, spec.norm.channels);
  }
  return name;
}

}  // namespace oddity::cuda
