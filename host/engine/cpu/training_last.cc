// The last layer of a training step: logits and losses, its own gradients, and what they are to the
// last stage. Its input is the largest map of all and never written down: where it is needed it is
// made anew from the activation before, a band of rows at a time.
#include <algorithm>

#include "engine/cpu/training.h"

namespace oddity::cpu {

void Training::last_logits(int64_t image, Scratch& scratch) {
  const float* const weights = parameters_->weights.get();
  const Grid& in = plan_.last_in;
  const size_t stage = plan_.stages.size() - 1;
  const float* const a = activation(stage, image);
  float* const logits = logits_.get() + image * plan_.architecture.image().size();
  float* const band = scratch.last_in.get();  // rows y − 1 … y + count of the bordered input
  std::fill_n(band, in.row(), 0.0f);
  int64_t made = 1;  // rows of the band
  for (int64_t y = 0; y < in.height; y += plan_.band) {
    const int64_t count = std::min(plan_.band, in.height - y);
    const int64_t first = y - 1 + made;
    const int64_t end = std::min(y + count + 1, in.height);
    kernels_.affine({end - first, in.width, plan_.last_vectors, in.row()},
                    a + first * plan_.stages[stage].out.row(), scale(stage), shift(stage),
                    band + made * in.row() + in.left * in.channels);
    if (y + count == in.height) std::fill_n(band + (count + 1) * in.row(), in.row(), 0.0f);
    kernels_.conv_to_pixels({count, in.width, plan_.last_vectors, in.row()}, band,
                            weights + plan_.last_kernel, weights + plan_.last_bias,
                            plan_.architecture.depth,
                            logits + y * in.width * plan_.architecture.depth);
    std::copy_n(band + count * in.row(), 2 * in.row(), band);
    made = 2;
  }
}

/// The gradient of rows [row, row + rows) of the last stage's output, to scratch.last_gradient
/// without border.
void Training::last_output_gradient(int64_t image, int64_t row, int64_t rows,
                                    Scratch& scratch) const {
  const Grid& delta = plan_.last_delta;
  ConvOperands back;
  back.in = last_delta_.get() + image * delta.size() + row * delta.row();
  back.in_channels = plan_.architecture.depth;
  back.out = scratch.last_gradient.get();
  back.out_vectors = plan_.last_vectors;
  back.weights = parameters_->weights.get() + plan_.last_kernel;
  back.block_inputs = 9 * plan_.architecture.depth;
  ConvPass pass = plan_.last_data_gradient;
  pass.rows = rows;
  kernels_.conv(pass, back);
}

/// Adds to scratch.window_sums [(tap, depth)] the logits' gradients of an image that each tap sees.
void Training::add_window_sums(const float* inside, Scratch& scratch) const {
  const Grid& delta = plan_.last_delta;
  const int64_t depth = plan_.architecture.depth;
  double* const sums = scratch.window_sums.data();
  for (int64_t y = 0; y < delta.height; ++y) {
    for (int64_t d = 0; d < depth; ++d) {
      const float* const row = inside + y * delta.row() + d;
      double sum = 0;
      for (int64_t x = 0; x < delta.width; ++x) sum += static_cast<double>(row[x * depth]);
      // Tap (ky, kx) of pixel (y, x) sees (y + ky − 1, x + kx − 1): it never comes to the last row
      // where ky is 0, and never to the first where it is 2; columns are the same.
      const double first = static_cast<double>(row[0]);
      const double last = static_cast<double>(row[(delta.width - 1) * depth]);
      for (int64_t ky = 0; ky < 3; ++ky) {
        if (ky == 0 && y == delta.height - 1) continue;
        if (ky == 2 && y == 0) continue;
        double* const taps = sums + ky * 3 * depth + d;
        taps[0] += sum - last;
        taps[depth] += sum;
        taps[2 * depth] += sum - first;
      }
    }
  }
}

/// Adds to scratch.window_products, packed as the last layer's weights, Σ logits' gradient that the
/// tap sees · (a − mean).
void Training::add_window_products(int64_t image, Scratch& scratch) const {
  const size_t index = plan_.stages.size() - 1;
  const Grid& in = plan_.stages[index].out;
  const Grid& delta = plan_.last_delta;
  const auto numbers = std::ssize(scratch.window_products);
  const int64_t rows = std::max<int64_t>(1, kFloatPositions / in.width);
  GradientPass window;
  window.width = in.width;
  window.x_row = delta.row();
  window.x_step = delta.channels;
  window.g_row = in.row();
  window.g_step = in.channels;
  float* const products = scratch.window.get();
  for (int64_t y = 0; y < in.height; y += rows) {
    window.rows = std::min(rows, in.height - y);
    std::fill_n(products, numbers, 0.0f);
    kernels_.window_gradient(window, delta.row(),
                             last_delta_.get() + image * delta.size() + y * delta.row(),
                             activation(index, image) + y * in.row(), stages_[index].mean.get(),
                             delta.channels, plan_.last_vectors, products);
    for (int64_t i = 0; i < numbers; ++i) {
      scratch.window_products[static_cast<size_t>(i)] += static_cast<double>(products[i]);
    }
  }
}

void Training::last(const Block& block, int thread) {
  Scratch& scratch = scratch_[static_cast<size_t>(thread)];
  const Grid& delta = plan_.last_delta;
  const int64_t depth = plan_.architecture.depth;
  std::fill(scratch.window_sums.begin(), scratch.window_sums.end(), 0.0);
  std::fill(scratch.window_products.begin(), scratch.window_products.end(), 0.0);
  for (int64_t i = block.begin; i < block.end; ++i) {
    const int64_t image = i * plan_.architecture.image().size();
    if (!trimmed_) last_logits(i, scratch);  // else they are there
    float* const inside = last_delta_.get() + i * delta.size() + delta.origin();
    losses_[static_cast<size_t>(i)] = kernels_.reconstruction_gradient(
        logits_.get() + image, pixels_.get() + image, delta.height, delta.width * depth,
        shares_[static_cast<size_t>(i)], inside, delta.row());
    add_window_sums(inside, scratch);
    add_window_products(i, scratch);
  }

  // The layer's input is x = scale · (a − mean) + beta, and the gradient of x is Σ over taps of
  // weight · gradient that the tap sees: so both the layer's own gradients and what its stage's
  // batch normalisation wants, Σ dx and Σ dx · (a − mean), follow from the two sums.
  const Stage& stage = plan_.stages.back();
  StageState& state = stages_.back();
  const float* const weights = parameters_->weights.get();
  const float* const kernel = weights + plan_.last_kernel;
  float* const gradient = part_gradient(block.index);
  double* const sums = state.sums.data() + block.index * 2 * stage.out.channels;
  std::fill_n(sums, 2 * stage.out.channels, 0.0);
  int64_t at = 0;  // in the packed weights
  for (int64_t vector = 0; vector < plan_.last_vectors; vector += 2) {
    const int64_t lanes = std::min<int64_t>(2, plan_.last_vectors - vector) * plan_.lanes;
    for (int64_t input = 0; input < 9 * depth; ++input) {
      const double seen = scratch.window_sums[static_cast<size_t>(input)];
      for (int64_t lane = 0; lane < lanes; ++lane, ++at) {
        const int64_t c = vector * plan_.lanes + lane;
        const double product = scratch.window_products[static_cast<size_t>(at)];
        const auto weight = static_cast<double>(kernel[at]);
        sums[c] += weight * seen;
        sums[stage.out.channels + c] += weight * product;
        gradient[plan_.last_kernel + at] =
            static_cast<float>(static_cast<double>(state.scale.get()[c]) * product +
                               static_cast<double>(weights[stage.beta + c]) * seen);
      }
    }
  }
  for (int64_t d = 0; d < depth; ++d) {
    // The middle tap sees every pixel.
    gradient[plan_.last_bias + d] =
        static_cast<float>(scratch.window_sums[static_cast<size_t>(4 * depth + d)]);
  }
}

}  // namespace oddity::cpu
