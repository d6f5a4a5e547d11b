#include "engine/cuda/fused_plan.h"

namespace oddity::cuda {

std::vector<kernels::UpdatePart> fused_updates(const Plan& plan, const FusedMemory& memory) {
  using kernels::Update;
  using kernels::UpdateKind;
  std::vector<Update> updates;
  // A gradient that lies in slices, one behind the other.
  const auto weights = [&](int64_t target, int64_t count, const float* source, int64_t slices) {
    updates.push_back({.kind = UpdateKind::weights,
                       .target = target,
                       .count = count,
                       .source = source,
                       .stride = count,
                       .slices = static_cast<int>(slices)});
  };
  for (size_t i = 0; i < memory.stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    const FusedStage& made = memory.stages[i];
    weights(stage.kernel, made.weights(), made.weight_parts, made.slices);
    if (!stage.normalized) {
      weights(stage.bias, made.channels, memory.last.bias_parts, memory.last_blocks);
      continue;
    }
    Update sums{.kind = UpdateKind::bias,
                .target = stage.bias,
                .count = made.channels,
                .source = made.sums.parts,
                .stride = int64_t{kernels::kGradientSums} * made.channels,
                .slices = made.sums.blocks,
                .statistics = made.statistics,
                .rows = made.rows};
    updates.push_back(sums);
    sums.kind = UpdateKind::weights;
    sums.target = stage.beta;
    sums.source = made.sums.parts + kernels::kDy * made.channels;
    updates.push_back(sums);
    sums.target = stage.gamma;
    sums.source = made.sums.parts + kernels::kDyZ * made.channels;
    updates.push_back(sums);
    const auto moving = [&](int64_t target, kernels::Statistic statistic) {
      updates.push_back({.kind = UpdateKind::moving,
                         .target = target,
                         .count = made.channels,
                         .source = made.statistics + statistic * made.channels});
    };
    moving(stage.moving_mean, kernels::kMean);
    moving(stage.moving_variance, kernels::kVariance);
  }
  // The gradient of a dense layer's bias is that of its output, summed over the images.
  const int64_t images = memory.dense1.images;
  weights(plan.dense1, plan.features * plan.latent, memory.dense1_gradient, 1);
  weights(plan.dense1_bias, plan.latent, memory.latent_gradient, images);
  weights(plan.dense2, plan.features * plan.latent, memory.dense2_gradient, 1);
  weights(plan.dense2_bias, plan.features, memory.hidden_gradient, images);
  return kernels::cut_updates(updates);
}

}  // namespace oddity::cuda
