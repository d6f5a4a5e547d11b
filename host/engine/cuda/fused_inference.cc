#include "engine/cuda/fused_inference.h"

#include "engine/cuda/trace.h"

namespace oddity::cuda {

FusedInference::FusedInference(const Plan& plan, cudaStream_t stream, int64_t max_images)
    : Inference(plan, stream, max_images, /*others=*/0),
      statistics_(statistics_place(plan, tail_stage(plan) + 1), "the folded batch normalisation"),
      workspace_(kernels::dense_workspace({block_images(), plan.features, plan.latent}),
                 "the workspace of inference") {
  const int64_t parts = error_parts(plan);
  if (parts > 1) parts_ = {block_images() * parts, "the errors of a block of images"};
  float* const map = other_map(nullptr);
  memory_ = {.statistics = statistics_.data(),
             .maps = {map, other_map(map)},
             .latent = latent(),
             .error_parts = parts_.data(),
             .workspace = workspace_.data()};
}

void FusedInference::load(const NetworkState& state) {
  keep(state);
  memory_.parameters = state.parameters.data();
  for (size_t i = 0; i <= tail_stage(plan()); ++i) {
    const Stage& stage = plan().stages[i];
    fold(stage, statistics(i) + kernels::kScale * stage.out_channels,
         statistics(i) + kernels::kShift * stage.out_channels);
  }
}

void FusedInference::take_images(const PixelSource& images, const uint32_t* positions,
                                 int64_t first, int64_t /*count*/) {
  pixels_ = {.type = images.type, .pixels = images.pixels};
  if (positions != nullptr) {
    pixels_.positions = positions + first;
  } else {
    pixels_.pixels = static_cast<const std::byte*>(images.pixels) +
                     first * plan().image * kernels::bytes_of(images.type);
  }
}

template <typename Add>
float* FusedInference::run(int64_t count, Add&& add) {
  InferenceLaunches launches(plan(), memory_, pixels_, count);
  float* const result = add(launches);
  launches.plan().enqueue(stream());
  return result;
}

float* FusedInference::activation(size_t stage, int64_t count, const float* x) {
  return run(count, [&](InferenceLaunches& launches) { return launches.activation(stage, x); });
}

float* FusedInference::hidden(int64_t count) {
  return run(count, [](InferenceLaunches& launches) { return launches.hidden(); });
}

float* FusedInference::encode(int64_t count) {
  const TraceRange range("encode");
  return run(count, [&](InferenceLaunches& launches) {
    launches.encode();
    return latent();
  });
}

float* FusedInference::decode(int64_t count) {
  const TraceRange range("decode");
  return run(count, [](InferenceLaunches& launches) {
    return launches.decode(kernels::TailResult::reconstructions);
  });
}

float* FusedInference::pixel_errors(int64_t count) {
  const TraceRange range("decode");
  return run(count, [](InferenceLaunches& launches) {
    return launches.decode(kernels::TailResult::squared_differences);
  });
}

void FusedInference::score(int64_t count, float* errors) {
  run(count, [&](InferenceLaunches& launches) {
    launches.score(errors);
    return errors;
  });
}

}  // namespace oddity::cuda
