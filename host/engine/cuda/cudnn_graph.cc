#include "engine/cuda/cudnn_graph.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace oddity::cuda {
namespace {

using kernels::Epilogue;

// cuDNN names extents N, C, H, W whatever the order in memory, which the strides say.

struct Layout {
  std::vector<int64_t> extents;
  std::vector<int64_t> strides;
};

/// Images [N, H, W, C]; filters [K, 3, 3, C] are laid out alike.
Layout images_layout(int64_t count, int64_t height, int64_t width, int64_t channels) {
  return {{count, channels, height, width},
          {height * width * channels, 1, width * channels, channels}};
}

Layout channels_layout(int64_t channels) { return images_layout(1, 1, 1, channels); }

/// Fills a Graph node by node. Tensors are known by their ids.
class Builder {
 public:
  Builder(std::shared_ptr<const CudnnLibrary> library, const OperationSpec& spec)
      : library_(std::move(library)), operands_(operands(spec)) {}

  /// The operand called `name`.
  int64_t operand(std::string_view name, const Layout& layout) {
    const auto found = std::find_if(operands_.begin(), operands_.end(),
                                    [&](const Operand& operand) { return operand.name == name; });
    return add_tensor(found - operands_.begin() + 1, layout, Storage::memory);
  }
  /// A tensor that is never stored.
  int64_t inner(const Layout& layout) { return add_tensor(next_id_++, layout, Storage::none); }
  int64_t constant(float value) {
    const int64_t id = add_tensor(next_id_++, channels_layout(1), Storage::by_value);
    graph_.constants.push_back({id, value});
    return id;
  }

  const Descriptor& tensor(int64_t id) const {
    const auto found = std::find_if(graph_.tensors.begin(), graph_.tensors.end(),
                                    [id](const Graph::Tensor& tensor) { return tensor.id == id; });
    return found->descriptor;
  }
  Descriptor& settings(cudnnBackendDescriptorType_t type) {
    return graph_.settings.emplace_back(library_, type);
  }
  Descriptor& node(cudnnBackendDescriptorType_t type) {
    return graph_.nodes.emplace_back(library_, type);
  }

  Graph finish(cudnnHandle_t handle) {
    std::vector<cudnnBackendDescriptor_t> nodes;
    nodes.reserve(graph_.nodes.size());
    for (const Descriptor& node : graph_.nodes) nodes.push_back(node.get());
    Descriptor whole(library_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (handle != nullptr) whole.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
    whole.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, nodes).finalize();
    graph_.whole.push_back(std::move(whole));
    return std::move(graph_);
  }

 private:
  enum class Storage { memory, none, by_value };

  int64_t add_tensor(int64_t id, const Layout& layout, Storage storage) {
    Descriptor descriptor(library_, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    descriptor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, layout.extents)
        .set(CUDNN_ATTR_TENSOR_STRIDES, layout.strides);
    if (storage == Storage::none) descriptor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true);
    if (storage == Storage::by_value) descriptor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, true);
    descriptor.finalize();
    graph_.tensors.push_back({id, std::move(descriptor)});
    return id;
  }

  // What engines ask for at most; operands have 256.
  static constexpr int64_t kAlignment = 16;

  std::shared_ptr<const CudnnLibrary> library_;
  std::vector<Operand> operands_;
  Graph graph_;
  int64_t next_id_ = Graph::kFirstInnerId;
};

// --- convolutions ------------------------------------------------------------------------------

Layout large_layout(const kernels::Conv2dShape& shape) {
  return images_layout(shape.images, shape.height, shape.width, shape.channels);
}
Layout small_layout(const kernels::Conv2dShape& shape) {
  return images_layout(shape.images, shape.small_height(), shape.small_width(), shape.filters);
}
Layout filter_layout(const kernels::Conv2dShape& shape) {
  return images_layout(shape.filters, 3, 3, shape.channels);
}

/// Padding of conv2d.h: one on each side for stride 1, none before and one after for stride 2.
const Descriptor& convolution_settings(Builder& builder, int64_t stride) {
  const std::vector<int64_t> before(2, stride == 1 ? 1 : 0);
  const std::vector<int64_t> after(2, 1);
  return builder.settings(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, before)
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, after)
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::vector<int64_t>(2, stride))
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::vector<int64_t>(2, 1))
      .finalize();
}

struct PointwiseStep {
  cudnnPointwiseMode_t mode;
  int64_t from;
  int64_t bias;  // 0: none
  int64_t to;
};

void add_pointwise(Builder& builder, const PointwiseStep& step) {
  Descriptor& settings = builder.settings(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  settings.set(CUDNN_ATTR_POINTWISE_MODE, step.mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  if (step.mode == CUDNN_POINTWISE_RELU_FWD) {
    settings.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE,
                 static_cast<double>(kernels::kLeakyReluSlope));
  }
  settings.finalize();
  Descriptor& node = builder.node(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  node.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, settings)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, builder.tensor(step.from))
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, builder.tensor(step.to));
  if (step.bias != 0) {
    node.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, builder.tensor(step.bias));
  }
  node.finalize();
}

/// conv2d is cuDNN's forward convolution, conv2d_transpose the gradient of its input.
void add_convolution(Builder& builder, const OperationSpec& spec, Epilogue epilogue) {
  const bool transposed = spec.kind == OperationKind::conv2d_transpose;
  const Layout from = transposed ? small_layout(spec.conv) : large_layout(spec.conv);
  const Layout to = transposed ? large_layout(spec.conv) : small_layout(spec.conv);
  const int64_t x = builder.operand("x", from);
  const int64_t w = builder.operand("w", filter_layout(spec.conv));
  const int64_t y = builder.operand("y", to);
  const int64_t sum = epilogue == Epilogue::none ? y : builder.inner(to);
  const Descriptor& settings = convolution_settings(builder, spec.conv.stride);
  if (transposed) {
    builder.node(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, settings)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, builder.tensor(x))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, builder.tensor(w))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, builder.tensor(sum))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0f)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0f)
        .finalize();
  } else {
    builder.node(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, settings)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, builder.tensor(x))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, builder.tensor(w))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, builder.tensor(sum))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f)
        .finalize();
  }
  if (epilogue == Epilogue::none) return;
  const bool activated = epilogue == Epilogue::bias_leaky_relu;
  const int64_t bias = builder.operand("bias", channels_layout(to.extents[1]));
  const int64_t biased = activated ? builder.inner(to) : y;
  add_pointwise(builder, {CUDNN_POINTWISE_ADD, sum, bias, biased});
  if (activated) add_pointwise(builder, {CUDNN_POINTWISE_RELU_FWD, biased, 0, y});
}

void add_weight_gradient(Builder& builder, const kernels::Conv2dShape& shape) {
  const int64_t x = builder.operand("x", large_layout(shape));
  const int64_t dy = builder.operand("dy", small_layout(shape));
  const int64_t dw = builder.operand("dw", filter_layout(shape));
  const Descriptor& settings = convolution_settings(builder, shape.stride);
  builder.node(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, settings)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, builder.tensor(x))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, builder.tensor(dy))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, builder.tensor(dw))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0f)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0f)
      .finalize();
}

// --- batch normalisation: rows are images of one pixel ------------------------------------------

void add_norm_training(Builder& builder, const kernels::BatchNormShape& shape) {
  const Layout all = images_layout(shape.rows, 1, 1, shape.channels);
  const Layout channels = channels_layout(shape.channels);
  const int64_t x = builder.operand("x", all);
  const int64_t gamma = builder.operand("gamma", channels);
  const int64_t beta = builder.operand("beta", channels);
  const int64_t y = builder.operand("y", all);
  const int64_t mean = builder.operand("mean", channels);
  const int64_t inverse_deviation = builder.operand("inverse_deviation", channels);
  const int64_t epsilon = builder.constant(kernels::kBatchNormEpsilon);
  builder.node(CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_BATCH_NORM)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_NORM_FWD_TRAINING)
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, builder.tensor(x))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, builder.tensor(gamma))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, builder.tensor(beta))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC, builder.tensor(epsilon))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, builder.tensor(y))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, builder.tensor(mean))
      .set(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, builder.tensor(inverse_deviation))
      .finalize();
}

void add_norm_backward(Builder& builder, const kernels::BatchNormShape& shape) {
  const Layout all = images_layout(shape.rows, 1, 1, shape.channels);
  const Layout channels = channels_layout(shape.channels);
  const int64_t x = builder.operand("x", all);
  const int64_t dy = builder.operand("dy", all);
  const int64_t gamma = builder.operand("gamma", channels);
  const int64_t mean = builder.operand("mean", channels);
  const int64_t inverse_deviation = builder.operand("inverse_deviation", channels);
  const int64_t dx = builder.operand("dx", all);
  const int64_t dgamma = builder.operand("dgamma", channels);
  const int64_t dbeta = builder.operand("dbeta", channels);
  builder.node(CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR)
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_MODE, CUDNN_BATCH_NORM)
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, builder.tensor(x))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, builder.tensor(dy))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, builder.tensor(gamma))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, builder.tensor(mean))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC, builder.tensor(inverse_deviation))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, builder.tensor(dx))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, builder.tensor(dgamma))
      .set(CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, builder.tensor(dbeta))
      .finalize();
}

}  // namespace

const Descriptor& Graph::operand(size_t index) const {
  for (const Tensor& tensor : tensors) {
    if (tensor.id == static_cast<int64_t>(index) + 1) return tensor.descriptor;
  }
  throw std::out_of_range("the graph has no such operand");
}

bool is_cudnn_kind(OperationKind kind) {
  switch (kind) {
    case OperationKind::conv2d:
    case OperationKind::conv2d_transpose:
    case OperationKind::conv2d_weight_gradient:
    case OperationKind::batch_norm_training:
    case OperationKind::batch_norm_backward:
      return true;
    case OperationKind::dense:
    case OperationKind::dense_data_gradient:
    case OperationKind::dense_weight_gradient:
      return false;
  }
  return false;
}

Graph build_graph(const std::shared_ptr<const CudnnLibrary>& library, cudnnHandle_t handle,
                  const OperationSpec& spec, Fusion fusion) {
  Builder builder(library, spec);
  switch (spec.kind) {
    case OperationKind::conv2d_weight_gradient:
      add_weight_gradient(builder, spec.conv);
      break;
    case OperationKind::batch_norm_training:
      add_norm_training(builder, spec.norm);
      break;
    case OperationKind::batch_norm_backward:
      add_norm_backward(builder, spec.norm);
      break;
    default:
      add_convolution(builder, spec, fusion == Fusion::fused ? spec.epilogue : Epilogue::none);
  }
  return builder.finish(handle);
}

}  // namespace oddity::cuda
