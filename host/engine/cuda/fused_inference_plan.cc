#include "engine/cuda/fused_inference_plan.h"

#include <fmt/format.h>

#include "engine/cuda/flop.h"
#include "slices.h"

namespace oddity::cuda {
namespace {

std::vector<MemoryRange> joined(std::vector<MemoryRange> some,
                                const std::vector<MemoryRange>& others) {
  some.insert(some.end(), others.begin(), others.end());
  return some;
}

/// What a map's reader takes of its statistics.
MemoryRange scale_and_shift(const kernels::NormalisedMap& map) {
  static_assert(kernels::kShift == kernels::kScale + 1);
  return {map.statistics + kernels::kScale * map.channels, int64_t{2} * map.channels};
}

}  // namespace

int64_t statistics_place(const Plan& plan, size_t stage) {
  constexpr int64_t kAlignment = 64;  // each begin at 256 bytes
  int64_t place = 0;
  for (size_t i = 0; i < stage; ++i) {
    const int64_t size = kernels::kStatistics * plan.stages[i].out_channels;
    place += (size + kAlignment - 1) / kAlignment * kAlignment;
  }
  return place;
}

int64_t error_parts(const Plan& plan) {
  return kernels::decoder_tail_regions(plan.stages[tail_stage(plan)].convolution,
                                       plan.stages.back().out_channels);
}

kernels::NormalisedMap InferenceLaunches::normalised(size_t stage, const float* x) const {
  kernels::NormalisedMap map;
  map.x = x;
  map.channels = static_cast<int>(plan_.stages[stage].out_channels);
  map.normalisation = kernels::Normalisation::statistics;
  map.statistics = memory_.statistics + statistics_place(plan_, stage);
  return map;
}

kernels::NormalisedMap InferenceLaunches::input(size_t stage, const float* x) const {
  kernels::NormalisedMap map = normalised(stage - 1, x);
  if (stage == plan_.encoder_stages) map.normalisation = kernels::Normalisation::none;  // hidden()
  return map;
}

InferenceLaunches::Ranges InferenceLaunches::pixels() const {
  // They lie anywhere in the set; nobody writes there, so that only how many they are matters.
  Ranges ranges = {{static_cast<const std::byte*>(pixels_.pixels),
                    count_ * plan_.image * kernels::bytes_of(pixels_.type)}};
  if (pixels_.positions != nullptr) ranges.push_back({pixels_.positions, count_});
  return ranges;
}

InferenceLaunches::Ranges InferenceLaunches::layer(size_t stage) const {
  const Stage& of = plan_.stages[stage];
  return {{weight(of.kernel), of.convolution.filters * 9 * of.convolution.channels},
          {weight(of.bias), of.out_channels}};
}

InferenceLaunches::Ranges InferenceLaunches::map(const kernels::NormalisedMap& x,
                                                 int64_t numbers) const {
  if (x.normalisation == kernels::Normalisation::none) return {{x.x, count_ * numbers}};
  return {{x.x, count_ * numbers}, scale_and_shift(x)};
}

float* InferenceLaunches::activation(size_t index, const float* x) {
  const Stage& stage = plan_.stages[index];
  const float* const w = weight(stage.kernel);
  const kernels::PlainOutput y{other_map(x), weight(stage.bias)};
  const Ranges writes = {{y.y, count_ * stage.out}};
  const kernels::Conv2dShape of = stage.shape(count_);
  if (index == 0) {
    launches_.add(stage.name, products_flop(of), joined(layer(index), pixels()), writes,
                  [=, from = pixels_](cudaStream_t stream) {
                    kernels::conv2d_stage(stream, of, from, w, y);
                  });
    return y.y;
  }
  const kernels::NormalisedMap from = input(index, x);
  launches_.add(
      stage.name, products_flop(of), joined(layer(index), map(from, stage.in)), writes,
      [=, transposed = stage.kind == OperationKind::conv2d_transpose](cudaStream_t stream) {
        if (transposed) {
          kernels::conv2d_transpose_stage(stream, of, from, w, y);
        } else {
          kernels::conv2d_stage(stream, of, from, w, y);
        }
      });
  return y.y;
}

void InferenceLaunches::encode() {
  const float* x = nullptr;
  for (size_t i = 0; i < plan_.encoder_stages; ++i) x = activation(i, x);
  const kernels::DenseShape shape{count_, plan_.features, plan_.latent};
  const int64_t slices = kernels::dense_slices(shape);
  const MemoryRange bias{weight(plan_.dense1_bias), plan_.latent};
  const MemoryRange latent{memory_.latent, count_ * plan_.latent};
  const MemoryRange parts{memory_.workspace, kernels::dense_workspace(shape)};
  const kernels::NormalisedMap from = normalised(plan_.encoder_stages - 1, x);
  Ranges reads =
      joined({{weight(plan_.dense1), plan_.features * plan_.latent}}, map(from, plan_.features));
  if (slices == 1) reads.push_back(bias);
  launches_.add("encoder.dense1", products_flop(shape), reads, {slices > 1 ? parts : latent},
                [=, w = weight(plan_.dense1), b = weight(plan_.dense1_bias),
                 y = slices > 1 ? memory_.workspace : memory_.latent](cudaStream_t stream) {
                  kernels::dense_parts(stream, shape, from, w, b, y);
                });
  if (slices == 1) return;
  launches_.add("encoder.dense1 sum", 0, {parts, bias}, {latent},
                [=, from = memory_.workspace, b = weight(plan_.dense1_bias),
                 y = memory_.latent](cudaStream_t stream) {
                  kernels::sum_slices(stream, slices, shape.images, shape.outputs, from, b, y);
                });
}

float* InferenceLaunches::hidden() {
  const kernels::DenseShape shape{count_, plan_.latent, plan_.features};
  float* const y = other_map(nullptr);
  launches_.add("decoder.dense1", products_flop(shape),
                {{weight(plan_.dense2), plan_.features * plan_.latent},
                 {weight(plan_.dense2_bias), plan_.features},
                 {memory_.latent, count_ * plan_.latent}},
                {{y, count_ * plan_.features}},
                [=, x = memory_.latent, w = weight(plan_.dense2), b = weight(plan_.dense2_bias)](
                    cudaStream_t stream) { kernels::dense_whole(stream, shape, x, w, b, y); });
  return y;
}

const float* InferenceLaunches::tail_input() {
  const float* x = hidden();
  for (size_t i = plan_.encoder_stages; i < tail_stage(plan_); ++i) x = activation(i, x);
  return x;
}

void InferenceLaunches::tail(const float* x, kernels::TailResult result, float* to) {
  const size_t index = tail_stage(plan_);
  const Stage& stage = plan_.stages[index];
  const Stage& last = plan_.stages.back();
  const kernels::NormalisedMap from = input(index, x);
  const kernels::NormalisedMap made = normalised(index, nullptr);  // in registers
  Ranges reads = joined(joined(layer(index), layer(index + 1)), map(from, stage.in));
  reads.push_back(scale_and_shift(made));
  const bool compares = result != kernels::TailResult::reconstructions;
  if (compares) reads = joined(reads, pixels());
  const bool errors = result == kernels::TailResult::errors;
  const int64_t numbers = errors ? error_parts(plan_) : plan_.image;
  const kernels::DecoderTail layers{.stage = stage.shape(count_),
                                    .w = weight(stage.kernel),
                                    .bias = weight(stage.bias),
                                    .statistics = made.statistics,
                                    .channels = static_cast<int>(last.out_channels),
                                    .last_w = weight(last.kernel),
                                    .last_bias = weight(last.bias)};
  launches_.add(fmt::format("{} to {}", stage.name,
                            errors     ? "errors"
                            : compares ? "squares"
                                       : "pixels"),
                products_flop(stage.shape(count_)) + products_flop(last.shape(count_)), reads,
                {{to, count_ * numbers}}, [=, images = pixels_](cudaStream_t stream) {
                  kernels::decoder_tail(stream, layers, from, images, result, to);
                });
}

float* InferenceLaunches::decode(kernels::TailResult result) {
  const float* const x = tail_input();
  float* const y = other_map(x);
  tail(x, result, y);
  return y;
}

void InferenceLaunches::score(float* errors) {
  encode();
  const float* const x = tail_input();
  const int64_t parts = error_parts(plan_);
  if (parts == 1) return tail(x, kernels::TailResult::errors, errors);
  tail(x, kernels::TailResult::errors, memory_.error_parts);
  launches_.add("sum of errors", 0, {{memory_.error_parts, parts * count_}}, {{errors, count_}},
                [=, images = count_, from = memory_.error_parts](cudaStream_t stream) {
                  kernels::sum_slices(stream, parts, images, /*columns=*/1, from, nullptr, errors);
                });
}

}  // namespace oddity::cuda
