#include "recording.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace oddity::test {
namespace {

using cuda::CudnnLibrary;
using Handle = cudnnBackendDescriptor_t;
using Attributes = std::map<cudnnBackendAttributeName_t, std::vector<char>>;

struct Recorded {
  cudnnBackendDescriptorType_t type;
  Attributes attributes;
};

/// The library's functions are plain pointers: what they record has to lie here.
struct Recorder {
  CudnnLibrary real;
  std::map<Handle, Recorded> descriptors;
};
Recorder& recorder() {
  static Recorder instance;
  return instance;
}

cudnnStatus_t create_and_record(cudnnBackendDescriptorType_t type, Handle* descriptor) {
  const cudnnStatus_t status = recorder().real.create_descriptor(type, descriptor);
  recorder().descriptors[*descriptor] = {type, {}};
  return status;
}

cudnnStatus_t set_and_record(Handle descriptor, cudnnBackendAttributeName_t name,
                             cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  const size_t bytes =
      static_cast<size_t>(count) * (type == CUDNN_TYPE_BOOLEAN ? sizeof(bool)
                                    : type == CUDNN_TYPE_INT64 || type == CUDNN_TYPE_DOUBLE ||
                                            type == CUDNN_TYPE_BACKEND_DESCRIPTOR
                                        ? 8
                                        : 4);
  const char* const begin = static_cast<const char*>(values);
  recorder().descriptors.at(descriptor).attributes[name].assign(begin, begin + bytes);
  return recorder().real.set_attribute(descriptor, name, type, count, values);
}

template <typename T>
std::vector<T> list(Handle descriptor, cudnnBackendAttributeName_t name) {
  const Attributes& attributes = recorder().descriptors.at(descriptor).attributes;
  const auto found = attributes.find(name);
  if (found == attributes.end()) return {};
  std::vector<T> values(found->second.size() / sizeof(T));
  std::memcpy(values.data(), found->second.data(), found->second.size());
  return values;
}

template <typename T>
T value(Handle descriptor, cudnnBackendAttributeName_t name) {
  const std::vector<T> values = list<T>(descriptor, name);
  if (values.size() != 1) throw std::runtime_error(fmt::format("attribute {} is not set", +name));
  return values.front();
}

void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

/// A tensor as its descriptor says, N, C, H, W, and its numbers.
struct Tensor {
  Tensor(Handle node, cudnnBackendAttributeName_t name, TensorValues& values)
      : Tensor(value<Handle>(node, name), values) {}

  double& at(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return data[n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3]];
  }
  /// Sets all to 0: outputs are added up.
  void clear() const {
    for (size_t i = 0; i < size; ++i) data[i] = 0;
  }

  std::vector<int64_t> extents;
  std::vector<int64_t> strides;
  double* data = nullptr;
  size_t size = 1;

 private:
  Tensor(Handle descriptor, TensorValues& values)
      : extents(list<int64_t>(descriptor, CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(list<int64_t>(descriptor, CUDNN_ATTR_TENSOR_STRIDES)) {
    require(extents.size() == 4 && strides.size() == 4, "a tensor has not four dimensions");
    for (size_t i = 0; i < 4; ++i) size += static_cast<size_t>((extents[i] - 1) * strides[i]);
    require(value<cudnnDataType_t>(descriptor, CUDNN_ATTR_TENSOR_DATA_TYPE) == CUDNN_DATA_FLOAT,
            "a tensor is not float32");
    std::vector<double>& numbers = values[value<int64_t>(descriptor, CUDNN_ATTR_TENSOR_UNIQUE_ID)];
    if (numbers.empty()) numbers.resize(size);
    require(numbers.size() == size, "a tensor has another size than its operand");
    data = numbers.data();
  }
};

template <typename Visit>
void for_each_number(const std::vector<int64_t>& extents, Visit visit) {
  for (int64_t n = 0; n < extents[0]; ++n) {
    for (int64_t c = 0; c < extents[1]; ++c) {
      for (int64_t h = 0; h < extents[2]; ++h) {
        for (int64_t w = 0; w < extents[3]; ++w) visit(n, c, h, w);
      }
    }
  }
}

/// Cross-correlation: y [N,K,P,Q] = sum of x [N,C,H,W], padded with zeros, times w [K,C,R,S]; its
/// gradients are sums over the same triples. visit(x, w, y) for each.
template <typename Visit>
void for_each_product(Handle settings, const Tensor& x, const Tensor& w, const Tensor& y,
                      Visit visit) {
  const auto before = list<int64_t>(settings, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const auto after = list<int64_t>(settings, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  const auto stride = list<int64_t>(settings, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const std::vector<int64_t> ones = {1, 1};
  require(
      value<cudnnConvolutionMode_t>(settings, CUDNN_ATTR_CONVOLUTION_CONV_MODE) ==
              CUDNN_CROSS_CORRELATION &&
          list<int64_t>(settings, CUDNN_ATTR_CONVOLUTION_DILATIONS) == ones &&
          value<cudnnDataType_t>(settings, CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT,
      "a setting of a convolution is not known");
  for (size_t i = 0; i < 2; ++i) {
    const int64_t padded = x.extents[2 + i] + before[i] + after[i];
    require(y.extents[2 + i] == (padded - w.extents[2 + i]) / stride[i] + 1,
            "the output's extent does not follow from input, padding and stride");
  }
  require(
      x.extents[0] == y.extents[0] && x.extents[1] == w.extents[1] && y.extents[1] == w.extents[0],
      "images or channels differ");
  for_each_number(y.extents, [&](int64_t n, int64_t k, int64_t p, int64_t q) {
    const std::vector<int64_t> taps = {1, w.extents[1], w.extents[2], w.extents[3]};
    for_each_number(taps, [&](int64_t, int64_t c, int64_t r, int64_t s) {
      const int64_t h = p * stride[0] + r - before[0];
      const int64_t v = q * stride[1] + s - before[1];
      if (h < 0 || h >= x.extents[2] || v < 0 || v >= x.extents[3]) return;
      visit(x.at(n, c, h, v), w.at(k, c, r, s), y.at(n, k, p, q));
    });
  });
}

void require_plain(Handle node, cudnnBackendAttributeName_t alpha,
                   cudnnBackendAttributeName_t beta) {
  require(value<float>(node, alpha) == 1.0f && value<float>(node, beta) == 0.0f,
          "a convolution is scaled or adds to its output");
}

void convolve(Handle node, TensorValues& values) {
  const Tensor x(node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, values);
  const Tensor w(node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, values);
  const Tensor y(node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, values);
  require_plain(node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
  y.clear();
  for_each_product(value<Handle>(node, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC), x, w, y,
                   [](double from, double weight, double& to) { to += from * weight; });
}

void convolve_back(Handle node, TensorValues& values) {
  const Tensor dx(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, values);
  const Tensor w(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, values);
  const Tensor dy(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, values);
  require_plain(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA);
  dx.clear();
  for_each_product(value<Handle>(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC), dx, w,
                   dy, [](double& to, double weight, double from) { to += from * weight; });
}

void differentiate_by_filter(Handle node, TensorValues& values) {
  const Tensor x(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, values);
  const Tensor dw(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, values);
  const Tensor dy(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, values);
  require_plain(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);
  dw.clear();
  for_each_product(value<Handle>(node, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC), x,
                   dw, dy, [](double from, double& to, double back) { to += from * back; });
}

void apply_pointwise(Handle node, TensorValues& values) {
  const auto settings = value<Handle>(node, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  const auto mode = value<cudnnPointwiseMode_t>(settings, CUDNN_ATTR_POINTWISE_MODE);
  const Tensor x(node, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, values);
  const Tensor y(node, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, values);
  require(x.extents == y.extents, "a pointwise node changes extents");
  if (mode == CUDNN_POINTWISE_ADD) {
    const Tensor b(node, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, values);
    require(b.extents == std::vector<int64_t>{1, x.extents[1], 1, 1}, "not a bias of channels");
    for_each_number(x.extents, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
      y.at(n, c, h, w) = x.at(n, c, h, w) + b.at(0, c, 0, 0);
    });
    return;
  }
  require(mode == CUDNN_POINTWISE_RELU_FWD, "a pointwise mode is not known");
  // The clips are 0 and the largest float where they are not set.
  require(list<double>(settings, CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP).empty() &&
              list<double>(settings, CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP).empty(),
          "a ReLU is clipped");
  const double slope = value<double>(settings, CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE);
  for_each_number(x.extents, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    const double from = x.at(n, c, h, w);
    y.at(n, c, h, w) = from > 0 ? from : slope * from;
  });
}

void normalize(Handle node, TensorValues& values) {
  require(
      value<cudnnBackendNormMode_t>(node, CUDNN_ATTR_OPERATION_NORM_FWD_MODE) == CUDNN_BATCH_NORM &&
          value<cudnnBackendNormFwdPhase_t>(node, CUDNN_ATTR_OPERATION_NORM_FWD_PHASE) ==
              CUDNN_NORM_FWD_TRAINING,
      "not batch normalisation in training");
  const Tensor x(node, CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, values);
  const Tensor scale(node, CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, values);
  const Tensor bias(node, CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, values);
  const Tensor epsilon(node, CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC, values);
  const Tensor y(node, CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, values);
  const Tensor mean(node, CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, values);
  const Tensor inverse(node, CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, values);
  const double count = static_cast<double>(x.extents[0] * x.extents[2] * x.extents[3]);
  std::vector<double> variance(mean.size);
  mean.clear();
  for_each_number(x.extents, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    mean.at(0, c, 0, 0) += x.at(n, c, h, w) / count;
  });
  for_each_number(x.extents, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    variance[c] += std::pow(x.at(n, c, h, w) - mean.at(0, c, 0, 0), 2) / count;
  });
  for (int64_t c = 0; c < std::ssize(variance); ++c) {
    inverse.at(0, c, 0, 0) = 1 / std::sqrt(variance[c] + epsilon.at(0, 0, 0, 0));
  }
  for_each_number(x.extents, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    y.at(n, c, h, w) =
        (x.at(n, c, h, w) - mean.at(0, c, 0, 0)) * inverse.at(0, c, 0, 0) * scale.at(0, c, 0, 0) +
        bias.at(0, c, 0, 0);
  });
}

void normalize_back(Handle node, TensorValues& values) {
  require(
      value<cudnnBackendNormMode_t>(node, CUDNN_ATTR_OPERATION_NORM_BWD_MODE) == CUDNN_BATCH_NORM,
      "not batch normalisation");
  const Tensor x(node, CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, values);
  const Tensor dy(node, CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, values);
  const Tensor scale(node, CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, values);
  const Tensor mean(node, CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, values);
  const Tensor inverse(node, CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC, values);
  const Tensor dx(node, CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, values);
  const Tensor dscale(node, CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, values);
  const Tensor dbias(node, CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, values);
  const double count = static_cast<double>(x.extents[0] * x.extents[2] * x.extents[3]);
  const auto z = [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    return (x.at(n, c, h, w) - mean.at(0, c, 0, 0)) * inverse.at(0, c, 0, 0);
  };
  dscale.clear();
  dbias.clear();
  for_each_number(x.extents, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    dscale.at(0, c, 0, 0) += dy.at(n, c, h, w) * z(n, c, h, w);
    dbias.at(0, c, 0, 0) += dy.at(n, c, h, w);
  });
  for_each_number(x.extents, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    dx.at(n, c, h, w) = scale.at(0, c, 0, 0) * inverse.at(0, c, 0, 0) *
                        (dy.at(n, c, h, w) - dbias.at(0, c, 0, 0) / count -
                         z(n, c, h, w) * dscale.at(0, c, 0, 0) / count);
  });
}

}  // namespace

std::shared_ptr<const CudnnLibrary> recording_library() {
  auto library = std::make_shared<CudnnLibrary>(recorder().real);
  library->create_descriptor = create_and_record;
  library->set_attribute = set_and_record;
  return library;
}

void interpret(const cuda::Graph& graph, TensorValues& values) {
  for (const cuda::Graph::Constant& constant : graph.constants) {
    values[constant.id] = {static_cast<double>(constant.value)};
  }
  const Handle whole = graph.whole.front().get();
  for (const Handle node : list<Handle>(whole, CUDNN_ATTR_OPERATIONGRAPH_OPS)) {
    switch (recorder().descriptors.at(node).type) {
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        convolve(node, values);
        break;
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
        convolve_back(node, values);
        break;
      case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        differentiate_by_filter(node, values);
        break;
      case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        apply_pointwise(node, values);
        break;
      case CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR:
        normalize(node, values);
        break;
      case CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR:
        normalize_back(node, values);
        break;
      default:
        throw std::runtime_error("a node is not known");
    }
  }
}

}  // namespace oddity::test
