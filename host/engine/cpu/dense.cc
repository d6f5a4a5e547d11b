#include "engine/cpu/dense.h"

namespace oddity::cpu {

int64_t project_scratch(const Plan& plan, int64_t images) {
  return images * plan.architecture.latent_dim * plan.lanes;
}

void project(const Plan& plan, const Kernels& kernels, const float* features, int64_t images,
             const float* weights, const float* bias, float* scratch, float* latent) {
  Projection projection;
  projection.in = features;
  projection.in_image = plan.features;
  projection.images = images;
  projection.pixels = plan.encoded.pixels();
  projection.vectors = plan.encoded.channels / plan.lanes;
  projection.weights = weights;
  projection.outputs = plan.architecture.latent_dim;
  projection.bias = bias;
  projection.out = latent;
  projection.out_image = plan.latent();
  kernels.project(projection, scratch);
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
    operands.weights = weights + pixel * plan.pixel_weights();
    operands.bias = bias == nullptr ? nullptr : bias + pixel * grid.channels;
    kernels.conv(pass, operands);
  }
}

void dense_gradient(const Plan& plan, const Kernels& kernels, const float* latent,
                    const float* features, int64_t images, int64_t pixel, float* gradient) {
  const int64_t channels = plan.encoded.channels, latent_dim = plan.architecture.latent_dim;
  GradientPass pass;
  pass.width = images;
  pass.x_step = plan.latent();
  pass.g_step = plan.features;
  kernels.weight_gradient(pass, latent, features + pixel * channels, latent_dim,
                          channels / plan.lanes, gradient, latent_dim, 0, Begin::from_zero);
}

}  // namespace oddity::cpu
