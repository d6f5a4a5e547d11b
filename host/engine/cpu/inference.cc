#include "engine/cpu/inference.h"

#include <algorithm>
#include <cmath>

#include "data/variation.h"
#include "engine/cpu/dense.h"

namespace oddity::cpu {

void copy_inside(const float* image, const Grid& grid, float* bordered) {
  const int64_t row = grid.width * grid.channels;
  for (int64_t y = 0; y < grid.height; ++y) {
    std::copy_n(image + y * row, row, bordered + grid.origin() + y * grid.row());
  }
}

Inference::Inference(const Plan& plan, const Kernels& kernels, int threads, int64_t block_images)
    : plan_(plan), kernels_(kernels), block_images_(block_images), scratch_(threads) {
  for (const Stage& stage : plan.stages) {
    scale_.emplace_back(stage.out.channels);
    shift_.emplace_back(stage.out.channels);
    matrices_.emplace_back(stage.winograd ? winograd_matrices(kernels, stage, Direction::forward)
                                          : 0);
  }
  for (Scratch& scratch : scratch_) {
    for (size_t i = 0; i < plan.stages.size(); ++i) {
      scratch.in.emplace_back(i == plan.encoder_stages ? 0 : plan.group * plan.stages[i].in.size());
    }
    scratch.hidden = Buffer(block_images * plan.stages[plan.encoder_stages].in.size());
    // The last convolution reads three pixels behind the border (kernels.h).
    scratch.last_in = Buffer(plan.group * plan.last_in.size() + 3 * plan.last_in.channels);
    scratch.logits = Buffer(plan.architecture.image().size());
    scratch.pixels = Buffer(plan.architecture.image().size());
    scratch.output = Buffer(plan.architecture.image().size());
    scratch.blurred =
        Buffer(4 * blurred_error_pitch(plan.architecture.width, plan.architecture.depth));
    scratch.features = Buffer(block_images * plan.features);
    scratch.latent = Buffer(block_images * plan.latent());
    scratch.projection = Buffer(project_scratch(plan, block_images));
    scratch.winograd = WinogradScratch(plan);
  }
}

void Inference::load(const float* parameters, const float* moving) {
  parameters_ = parameters;
  for (size_t i = 0; i < plan_.stages.size(); ++i) {
    const Stage& stage = plan_.stages[i];
    if (stage.winograd) {
      winograd_weights(kernels_, stage, Direction::forward, parameters + stage.kernel,
                       matrices_[i].get());
    }
    for (int64_t c = 0; c < stage.out_channels; ++c) {
      const double mean = static_cast<double>(moving[stage.moving + c]);
      const double variance = static_cast<double>(moving[stage.moving + stage.out.channels + c]);
      const double scale = static_cast<double>(parameters[stage.gamma + c]) /
                           std::sqrt(variance + static_cast<double>(kBatchNormEpsilon));
      scale_[i].get()[c] = static_cast<float>(scale);
      shift_[i].get()[c] =
          static_cast<float>(static_cast<double>(parameters[stage.beta + c]) - mean * scale);
    }
  }
}

void Inference::run_stage(size_t index, int64_t images, const float* in, float* out,
                          WinogradScratch& winograd) const {
  const Stage& stage = plan_.stages[index];
  ConvOperands operands;
  operands.in = in;
  operands.in_image = stage.in.size();
  operands.out = out;
  operands.out_image = index + 1 == plan_.stages.size()    ? plan_.last_in.size()
                       : index + 1 == plan_.encoder_stages ? plan_.features
                                                           : plan_.stages[index + 1].in.size();
  operands.images = images;
  operands.in_channels = stage.in_channels;
  operands.out_vectors = stage.out_vectors;
  operands.weights = parameters_ + stage.kernel;
  operands.block_inputs = 9 * stage.in_channels;
  operands.bias = parameters_ + stage.bias;
  operands.scale = scale_[index].get();
  operands.shift = shift_[index].get();
  operands.slope = kLeakyReluSlope;
  if (stage.winograd) {
    operands.weights = matrices_[index].get();
    operands.block_inputs = winograd_inputs(stage.in_channels);
    winograd_conv(kernels_, stage.kind, stage.in, stage.next, operands, winograd);
    return;
  }
  for (const ConvPass& pass : stage.inference) kernels_.conv(pass, operands);
}

void Inference::encode(int thread, const Selection& images, int64_t n, float* latent) {
  Scratch& scratch = scratch_[thread];
  for (int64_t first = 0; first < n; first += plan_.group) {
    const int64_t count = std::min(plan_.group, n - first);
    for (int64_t i = 0; i < count; ++i) {
      const Grid& grid = plan_.stages[0].in;
      to_float(images.images, images[static_cast<size_t>(first + i)], scratch.pixels.get());
      copy_inside(scratch.pixels.get(), grid, scratch.in[0].get() + i * grid.size());
    }
    for (size_t stage = 0; stage < plan_.encoder_stages; ++stage) {
      float* out = stage + 1 == plan_.encoder_stages
                       ? scratch.features.get() + first * plan_.features
                       : scratch.in[stage + 1].get();
      run_stage(stage, count, scratch.in[stage].get(), out, scratch.winograd);
    }
  }
  project(plan_, kernels_, scratch.features.get(), n, parameters_ + plan_.dense1,
          parameters_ + plan_.dense1_bias, scratch.projection.get(), latent);
}

void Inference::decode(int thread, const float* latent, int64_t n, const Selection* images,
                       const ScoreRule& rule, float* scores, float* reconstruction) {
  Scratch& scratch = scratch_[thread];
  const size_t first_stage = plan_.encoder_stages;
  const Grid& hidden = plan_.stages[first_stage].in;
  const int64_t image_size = plan_.architecture.image().size();
  expand(plan_, kernels_, latent, n, parameters_ + plan_.dense2, parameters_ + plan_.dense2_bias,
         hidden, scratch.hidden.get());
  const Pixels last = inside_of(plan_.last_in, plan_.last_vectors);
  for (int64_t first = 0; first < n; first += plan_.group) {
    const int64_t count = std::min(plan_.group, n - first);
    for (size_t stage = first_stage; stage < plan_.stages.size(); ++stage) {
      const float* in = stage == first_stage ? scratch.hidden.get() + first * hidden.size()
                                             : scratch.in[stage].get();
      float* out =
          stage + 1 == plan_.stages.size() ? scratch.last_in.get() : scratch.in[stage + 1].get();
      run_stage(stage, count, in, out, scratch.winograd);
    }
    for (int64_t i = 0; i < count; ++i) {
      kernels_.conv_to_pixels(last, scratch.last_in.get() + i * plan_.last_in.size(),
                              parameters_ + plan_.last_kernel, parameters_ + plan_.last_bias,
                              plan_.architecture.depth, scratch.logits.get());
      // Without images to compare with, the error is that of the last ones seen, and unused.
      if (images != nullptr) {
        to_float(images->images, (*images)[static_cast<size_t>(first + i)], scratch.pixels.get());
      }
      const bool robust = scores != nullptr && rule.kind == ScoreKind::robust;
      float* const output = reconstruction != nullptr ? reconstruction + (first + i) * image_size
                            : robust                  ? scratch.output.get()
                                                      : nullptr;
      const float mse = kernels_.reconstruction_error(scratch.logits.get(), scratch.pixels.get(),
                                                      image_size, output);
      if (scores != nullptr) scores[first + i] = robust ? robust_score(scratch, output, rule) : mse;
    }
  }
}

float Inference::robust_score(Scratch& scratch, const float* output, const ScoreRule& rule) const {
  const ImageShape& shape = plan_.architecture.image();
  const float* const x = scratch.pixels.get();
  const float error = kernels_.blurred_error(output, x, shape.height, shape.width, shape.channels,
                                             scratch.blurred.get());
  const double variation = total_variation({x, static_cast<size_t>(shape.size())}, shape);
  return static_cast<float>(static_cast<double>(error) / std::max(variation, rule.variation_floor));
}

void Inference::score(int thread, const Selection& images, int64_t n, const ScoreRule& rule,
                      float* scores, float* reconstruction) {
  float* latent = scratch_[thread].latent.get();
  encode(thread, images, n, latent);
  decode(thread, latent, n, &images, rule, scores, reconstruction);
}

}  // namespace oddity::cpu
