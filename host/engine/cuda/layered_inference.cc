#include "engine/cuda/layered_inference.h"

#include "engine/cuda/trace.h"
#include "loss.h"

namespace oddity::cuda {
namespace {

/// Images of a block: a planner may say how many.
int64_t wanted_images(const Planner& planner, int64_t max_images) {
  const int64_t always = planner.inference_images();
  return always > 0 ? always : max_images;
}

}  // namespace

LayeredInference::LayeredInference(const Plan& plan, Planner& planner, cudaStream_t stream,
                                   int64_t max_images)
    : Inference(plan, stream, wanted_images(planner, max_images), plan.image),
      planner_(planner),
      fixed_(planner.inference_images() > 0),
      folded_(plan.folded, "the folded batch normalisation"),
      images_(block_images() * plan.image, "a block of images") {
  // A block that is not full is computed whole where it is fixed: of whatever was there before.
  images_.clear(stream);
  check(cudaMemsetAsync(latent(), 0,
                        static_cast<size_t>(block_images() * plan.latent) * sizeof(float), stream));
}

void LayeredInference::load(const NetworkState& state) {
  keep(state);
  for (const Stage& stage : plan().stages) {
    if (!stage.normalized) continue;
    fold(stage, folded_.data() + stage.scale, folded_.data() + stage.shift);
  }
}

const LayeredInference::Operations& LayeredInference::operations(int64_t count) {
  const int64_t images = planned(count);
  std::unique_ptr<Operations>& kept = images == block_images() ? full_ : part_;
  if (kept != nullptr && kept->images == images) return *kept;
  auto made = std::make_unique<Operations>();
  made->images = images;
  for (const Stage& stage : plan().stages) {
    made->stages.emplace_back(planner_, plan().forward(stage, images), made->workspace);
  }
  made->dense1 = {planner_, plan().encode(images, OperationKind::dense), made->workspace};
  made->dense2 = {planner_, plan().decode(images, OperationKind::dense), made->workspace};
  made->workspace.allocate();
  kept = std::move(made);
  return *kept;
}

void LayeredInference::take_images(const PixelSource& images, const uint32_t* positions,
                                   int64_t first, int64_t count) {
  if (positions != nullptr) {
    kernels::gather_images(stream(), images.type, images.pixels, plan().image, positions, nullptr,
                           0, first, count, images_.data());
  } else {
    kernels::load_images(stream(), images.type, images.pixels, plan().image, first, count,
                         images_.data());
  }
}

float* LayeredInference::run(size_t index, const Operations& operations, int64_t count, float* x) {
  const Stage& stage = plan().stages[index];
  float* const y = other_map(x);
  operations.stages[index](stream(), {x, weight(stage.kernel), weight(stage.bias), y});
  if (stage.normalized) {
    kernels::batch_norm_inference(stream(), Plan::map_of(stage, planned(count)), y,
                                  folded_.data() + stage.scale, folded_.data() + stage.shift, y);
  }
  return y;
}

float* LayeredInference::encode(int64_t count) {
  const TraceRange range("encode");
  const Operations& planned_operations = operations(count);
  float* x = images_.data();
  for (size_t i = 0; i < plan().encoder_stages; ++i) x = run(i, planned_operations, count, x);
  planned_operations.dense1(stream(),
                            {x, weight(plan().dense1), weight(plan().dense1_bias), latent()});
  return latent();
}

float* LayeredInference::logits(int64_t count) {
  const TraceRange range("decode");
  const Operations& planned_operations = operations(count);
  float* x = other_map(nullptr);
  planned_operations.dense2(stream(),
                            {latent(), weight(plan().dense2), weight(plan().dense2_bias), x});
  for (size_t i = plan().encoder_stages; i < plan().stages.size(); ++i) {
    x = run(i, planned_operations, count, x);
  }
  return x;
}

float* LayeredInference::decode(int64_t count) {
  float* const x = logits(count);
  kernels::sigmoid(stream(), count * plan().image, x, x);
  return x;
}

float* LayeredInference::pixel_errors(int64_t count) {
  float* const y = decode(count);
  kernels::squared_difference(stream(), count * plan().image, y, images_.data(), y);
  return y;
}

void LayeredInference::score(int64_t count, float* errors) {
  encode(count);
  kernels::sigmoid_mse(stream(), count, plan().image, logits(count), images_.data(), errors);
}

}  // namespace oddity::cuda
