// A training step made of planned operations, one after the other: whoever computes them.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/cuda/training.h"

namespace oddity::cuda {

class LayeredStep final : public TrainingStep {
 public:
  /// Plans the step and takes its memory.
  LayeredStep(const Plan& plan, Planner& planner, NetworkState& state, int64_t images,
              cudaStream_t stream);

  void enqueue(cudaStream_t stream, const EpochInput& input) override;

  // What the last step left in device memory, for tests.
  /// Of LeakyReLU [images, out] of a stage; of the last stage the logits.
  const float* activation(size_t stage) const { return stages_[stage].activation.data(); }
  /// Of batch normalisation [images, out] of a stage but the last.
  const float* output(size_t stage) const { return stages_[stage].output.data(); }
  const float* latent() const { return latent_.data(); }  // [images, latent]
  const float* hidden() const { return hidden_.data(); }  // [images, features], of dense2

 private:
  /// What the way forward leaves for the way back, and the operations of a stage.
  struct StageStep {
    DeviceBuffer<float> activation;  // of LeakyReLU; of the last stage the logits
    DeviceBuffer<float> output;      // of batch normalisation
    DeviceBuffer<float> mean, inverse_deviation;
    Step forward, normalize, normalize_backward, weight_gradient, data_gradient;
  };
  /// A dense layer's operations.
  struct DenseStep {
    Step forward, data_gradient, weight_gradient;
  };

  CapturedGraph capture(cudaStream_t stream, const EpochInput& input, int64_t steps) override {
    return {stream, [&] {
              for (int64_t i = 0; i < steps; ++i) enqueue(stream, input);
            }};
  }
  void forward(cudaStream_t stream);
  void backward(cudaStream_t stream);
  float* forward(size_t stage, cudaStream_t stream, float* x);
  /// From the gradient of a stage's output, `delta`, to that of its input, `delta` again; the two
  /// buffers may have changed places.
  void backward(size_t stage, cudaStream_t stream, float*& delta, float*& spare);
  void bias_gradient(cudaStream_t stream, int64_t rows, int64_t channels, const float* gradient,
                     int64_t offset);
  float* weight(int64_t offset) const { return state_.parameters.data() + offset; }
  float* gradient(int64_t offset) const { return weight_gradients_.data() + offset; }
  float* input_of(size_t stage) const;

  const Plan& plan_;
  NetworkState& state_;
  Workspace workspace_;
  std::vector<StageStep> stages_;
  DenseStep dense1_, dense2_;
  DeviceBuffer<float> pixels_, latent_, hidden_, errors_;
  DeviceBuffer<float> latent_gradient_;
  DeviceBuffer<float> gradients_[2];  // of activations: any stage's fits
  DeviceBuffer<float> weight_gradients_;
};

}  // namespace oddity::cuda
