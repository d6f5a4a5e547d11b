// What the CUDA engine derives from an architecture once: the stages between pixels and
// reconstruction, where every tensor lies in the flat buffers, and the operations that training and
// inference need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/cuda/operation.h"
#include "model/architecture.h"
#include "model/weights.h"

namespace oddity::cuda {

/// A convolution of either direction, with the LeakyReLU and batch normalisation behind it. The
/// last stage has neither: its output are the logits.
struct Stage {
  std::string name;                  // of the convolution's layer
  OperationKind kind;                // conv2d or conv2d_transpose
  kernels::Conv2dShape convolution;  // images = 0
  bool normalized = true;
  int64_t in = 0;  // numbers an image
  int64_t out = 0;
  int64_t out_channels = 0;

  // Offsets into the flat parameters: kernel [K,3,3,C], bias, gamma, beta [out_channels].
  int64_t kernel = 0, bias = 0, gamma = 0, beta = 0;
  // Offsets into the moving statistics [out_channels], and into those folded for inference.
  int64_t moving_mean = 0, moving_variance = 0;
  int64_t scale = 0, shift = 0;

  kernels::Conv2dShape shape(int64_t images) const {
    kernels::Conv2dShape shape = convolution;
    shape.images = images;
    return shape;
  }
};

/// A tensor's place in the flat buffers.
struct Placement {
  std::string name;
  bool trainable = true;  // in the parameters, else in the moving statistics
  int64_t offset = 0;
  // Convolution kernels are stored turned: Keras' [3,3,a,b] is a matrix [9a][b], ours [b][9a].
  // rows = 0: stored as it is.
  int64_t rows = 0, columns = 0;
};

struct Plan {
  explicit Plan(const Architecture& architecture);

  Architecture architecture;
  std::vector<Stage> stages;  // encoder, decoder, last
  size_t encoder_stages = 0;
  int64_t image = 0;     // numbers of an image
  int64_t features = 0;  // of the encoder's last map
  int64_t latent = 0;
  // Offsets into the flat parameters: dense1 [features, latent], dense2 [latent, features].
  int64_t dense1 = 0, dense1_bias = 0, dense2 = 0, dense2_bias = 0;

  int64_t parameters = 0;  // floats, padding between tensors included
  int64_t moving = 0;
  int64_t folded = 0;
  int64_t largest_map = 0;            // numbers an image of the largest activation
  std::vector<Placement> placements;  // in the order of tensor_specs()

  /// The operations for `images` at once.
  OperationSpec forward(const Stage& stage, int64_t images) const;
  OperationSpec data_gradient(const Stage& stage, int64_t images) const;
  OperationSpec weight_gradient(const Stage& stage, int64_t images) const;
  OperationSpec batch_norm(const Stage& stage, int64_t images, OperationKind kind) const;
  OperationSpec encode(int64_t images, OperationKind kind) const;  // dense1 and its gradients
  OperationSpec decode(int64_t images, OperationKind kind) const;  // dense2 and its gradients

  static kernels::BatchNormShape map_of(const Stage& stage, int64_t images) {
    return {images * stage.out / stage.out_channels, stage.out_channels};
  }
};

/// Every operation of a training step, or of inference, each once.
enum class Mode { training, inference };
std::vector<OperationSpec> operation_specs(const Plan& plan, int64_t images, Mode mode);

/// Weights of the layers in Keras' layouts ↔ the flat parameters [plan.parameters] and moving
/// statistics [plan.moving]. Of an optimizer's state `moving` is empty.
void pack(const Plan& plan, const Weights& weights, std::span<float> parameters,
          std::span<float> moving);
void unpack(const Plan& plan, std::span<const float> parameters, std::span<const float> moving,
            Weights& weights);

}  // namespace oddity::cuda
