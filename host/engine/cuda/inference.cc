#include "engine/cuda/inference.h"

#include <algorithm>

#include "engine/cuda/trace.h"
#include "loss.h"
#include "robust_error.h"

namespace oddity::cuda {
namespace {

// Of the two largest maps and the images. The number of images decides which plans a library
// chooses: it may depend on the architecture, not on what memory happens to be free.
constexpr int64_t kActivationBytes = int64_t{1} << 30;

int64_t images_that_fit(const Plan& plan, int64_t wanted) {
  const int64_t bytes = (2 * plan.largest_map + plan.image) * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(kActivationBytes / bytes, 1, wanted);
}

}  // namespace

Inference::Inference(const Plan& plan, Planner& planner, cudaStream_t stream, int64_t max_images)
    : plan_(plan),
      planner_(planner),
      stream_(stream),
      fixed_(planner.inference_images() > 0),
      block_images_(images_that_fit(plan, fixed_ ? planner.inference_images() : max_images)),
      folded_(plan.folded, "the folded batch normalisation"),
      images_(block_images_ * plan.image, "a block of images"),
      latent_(block_images_ * plan.latent, "a block of latent vectors") {
  for (auto& map : maps_) {
    map = DeviceBuffer<float>(block_images_ * plan.largest_map, "the activations of inference");
  }
  // A block that is not full is computed whole where it is fixed: of whatever was there before.
  images_.clear(stream);
  latent_.clear(stream);
}

void Inference::load(const NetworkState& state) {
  state_ = &state;
  const float* const parameters = state.parameters.data();
  const float* const moving = state.moving.data();
  for (const Stage& stage : plan_.stages) {
    if (!stage.normalized) continue;
    kernels::batch_norm_fold(stream_, stage.out_channels, parameters + stage.gamma,
                             parameters + stage.beta, moving + stage.moving_mean,
                             moving + stage.moving_variance, folded_.data() + stage.scale,
                             folded_.data() + stage.shift);
  }
}

const Inference::Operations& Inference::operations(int64_t count) {
  const int64_t images = planned(count);
  std::unique_ptr<Operations>& kept = images == block_images_ ? full_ : part_;
  if (kept != nullptr && kept->images == images) return *kept;
  auto made = std::make_unique<Operations>();
  made->images = images;
  for (const Stage& stage : plan_.stages) {
    made->stages.emplace_back(planner_, plan_.forward(stage, images), made->workspace);
  }
  made->dense1 = {planner_, plan_.encode(images, OperationKind::dense), made->workspace};
  made->dense2 = {planner_, plan_.decode(images, OperationKind::dense), made->workspace};
  made->workspace.allocate();
  kept = std::move(made);
  return *kept;
}

void Inference::load_images(const PixelSource& images, const uint32_t* positions, int64_t first,
                            int64_t count) {
  if (positions != nullptr) {
    kernels::gather_images(stream_, images.type, images.pixels, plan_.image, positions, nullptr, 0,
                           first, count, images_.data());
  } else {
    kernels::load_images(stream_, images.type, images.pixels, plan_.image, first, count,
                         images_.data());
  }
}

float* Inference::run(size_t index, const Operations& operations, int64_t count, float* x) {
  const Stage& stage = plan_.stages[index];
  float* const y = maps_[x == maps_[0].data() ? 1 : 0].data();
  float* const parameters = state_->parameters.data();
  operations.stages[index](stream_, {x, parameters + stage.kernel, parameters + stage.bias, y});
  if (stage.normalized) {
    kernels::batch_norm_inference(stream_, Plan::map_of(stage, planned(count)), y,
                                  folded_.data() + stage.scale, folded_.data() + stage.shift, y);
  }
  return y;
}

float* Inference::encode(int64_t count) {
  const TraceRange range("encode");
  const Operations& planned_operations = operations(count);
  float* x = images_.data();
  for (size_t i = 0; i < plan_.encoder_stages; ++i) x = run(i, planned_operations, count, x);
  float* const parameters = state_->parameters.data();
  planned_operations.dense1(
      stream_, {x, parameters + plan_.dense1, parameters + plan_.dense1_bias, latent_.data()});
  return latent_.data();
}

float* Inference::logits(int64_t count) {
  const TraceRange range("decode");
  const Operations& planned_operations = operations(count);
  float* const parameters = state_->parameters.data();
  float* x = maps_[0].data();
  planned_operations.dense2(
      stream_, {latent_.data(), parameters + plan_.dense2, parameters + plan_.dense2_bias, x});
  for (size_t i = plan_.encoder_stages; i < plan_.stages.size(); ++i) {
    x = run(i, planned_operations, count, x);
  }
  return x;
}

float* Inference::decode(int64_t count) {
  float* const x = logits(count);
  kernels::sigmoid(stream_, count * plan_.image, x, x);
  return x;
}

float* Inference::pixel_errors(int64_t count) {
  float* const y = decode(count);
  kernels::squared_difference(stream_, count * plan_.image, y, images_.data(), y);
  return y;
}

void Inference::score(int64_t count, float* errors) {
  encode(count);
  kernels::sigmoid_mse(stream_, count, plan_.image, logits(count), images_.data(), errors);
}

void Inference::robust_score(int64_t count, float variation_floor, float* errors) {
  encode(count);
  const kernels::Conv2dShape& image = plan_.stages.back().convolution;
  kernels::robust_errors(stream_, count, image.height, image.width, image.channels, decode(count),
                         {.type = kernels::Pixels::f32, .pixels = images_.data()}, variation_floor,
                         errors);
}

}  // namespace oddity::cuda
