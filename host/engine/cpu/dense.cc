#include "engine/cpu/dense.h"

#include <algorithm>

namespace oddity::cpu {
namespace {

// Features summed in one go: float32 sums of this length stay near rounding.
constexpr int64_t kChunk = 256;

int64_t chunks(const Plan& plan) { return (plan.features + kChunk - 1) / kChunk; }

}  // namespace

int64_t project_scratch(const Plan& plan, int64_t images) {
  return chunks(plan) * images * plan.latent();
}

void project(const Plan& plan, const Kernels& kernels, const float* features, int64_t images,
             const float* weights, const float* bias, float* scratch, float* latent) {
  // A dense layer is a convolution of one tap whose positions are images.
  ConvPass pass;
  pass.width = images;
  pass.in_step = plan.features;
  pass.out_step = plan.latent();
  ConvOperands operands;
  operands.in = features;
  operands.out = scratch;
  operands.out_vectors = plan.latent_vectors;
  operands.weights = weights;
  operands.block_inputs = plan.features;
  const int64_t part = images * plan.latent();
  for (int64_t first = 0; first < plan.features; first += kChunk) {
    pass.tap_input[0] = first;
    operands.in_channels = std::min(kChunk, plan.features - first);
    kernels.conv(pass, operands);
    operands.in += kChunk;
    operands.out += part;
  }
  for (int64_t i = 0; i < images; ++i) {
    float* out = latent + i * plan.latent();
    if (bias != nullptr) {
      std::copy_n(bias, plan.latent(), out);
    } else {
      std::fill_n(out, plan.latent(), 0.0f);
    }
    kernels.add_rows(scratch + i * plan.latent(), chunks(plan), part, plan.latent_vectors, out);
  }
}

void expand(const Plan& plan, const Kernels& kernels, const float* latent, int64_t images,
            const float* weights, const float* bias, const Grid& grid, float* out) {
  ConvPass pass;
  pass.width = images;
  pass.in_step = plan.latent();
  pass.out_step = grid.size();
  ConvOperands operands;
  operands.in = latent;
  operands.in_channels = plan.architecture.latent_dim;
  operands.block_inputs = operands.in_channels;
  operands.out_vectors = grid.channels / plan.lanes;
  for (int64_t pixel = 0; pixel < grid.pixels(); ++pixel) {
    operands.out =
        out + grid.origin() + pixel / grid.width * grid.row() + pixel % grid.width * grid.channels;
    operands.weights = weights + pixel * operands.in_channels * grid.channels;
    operands.bias = bias == nullptr ? nullptr : bias + pixel * grid.channels;
    kernels.conv(pass, operands);
  }
}

void dense_gradients(const Plan& plan, const Kernels& kernels, const DenseGradients& d,
                     int64_t pixel, float* gradient) {
  const int64_t latent_dim = plan.architecture.latent_dim;
  const int64_t channels = plan.encoded.channels;
  const int64_t vectors = channels / plan.lanes;
  const int64_t feature = pixel * channels;

  GradientPass pass;
  pass.width = d.images;
  pass.x_step = plan.latent();
  pass.g_step = plan.features;
  kernels.weight_gradient(pass, d.latent, d.feature_gradient + feature, latent_dim, vectors,
                          gradient + plan.dense2 + pixel * latent_dim * channels, latent_dim, 0,
                          Begin::from_zero);
  float* bias = gradient + plan.dense2_bias + feature;
  std::fill_n(bias, channels, 0.0f);
  kernels.add_rows(d.feature_gradient + feature, d.images, plan.features, vectors, bias);

  std::swap(pass.x_step, pass.g_step);
  kernels.weight_gradient(pass, d.features + feature, d.latent_gradient, channels,
                          plan.latent_vectors, gradient + plan.dense1, plan.features, feature,
                          Begin::from_zero);
  if (pixel == 0) {
    bias = gradient + plan.dense1_bias;
    std::fill_n(bias, plan.latent(), 0.0f);
    kernels.add_rows(d.latent_gradient, d.images, plan.latent(), plan.latent_vectors, bias);
  }
}

}  // namespace oddity::cpu
