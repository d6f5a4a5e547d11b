#include "files/onnx_operators.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "files/onnx_call.h"
#include "files/onnx_convolution.h"
#include "model/weights.h"

namespace oddity {

size_t OnnxBudget::claim(const std::vector<int64_t>& shape, const std::string& where) {
  double numbers = 1;
  for (const int64_t extent : shape) numbers *= static_cast<double>(extent);
  if (!(numbers >= 0 && held_ + numbers <= static_cast<double>(limits_.numbers))) {
    throw Error("{}: {} numbers, with what is held already, are more than {}", where,
                extents_text(shape), limits_.numbers);
  }
  spend(numbers, where);
  held_ += numbers;
  return static_cast<size_t>(numbers);
}

void OnnxBudget::spend(double operations, const std::string& where) {
  spent_ += operations;
  if (!(spent_ <= limits_.operations)) {
    throw Error("{}: more than {:g} operations", where, limits_.operations);
  }
}

OnnxArguments::OnnxArguments(const OnnxCall& call, size_t inputs)
    : call_(call), attributes_(call.node.attributes) {
  if (call.inputs.size() != inputs) {
    refuse("{} inputs, {} were expected", call.inputs.size(), inputs);
  }
}

std::string OnnxArguments::where() const {
  return fmt::format("ONNX: {} ({})", shown_onnx_name(call_.node.name), call_.node.type);
}

void OnnxArguments::refuse_type(size_t input) const {
  refuse("input {} is {}, which is not supported here", input,
         kOnnxTypeNames[call_.inputs[input]->values.index()]);
}

void OnnxArguments::expect_shape(size_t input, const std::vector<int64_t>& expected) const {
  const std::vector<int64_t>& found = shape(input);
  const bool fits = std::equal(found.begin(), found.end(), expected.begin(), expected.end(),
                               [](int64_t a, int64_t b) { return b < 0 || a == b; });
  if (!fits) {
    refuse("input {} is {}, {} was expected (-1: any)", input, extents_text(found),
           extents_text(expected));
  }
}

void OnnxArguments::done() const {
  if (attributes_.empty()) return;
  refuse("attribute {} is not supported", shown_onnx_name(attributes_.begin()->first));
}

namespace {

/// float32 y of float32 x, number by number, in float64.
template <typename Function>
OnnxTensor each(const OnnxArguments& in, Function function) {
  const auto& x = in.values<float>(0);
  auto y = in.make<float>(in.shape(0));
  std::transform(x.begin(), x.end(), y.begin(), [&](float value) {
    return static_cast<float>(function(static_cast<double>(value)));
  });
  return {in.shape(0), std::move(y)};
}

/// The same of two: arrays of one shape, or an array and one number.
template <typename T, typename Result, typename Function>
OnnxTensor each_pair(const OnnxCall& call, Function function) {
  const OnnxArguments in(call, 2);
  in.done();
  const bool one = in.shape(1).empty();
  if (!one) in.expect_shape(1, in.shape(0));
  const auto& a = in.values<T>(0);
  const auto& b = in.values<T>(1);
  auto y = in.make<Result>(in.shape(0));
  for (size_t i = 0; i < a.size(); ++i) {
    y[i] = static_cast<Result>(
        function(static_cast<double>(a[i]), static_cast<double>(b[one ? 0 : i])));
  }
  return {in.shape(0), std::move(y)};
}

OnnxTensor add(const OnnxCall& call) {
  return each_pair<float, float>(call, [](double a, double b) { return a + b; });
}
/// NaN where one is.
OnnxTensor max(const OnnxCall& call) {
  return each_pair<float, float>(call,
                                 [](double a, double b) { return a > b || std::isnan(a) ? a : b; });
}
OnnxTensor div(const OnnxCall& call) {
  return each_pair<float, float>(call, [](double a, double b) { return a / b; });
}
OnnxTensor sub(const OnnxCall& call) {
  return each_pair<float, float>(call, [](double a, double b) { return a - b; });
}
OnnxTensor mul(const OnnxCall& call) {
  return each_pair<float, float>(call, [](double a, double b) { return a * b; });
}
OnnxTensor greater_or_equal(const OnnxCall& call) {
  return each_pair<double, bool>(call, [](double a, double b) { return a >= b; });
}

OnnxTensor cast(const OnnxCall& call) {
  constexpr int64_t kFloat = 1;  // of TensorProto.DataType
  constexpr int64_t kDouble = 11;
  OnnxArguments in(call, 1);
  const int64_t to = in.whole("to");
  in.done();
  const auto convert = [&]<typename To>(std::vector<To> y) -> OnnxTensor {
    std::visit(
        [&](const auto& x) {
          for (size_t i = 0; i < x.size(); ++i) y[i] = static_cast<To>(x[i]);
        },
        in.tensor(0).values);
    return {in.shape(0), std::move(y)};
  };
  if (to == kFloat) return convert(in.make<float>(in.shape(0)));
  if (to == kDouble) return convert(in.make<double>(in.shape(0)));
  in.refuse("to type {}, only float32 and float64 are supported", to);
}

OnnxTensor leaky_relu(const OnnxCall& call) {
  OnnxArguments in(call, 1);
  const double alpha = in.real("alpha");
  in.done();
  return each(in, [alpha](double x) { return x < 0 ? alpha * x : x; });
}

OnnxTensor sigmoid(const OnnxCall& call) {
  const OnnxArguments in(call, 1);
  in.done();
  return each(in, [](double x) { return 1 / (1 + std::exp(-x)); });
}

OnnxTensor transpose(const OnnxCall& call) {
  OnnxArguments in(call, 1);
  const std::vector<int64_t> order = in.list("perm");
  in.done();
  in.expect_shape(0, {-1, -1, -1, -1});
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  if (sorted != std::vector<int64_t>{0, 1, 2, 3}) {
    in.refuse("perm is {}, an order of 0 to 3 was expected", extents_text(order));
  }
  const std::vector<int64_t>& from = in.shape(0);
  const int64_t steps[] = {from[1] * from[2] * from[3], from[2] * from[3], from[3], 1};
  std::vector<int64_t> shape;
  shape.reserve(order.size());
  for (const int64_t axis : order) shape.push_back(from[axis]);
  const auto& x = in.values<float>(0);
  auto y = in.make<float>(shape);
  size_t at = 0;
  for (int64_t i = 0; i < shape[0]; ++i) {
    for (int64_t k = 0; k < shape[1]; ++k) {
      for (int64_t m = 0; m < shape[2]; ++m) {
        const int64_t begin = i * steps[order[0]] + k * steps[order[1]] + m * steps[order[2]];
        for (int64_t n = 0; n < shape[3]; ++n) y[at++] = x[begin + n * steps[order[3]]];
      }
    }
  }
  return {shape, std::move(y)};
}

/// The same numbers in another shape.
OnnxTensor reshaped(const OnnxArguments& in, const std::vector<int64_t>& shape) {
  const auto& x = in.values<float>(0);
  auto y = in.make<float>(shape);
  if (x.size() != y.size()) {
    in.refuse("{} does not fit {}", extents_text(in.shape(0)), extents_text(shape));
  }
  std::copy(x.begin(), x.end(), y.begin());
  return {shape, std::move(y)};
}

OnnxTensor flatten(const OnnxCall& call) {
  OnnxArguments in(call, 1);
  if (const int64_t axis = in.whole("axis"); axis != 1) {
    in.refuse("axis is {}, only 1 is supported", axis);
  }
  in.done();
  in.expect_shape(0, {-1, -1, -1, -1});
  const std::vector<int64_t>& from = in.shape(0);
  return reshaped(in, {from[0], from[1] * from[2] * from[3]});
}

OnnxTensor reshape(const OnnxCall& call) {
  const OnnxArguments in(call, 2);
  in.done();
  in.expect_shape(1, {4});
  std::vector<int64_t> shape = in.values<int64_t>(1);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && i < in.shape(0).size()) {
      shape[i] = in.shape(0)[i];
    } else if (shape[i] < 1) {
      in.refuse("to an extent of {}, which is not supported", shape[i]);
    }
  }
  return reshaped(in, shape);
}

OnnxTensor gemm(const OnnxCall& call) {
  const OnnxArguments in(call, 3);
  in.done();
  in.expect_shape(0, {-1, -1});
  in.expect_shape(1, {in.shape(0)[1], -1});
  const int64_t rows = in.shape(0)[0];
  const int64_t inner = in.shape(0)[1];
  const int64_t columns = in.shape(1)[1];
  in.expect_shape(2, {columns});
  const auto& a = in.values<float>(0);
  const auto& b = in.values<float>(1);
  const auto& c = in.values<float>(2);
  in.spend(static_cast<double>(rows) * static_cast<double>(inner) * static_cast<double>(columns));
  auto y = in.make<float>({rows, columns});
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<double> sums(c.begin(), c.end());
    for (int64_t i = 0; i < inner; ++i) {
      const auto factor = static_cast<double>(a[row * inner + i]);
      const float* const from = &b[i * columns];
      for (int64_t k = 0; k < columns; ++k) sums[k] += factor * static_cast<double>(from[k]);
    }
    std::transform(sums.begin(), sums.end(), y.begin() + row * columns,
                   [](double sum) { return static_cast<float>(sum); });
  }
  return {{rows, columns}, std::move(y)};
}

OnnxTensor batch_normalization(const OnnxCall& call) {
  OnnxArguments in(call, 5);
  const double epsilon = in.real("epsilon");
  in.done();
  in.expect_shape(0, {-1, -1, -1, -1});
  const int64_t channels = in.shape(0)[1];
  for (size_t i = 1; i < 5; ++i) in.expect_shape(i, {channels});
  const auto& x = in.values<float>(0);
  const auto value = [&](size_t input, int64_t channel) {
    return static_cast<double>(in.values<float>(input)[channel]);
  };
  auto y = in.make<float>(in.shape(0));
  const int64_t pixels = in.shape(0)[2] * in.shape(0)[3];
  for (int64_t plane = 0; plane < in.shape(0)[0] * channels; ++plane) {
    const int64_t channel = plane % channels;
    const double scale = value(1, channel) / std::sqrt(value(4, channel) + epsilon);
    for (int64_t i = plane * pixels; i < (plane + 1) * pixels; ++i) {
      const double centred = static_cast<double>(x[i]) - value(3, channel);
      y[i] = static_cast<float>(centred * scale + value(2, channel));
    }
  }
  return {in.shape(0), std::move(y)};
}

/// To one number an image: what finish(sum, size) makes of the sum of term(number).
template <typename Term, typename Finish>
OnnxTensor reduce_images(const OnnxCall& call, Term term, Finish finish) {
  OnnxArguments in(call, 1);
  const std::vector<int64_t> axes = in.list("axes");
  const int64_t keeps = in.whole("keepdims");
  in.done();
  in.expect_shape(0, {-1, -1, -1, -1});
  if (axes != std::vector<int64_t>{1, 2, 3} || keeps != 0) {
    in.refuse("only over the axes 1, 2 and 3, without keepdims, is supported");
  }
  const std::vector<int64_t>& from = in.shape(0);
  const int64_t size = from[1] * from[2] * from[3];
  const auto& x = in.values<float>(0);
  auto y = in.make<float>({from[0]});
  for (int64_t n = 0; n < from[0]; ++n) {
    double sum = 0;
    for (int64_t i = n * size; i < (n + 1) * size; ++i) sum += term(static_cast<double>(x[i]));
    y[n] = static_cast<float>(finish(sum, static_cast<double>(size)));
  }
  return {{from[0]}, std::move(y)};
}

OnnxTensor reduce_mean(const OnnxCall& call) {
  return reduce_images(
      call, [](double x) { return x; }, [](double sum, double size) { return sum / size; });
}
OnnxTensor reduce_l1(const OnnxCall& call) {
  return reduce_images(
      call, [](double x) { return std::abs(x); }, [](double sum, double) { return sum; });
}

}  // namespace

OnnxOperator find_onnx_operator(const std::string& type) {
  static const std::map<std::string, OnnxOperator> kOperators = {
      {"Add", add},
      {"BatchNormalization", batch_normalization},
      {"Cast", cast},
      {"Conv", onnx_conv},
      {"ConvTranspose", onnx_conv_transpose},
      {"Div", div},
      {"Flatten", flatten},
      {"Gemm", gemm},
      {"GreaterOrEqual", greater_or_equal},
      {"LeakyRelu", leaky_relu},
      {"Max", max},
      {"Mul", mul},
      {"ReduceL1", reduce_l1},
      {"ReduceMean", reduce_mean},
      {"Reshape", reshape},
      {"Sigmoid", sigmoid},
      {"Sub", sub},
      {"Transpose", transpose},
  };
  const auto found = kOperators.find(type);
  return found == kOperators.end() ? nullptr : found->second;
}

}  // namespace oddity
