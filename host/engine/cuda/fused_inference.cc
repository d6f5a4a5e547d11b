#include "engine/cuda/fused_inference.h"

#include "decoder_tail.h"
#include "engine/cuda/trace.h"
#include "slices.h"

namespace oddity::cuda {
namespace {

/// Floats of a stage's statistics; each begin at 256 bytes.
int64_t statistics_size(const Stage& stage) {
  constexpr int64_t kAlignment = 64;
  const int64_t size = kernels::kStatistics * stage.out_channels;
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

FusedInference::FusedInference(const Plan& plan, cudaStream_t stream, int64_t max_images)
    : Inference(plan, stream, max_images, /*others=*/0), tail_(plan.stages.size() - 2) {
  int64_t size = 0;
  for (size_t i = 0; i <= tail_; ++i) {
    places_.push_back(size);
    size += statistics_size(plan.stages[i]);
  }
  statistics_ = {size, "the folded batch normalisation"};
  const int64_t regions = error_parts();
  if (regions > 1) parts_ = {block_images() * regions, "the errors of a block of images"};
  workspace_ = {kernels::dense_workspace({block_images(), plan.features, plan.latent}),
                "the workspace of inference"};
}

void FusedInference::load(const NetworkState& state) {
  keep(state);
  for (size_t i = 0; i <= tail_; ++i) {
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

kernels::Conv2dShape FusedInference::shape(size_t stage, int64_t count) const {
  kernels::Conv2dShape shape = plan().stages[stage].convolution;
  shape.images = count;
  return shape;
}

kernels::NormalisedMap FusedInference::normalised(size_t stage, const float* x) const {
  kernels::NormalisedMap map;
  map.x = x;
  map.channels = static_cast<int>(plan().stages[stage].out_channels);
  map.normalisation = kernels::Normalisation::statistics;
  map.statistics = statistics(stage);
  return map;
}

kernels::NormalisedMap FusedInference::input(size_t stage, const float* x) const {
  kernels::NormalisedMap map = normalised(stage - 1, x);
  if (stage == plan().encoder_stages) map.normalisation = kernels::Normalisation::none;  // hidden()
  return map;
}

int64_t FusedInference::error_parts() const {
  return kernels::decoder_tail_regions(plan().stages[tail_].convolution,
                                       plan().stages[tail_ + 1].out_channels);
}

float* FusedInference::activation(size_t index, int64_t count, const float* x) {
  const Stage& stage = plan().stages[index];
  const float* const w = weight(stage.kernel);
  const kernels::PlainOutput y{other_map(x), weight(stage.bias)};
  if (index == 0) {
    kernels::conv2d_stage(stream(), shape(index, count), pixels_, w, y);
  } else if (stage.kind == OperationKind::conv2d) {
    kernels::conv2d_stage(stream(), shape(index, count), input(index, x), w, y);
  } else {
    kernels::conv2d_transpose_stage(stream(), shape(index, count), input(index, x), w, y);
  }
  return y.y;
}

float* FusedInference::encode(int64_t count) {
  const TraceRange range("encode");
  const float* x = nullptr;
  for (size_t i = 0; i < plan().encoder_stages; ++i) x = activation(i, count, x);
  kernels::dense(stream(), {count, plan().features, plan().latent},
                 normalised(plan().encoder_stages - 1, x), weight(plan().dense1),
                 weight(plan().dense1_bias), latent(), workspace_.data());
  return latent();
}

float* FusedInference::hidden(int64_t count) {
  float* const y = other_map(nullptr);
  kernels::dense_whole(stream(), {count, plan().latent, plan().features}, latent(),
                       weight(plan().dense2), weight(plan().dense2_bias), y);
  return y;
}

const float* FusedInference::tail_input(int64_t count) {
  const float* x = hidden(count);
  for (size_t i = plan().encoder_stages; i < tail_; ++i) x = activation(i, count, x);
  return x;
}

void FusedInference::run_tail(int64_t count, const float* x, kernels::TailResult result,
                              float* to) {
  const Stage& stage = plan().stages[tail_];
  const Stage& last = plan().stages[tail_ + 1];
  kernels::decoder_tail(stream(),
                        {.stage = shape(tail_, count),
                         .w = weight(stage.kernel),
                         .bias = weight(stage.bias),
                         .statistics = statistics(tail_),
                         .channels = static_cast<int>(last.out_channels),
                         .last_w = weight(last.kernel),
                         .last_bias = weight(last.bias)},
                        input(tail_, x), pixels_, result, to);
}

float* FusedInference::decode(int64_t count, kernels::TailResult result) {
  const TraceRange range("decode");
  const float* const x = tail_input(count);
  float* const y = other_map(x);
  run_tail(count, x, result, y);
  return y;
}

float* FusedInference::decode(int64_t count) {
  return decode(count, kernels::TailResult::reconstructions);
}

float* FusedInference::pixel_errors(int64_t count) {
  return decode(count, kernels::TailResult::squared_differences);
}

void FusedInference::score(int64_t count, float* errors) {
  encode(count);
  const TraceRange range("decode");
  const int64_t parts = error_parts();
  run_tail(count, tail_input(count), kernels::TailResult::errors,
           parts > 1 ? parts_.data() : errors);
  if (parts > 1) {
    kernels::sum_slices(stream(), parts, count, /*columns=*/1, parts_.data(), nullptr, errors);
  }
}

}  // namespace oddity::cuda
