#include "engine/reference_network.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace oddity {
namespace {

using Values = std::vector<double>;

/// 3×3 convolution and its transpose connect the same pairs of pixels: of the large side (input of
/// the convolution, output of the transpose) and of the small one. Keras' 'same' padding: at stride
/// 2, on even extents, none before and one after; at stride 1 one on each side. Calls visit(large
/// pixel, small pixel, tap) for each pair, pixels counted over all images.
template <typename Visit>
void for_each_pair(int64_t images, const ImageShape& large, int64_t stride, Visit visit) {
  const int64_t before = stride == 1 ? 1 : 0;
  const int64_t height = large.height / stride;
  const int64_t width = large.width / stride;
  for (int64_t small = 0; small < images * height * width; ++small) {
    const int64_t n = small / (height * width);
    for (int64_t tap = 0; tap < 9; ++tap) {
      const int64_t y = small / width % height * stride + tap / 3 - before;
      const int64_t x = small % width * stride + tap % 3 - before;
      const bool inside = y >= 0 && y < large.height && x >= 0 && x < large.width;
      if (inside) visit((n * large.height + y) * large.width + x, small, tap);
    }
  }
}

/// `count` pixels of the bias.
Values filled(int64_t count, const Values& bias) {
  Values y;
  y.reserve(static_cast<size_t>(count) * bias.size());
  for (int64_t i = 0; i < count; ++i) y.insert(y.end(), bias.begin(), bias.end());
  return y;
}

/// y [n, height/stride, width/stride, out] of x [n, input], kernel [3, 3, in, out].
Values conv2d(const Values& x, const ImageShape& input, int64_t stride, const Values& kernel,
              const Values& bias) {
  const int64_t images = std::ssize(x) / input.size();
  const int64_t in = input.channels;
  const int64_t out = std::ssize(bias);
  Values y = filled(images * (input.height / stride) * (input.width / stride), bias);
  for_each_pair(images, input, stride, [&](int64_t large, int64_t small, int64_t tap) {
    for (int64_t i = 0; i < in; ++i) {
      const double from = x[large * in + i];
      const double* const k = &kernel[(tap * in + i) * out];
      for (int64_t o = 0; o < out; ++o) y[small * out + o] += from * k[o];
    }
  });
  return y;
}

/// y [n, output] of x [n, output.height/stride, output.width/stride, in], kernel [3, 3, out, in].
Values conv2d_transpose(const Values& x, const ImageShape& output, int64_t stride,
                        const Values& kernel, const Values& bias) {
  const int64_t out = output.channels;
  const int64_t in = std::ssize(kernel) / (9 * out);
  const int64_t small_size = output.height / stride * (output.width / stride) * in;
  const int64_t images = std::ssize(x) / small_size;
  Values y = filled(images * output.height * output.width, bias);
  for_each_pair(images, output, stride, [&](int64_t large, int64_t small, int64_t tap) {
    for (int64_t o = 0; o < out; ++o) {
      const double* const k = &kernel[(tap * out + o) * in];
      y[large * out + o] += std::inner_product(k, k + in, &x[small * in], 0.0);
    }
  });
  return y;
}

/// y [n, out] of x [n, in], kernel [in, out].
Values dense(const Values& x, const Values& kernel, const Values& bias) {
  const int64_t out = std::ssize(bias);
  const int64_t in = std::ssize(kernel) / out;
  const int64_t images = std::ssize(x) / in;
  Values y = filled(images, bias);
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t o = 0; o < out; ++o) y[n * out + o] += x[n * in + i] * kernel[i * out + o];
    }
  }
  return y;
}

/// Mean and biased variance of each of the channels of x [pixels, channels].
std::pair<Values, Values> moments(const Values& x, size_t channels) {
  const auto pixels = static_cast<double>(x.size()) / static_cast<double>(channels);
  Values mean(channels);
  Values variance(channels);
  for (size_t i = 0; i < x.size(); ++i) mean[i % channels] += x[i] / pixels;
  for (size_t i = 0; i < x.size(); ++i) {
    const double deviation = x[i] - mean[i % channels];
    variance[i % channels] += deviation * deviation / pixels;
  }
  return {mean, variance};
}

void normalize(Values& x, const std::pair<Values, Values>& moments, const Values& gamma,
               const Values& beta) {
  const auto& [mean, variance] = moments;
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = i % gamma.size();
    const double deviation = std::sqrt(variance[c] + static_cast<double>(kBatchNormEpsilon));
    x[i] = (x[i] - mean[c]) / deviation * gamma[c] + beta[c];
  }
}

}  // namespace

ReferenceNetwork::ReferenceNetwork(const Architecture& architecture, const Weights& weights)
    : architecture_(architecture), layers_(layers(architecture)) {
  check_weights(weights, architecture);
  for (const Tensor& tensor : weights.tensors()) {
    names_.push_back(tensor.name);
    tensors_.emplace_back(tensor.values.begin(), tensor.values.end());
  }
  encoder_layers_ =
      static_cast<size_t>(std::count_if(layers_.begin(), layers_.end(), [](const Layer& layer) {
        return layer.name.starts_with("encoder.");
      }));
}

const Values& ReferenceNetwork::tensor(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) throw Error("the weights hold no tensor {}", name);
  return tensors_[static_cast<size_t>(found - names_.begin())];
}

Values& ReferenceNetwork::tensor(const std::string& name) {
  return const_cast<Values&>(std::as_const(*this).tensor(name));
}

Values ReferenceNetwork::run(std::span<const Layer> layers, Values x, Mode mode) const {
  for (const Layer& layer : layers) {
    const auto of = [&](const char* role) -> const Values& { return tensor(layer.name + role); };
    switch (layer.kind) {
      case LayerKind::conv2d: {
        const auto in = std::ssize(of(".kernel")) / (9 * layer.output.channels);
        const ImageShape input{layer.output.height * layer.stride,
                               layer.output.width * layer.stride, in};
        x = conv2d(x, input, layer.stride, of(".kernel"), of(".bias"));
        break;
      }
      case LayerKind::conv2d_transpose:
        x = conv2d_transpose(x, layer.output, layer.stride, of(".kernel"), of(".bias"));
        break;
      case LayerKind::dense:
        x = dense(x, of(".kernel"), of(".bias"));
        break;
      case LayerKind::batch_norm: {
        const Values& gamma = of(".gamma");
        normalize(x,
                  mode == Mode::training ? moments(x, gamma.size())
                                         : std::pair(of(".moving_mean"), of(".moving_variance")),
                  gamma, of(".beta"));
        break;
      }
      case LayerKind::leaky_relu:
        for (double& value : x) {
          if (value <= 0) value *= static_cast<double>(kLeakyReluSlope);
        }
        break;
      case LayerKind::sigmoid:
        for (double& value : x) value = 1 / (1 + std::exp(-value));
        break;
      case LayerKind::flatten:
      case LayerKind::reshape:
        break;  // the same numbers in the same order
    }
  }
  return x;
}

Values ReferenceNetwork::errors(std::span<const double> images, Mode mode) const {
  const Values y = run(layers_, Values(images.begin(), images.end()), mode);
  const auto size = static_cast<size_t>(architecture_.image().size());
  Values errors(images.size() / size);
  for (size_t i = 0; i < images.size(); ++i) {
    errors[i / size] += (images[i] - y[i]) * (images[i] - y[i]) / static_cast<double>(size);
  }
  return errors;
}

Values ReferenceNetwork::encode(std::span<const double> images) const {
  return run(std::span(layers_).first(encoder_layers_), Values(images.begin(), images.end()),
             Mode::inference);
}

Values ReferenceNetwork::decode(std::span<const double> latent) const {
  return run(std::span(layers_).subspan(encoder_layers_), Values(latent.begin(), latent.end()),
             Mode::inference);
}

Values ReferenceNetwork::reconstruct(std::span<const double> images) const {
  return run(layers_, Values(images.begin(), images.end()), Mode::inference);
}

Values ReferenceNetwork::scores(std::span<const double> images) const {
  return errors(images, Mode::inference);
}

Values ReferenceNetwork::training_errors(std::span<const double> images) const {
  return errors(images, Mode::training);
}

double ReferenceNetwork::training_loss(std::span<const double> images) const {
  const Values all = training_errors(images);
  return std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
}

}  // namespace oddity
