#include "engine/cuda/layered_step.h"

#include "activation.h"
#include "bias.h"
#include "engine/cuda/trace.h"
#include "engine/trim.h"
#include "loss.h"
#include "trim.h"

namespace oddity::cuda {

using kernels::kLeakyReluSlope;

LayeredStep::LayeredStep(const Plan& plan, Planner& planner, NetworkState& state, int64_t images,
                         cudaStream_t stream)
    : TrainingStep(plan, images),
      plan_(plan),
      state_(state),
      stages_(plan.stages.size()),
      pixels_(images * plan.image, "a batch of images"),
      latent_(images * plan.latent, "the latent vectors of a batch"),
      hidden_(images * plan.features, "the decoder's input of a batch"),
      errors_(images, "the errors of a batch"),
      latent_gradient_(images * plan.latent, "the latent vectors of a batch"),
      weight_gradients_(plan.parameters, "the gradients of the weights") {
  const char* const kActivations = "the activations of a training step";
  const auto step = [&](const OperationSpec& spec) { return Step(planner, spec, workspace_); };
  for (size_t i = 0; i < stages_.size(); ++i) {
    const Stage& stage = plan.stages[i];
    StageStep& made = stages_[i];
    made.activation = {images * stage.out, kActivations};
    made.forward = step(plan.forward(stage, images));
    made.weight_gradient = step(plan.weight_gradient(stage, images));
    if (i > 0) made.data_gradient = step(plan.data_gradient(stage, images));
    workspace_.reserve(kernels::bias_gradient_workspace(images * stage.out / stage.out_channels,
                                                        stage.out_channels) *
                       static_cast<int64_t>(sizeof(float)));
    if (!stage.normalized) continue;
    made.output = {images * stage.out, kActivations};
    made.mean = {stage.out_channels, kActivations};
    made.inverse_deviation = {stage.out_channels, kActivations};
    made.normalize = step(plan.batch_norm(stage, images, OperationKind::batch_norm_training));
    made.normalize_backward =
        step(plan.batch_norm(stage, images, OperationKind::batch_norm_backward));
  }
  dense1_ = {step(plan.encode(images, OperationKind::dense)),
             step(plan.encode(images, OperationKind::dense_data_gradient)),
             step(plan.encode(images, OperationKind::dense_weight_gradient))};
  dense2_ = {step(plan.decode(images, OperationKind::dense)),
             step(plan.decode(images, OperationKind::dense_data_gradient)),
             step(plan.decode(images, OperationKind::dense_weight_gradient))};
  for (const int64_t channels : {plan.latent, plan.features}) {
    workspace_.reserve(kernels::bias_gradient_workspace(images, channels) *
                       static_cast<int64_t>(sizeof(float)));
  }
  workspace_.allocate();
  for (auto& buffer : gradients_) buffer = {images * plan.largest_map, kActivations};
  // The padding between tensors has no gradient; Adam passes over it all the same.
  weight_gradients_.clear(stream);
}

void LayeredStep::enqueue(cudaStream_t stream, const EpochInput& input) {
  kernels::gather_images(stream, input.images.type, input.images.pixels, plan_.image,
                         input.positions, input.state, input.batch, 0, images(), pixels_.data());
  {
    const TraceRange range("forward");
    forward(stream);
  }
  float* const logits = stages_.back().activation.data();
  kernels::sigmoid_mse_backward(stream, images(), plan_.image, logits, pixels_.data(),
                                errors_.data(), gradients_[0].data());
  if (input.trim > 0) {
    kernels::trim_gradients(stream, {.parts = errors_.data(), .images = images()}, input.pixels(),
                            input.variations, images_left_out(input.trim, images()),
                            {.dx = gradients_[0].data(), .size = plan_.image});
  }
  {
    const TraceRange range("backward");
    backward(stream);
  }
  const TraceRange range("adam");
  kernels::adam(stream, plan_.parameters, weight_gradients_.data(), input.rates, input.state,
                state_.parameters.data(), state_.first_moment.data(), state_.second_moment.data());
  kernels::finish_step(stream, images(), errors_.data(), input.state, input.progress);
}

float* LayeredStep::forward(size_t index, cudaStream_t stream, float* x) {
  const Stage& stage = plan_.stages[index];
  const StageStep& step = stages_[index];
  float* const activation = step.activation.data();
  step.forward(stream, {x, weight(stage.kernel), weight(stage.bias), activation});
  if (!stage.normalized) return activation;
  step.normalize(stream, {activation, weight(stage.gamma), weight(stage.beta), step.output.data(),
                          step.mean.data(), step.inverse_deviation.data(),
                          state_.moving.data() + stage.moving_mean,
                          state_.moving.data() + stage.moving_variance});
  return step.output.data();
}

void LayeredStep::forward(cudaStream_t stream) {
  float* x = pixels_.data();
  for (size_t i = 0; i < plan_.encoder_stages; ++i) x = forward(i, stream, x);
  dense1_.forward(stream, {x, weight(plan_.dense1), weight(plan_.dense1_bias), latent_.data()});
  dense2_.forward(
      stream, {latent_.data(), weight(plan_.dense2), weight(plan_.dense2_bias), hidden_.data()});
  x = hidden_.data();
  for (size_t i = plan_.encoder_stages; i < stages_.size(); ++i) x = forward(i, stream, x);
}

float* LayeredStep::input_of(size_t stage) const {
  if (stage == 0) return pixels_.data();
  if (stage == plan_.encoder_stages) return hidden_.data();
  return stages_[stage - 1].output.data();
}

void LayeredStep::bias_gradient(cudaStream_t stream, int64_t rows, int64_t channels,
                                const float* gradient_of_output, int64_t offset) {
  kernels::bias_gradient(stream, rows, channels, gradient_of_output, gradient(offset),
                         reinterpret_cast<float*>(workspace_.data()));
}

void LayeredStep::backward(size_t index, cudaStream_t stream, float*& delta, float*& spare) {
  const Stage& stage = plan_.stages[index];
  const StageStep& step = stages_[index];
  if (stage.normalized) {
    step.normalize_backward(stream, {step.activation.data(), delta, weight(stage.gamma),
                                     step.mean.data(), step.inverse_deviation.data(), spare,
                                     gradient(stage.gamma), gradient(stage.beta)});
    std::swap(delta, spare);
    kernels::leaky_relu_backward(stream, images() * stage.out, step.activation.data(), delta,
                                 kLeakyReluSlope, delta);
  }
  const kernels::BatchNormShape map = Plan::map_of(stage, images());
  bias_gradient(stream, map.rows, map.channels, delta, stage.bias);
  float* const x = input_of(index);
  // The large side of a transposed convolution is its output.
  const bool transposed = stage.kind == OperationKind::conv2d_transpose;
  step.weight_gradient(stream,
                       {transposed ? delta : x, transposed ? x : delta, gradient(stage.kernel)});
  if (index == 0) return;  // nobody asks for the gradient of pixels
  step.data_gradient(stream, {delta, weight(stage.kernel), spare});
  std::swap(delta, spare);
}

void LayeredStep::backward(cudaStream_t stream) {
  // sigmoid_mse_backward left the gradient of the logits in the first.
  float* delta = gradients_[0].data();
  float* spare = gradients_[1].data();
  for (size_t i = stages_.size(); i-- > plan_.encoder_stages;) backward(i, stream, delta, spare);

  bias_gradient(stream, images(), plan_.features, delta, plan_.dense2_bias);
  dense2_.weight_gradient(stream, {latent_.data(), delta, gradient(plan_.dense2)});
  dense2_.data_gradient(stream, {delta, weight(plan_.dense2), latent_gradient_.data()});

  float* const encoded = stages_[plan_.encoder_stages - 1].output.data();
  bias_gradient(stream, images(), plan_.latent, latent_gradient_.data(), plan_.dense1_bias);
  dense1_.weight_gradient(stream, {encoded, latent_gradient_.data(), gradient(plan_.dense1)});
  dense1_.data_gradient(stream, {latent_gradient_.data(), weight(plan_.dense1), delta});

  for (size_t i = plan_.encoder_stages; i-- > 0;) backward(i, stream, delta, spare);
}

}  // namespace oddity::cuda
