#include "engine/cuda/inference.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/cuda/fused_inference.h"
#include "engine/cuda/fused_scorer.h"
#include "engine/cuda/fused_step.h"
#include "engine/cuda/layered_inference.h"
#include "robust_error.h"

namespace oddity::cuda {
namespace {

// Of the two largest maps and what else there is. The number of images decides which plans a
// library chooses: it may depend on the architecture, not on what memory happens to be free.
constexpr int64_t kActivationBytes = int64_t{1} << 30;

}  // namespace

int64_t images_a_block(const Plan& plan, int64_t max_images, int64_t others) {
  const int64_t bytes = (2 * plan.largest_map + others) * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kActivationBytes / bytes, 1, max_images);
}

Inference::Inference(const Plan& plan, cudaStream_t stream, int64_t max_images, int64_t others)
    : plan_(plan),
      stream_(stream),
      block_images_(images_a_block(plan, max_images, others)),
      latent_(block_images_ * plan.latent, "a block of latent vectors") {
  for (auto& map : maps_) {
    map = DeviceBuffer<float>(block_images_ * plan.largest_map, "the activations of inference");
  }
}

void Inference::fold(const Stage& stage, float* scale, float* shift) const {
  const float* const moving = state_->moving.data();
  kernels::batch_norm_fold(stream_, stage.out_channels, weight(stage.gamma), weight(stage.beta),
                           moving + stage.moving_mean, moving + stage.moving_variance, scale,
                           shift);
}

std::unique_ptr<Inference> make_inference(const Plan& plan, Planner& planner, cudaStream_t stream,
                                          int64_t max_images) {
  if (planner.fuses() && FusedStep::fits(plan)) {
    return std::make_unique<FusedInference>(plan, stream, max_images);
  }
  return std::make_unique<LayeredInference>(plan, planner, stream, max_images);
}

std::string scoring_rule(const Planner& planner) {
  if (!planner.fuses()) return fmt::format("{}; others layer by layer", kFusedScorerRule);
  return fmt::format("{}; others in fused launches, with more than {} channels layer by layer",
                     kFusedScorerRule, kernels::kMostStageChannels);
}

void Inference::robust_score(int64_t count, float variation_floor, float* errors) {
  encode(count);
  const kernels::Conv2dShape& image = plan_.stages.back().convolution;
  kernels::robust_errors(stream_, count, image.height, image.width, image.channels, decode(count),
                         taken(), variation_floor, errors);
}

}  // namespace oddity::cuda
