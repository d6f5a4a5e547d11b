// What the CPU engine derives from an architecture once: where every tensor lies in the flat
// parameter buffer, the shape of every activation buffer, and the passes that compute one from the
// other.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/cpu/kernels.h"
#include "model/architecture.h"
#include "model/weights.h"

namespace oddity::cpu {

/// An image buffer [top + height + bottom, left + width + right, channels], the border zero.
struct Grid {
  int64_t height = 0, width = 0;
  int64_t channels = 0;  // floats from pixel to pixel
  int64_t top = 0, left = 0, bottom = 0, right = 0;

  int64_t row() const { return (left + width + right) * channels; }
  int64_t size() const { return (top + height + bottom) * row(); }
  /// Of the first pixel inside the border.
  int64_t origin() const { return top * row() + left * channels; }
  int64_t pixels() const { return height * width; }
};

/// What kernels need to know of a grid's inside.
inline Pixels inside_of(const Grid& grid, int64_t vectors) {
  return {grid.height, grid.width, vectors, grid.row()};
}

enum class StageKind { convolution, transposed };

/// Inputs of the packed weights that Winograd's filtering makes of nine taps of as many channels
/// (winograd.h): 25 matrices, with an input between them so that they don't lie a multiple of the
/// first-level cache apart.
constexpr int64_t winograd_inputs(int64_t channels) { return 25 * (channels + 1); }

/// A stride-2 convolution of either kind, with the LeakyReLU and batch normalisation behind it.
struct Stage {
  StageKind kind;
  std::string name;         // of the convolution's layer
  std::string norm_name;    // of the batch normalisation's
  int64_t in_channels = 0;  // real ones, as in the weights
  int64_t out_channels = 0;
  int64_t out_vectors = 0;
  Grid in;     // bordered input
  Grid out;    // activation after LeakyReLU, without border
  Grid delta;  // bordered gradient before LeakyReLU
  // Images that go through the passes together: small maps fill the micro-kernel's tiles badly.
  int64_t group = 1;

  // Whether its convolutions and weight gradients go through winograd.h instead of these passes.
  bool winograd = false;
  Grid next;  // what inference writes to: the bordered input of what comes next

  std::vector<ConvPass> forward;        // in → out
  std::vector<ConvPass> inference;      // in → next
  std::vector<ConvPass> data_gradient;  // delta → gradient of this stage's input, without border
  int64_t data_gradient_vectors = 0;
  GradientPass weight_gradient;

  // Offsets into the flat parameters.
  int64_t kernel = 0, bias = 0, gamma = 0, beta = 0;
  int64_t kernel_size = 0;
  // Offset into the moving statistics; mean, then variance, one number a padded channel.
  int64_t moving = 0;
  // Offset into the turned weights, packed for data_gradient.
  int64_t turned = 0;

  /// The kind of convolution that the data gradient is.
  StageKind turned_kind() const {
    return kind == StageKind::convolution ? StageKind::transposed : StageKind::convolution;
  }
  Grid in_without_border() const { return {in.height, in.width, in.channels}; }
};

/// The plan of one architecture for vectors of `lanes` floats.
struct Plan {
  Plan(const Architecture& architecture, int64_t lanes);

  Architecture architecture;
  int64_t lanes;
  std::vector<Stage> stages;  // encoder, then decoder
  size_t encoder_stages;
  int64_t group = 1;  // the largest of the stages'

  // Between the two: features [pixels, channels] of the encoder's last map, without border.
  Grid encoded;
  int64_t features = 0;  // numbers of it, padding included
  int64_t latent_vectors = 0;
  // Both layers' weights for each pixel packed [block][latent_dim][lanes], which serves both ways.
  int64_t dense1 = 0, dense1_bias = 0;
  int64_t dense2 = 0, dense2_bias = 0;

  // The last layer: a stride-1 transposed convolution from `last_in` to the image's channels.
  Grid last_in;     // border of one pixel
  Grid last_delta;  // gradient of the logits, border of one pixel
  int64_t last_vectors = 0;
  int64_t band = 1;  // rows of last_in that fit in the first-level cache
  int64_t last_kernel = 0, last_bias = 0;
  ConvPass last_data_gradient;

  /// Numbers in the flat parameters; those before `partial` get their gradient in parts, one a
  /// block of images, the rest (the dense layers') whole.
  int64_t parameters = 0;
  int64_t partial = 0;
  int64_t moving = 0;
  int64_t turned = 0;

  /// Weights of a pixel in either dense layer.
  int64_t pixel_weights() const { return architecture.latent_dim * encoded.channels; }
  int64_t padded(int64_t channels) const { return (channels + lanes - 1) / lanes * lanes; }
  int64_t latent() const { return latent_vectors * lanes; }
};

/// Weights of the layers in Keras' layouts ↔ the flat parameters and moving statistics.
void pack(const Plan& plan, const Weights& weights, float* parameters, float* moving);
void unpack(const Plan& plan, const float* parameters, const float* moving, Weights& weights);

/// Where tap (y, x) stands in packed weights of a convolution of that kind.
int64_t tap_index(StageKind kind, int64_t y, int64_t x);

/// Writes a stage's part of `turned` [plan.turned], the weights that gradients flow back through.
/// The padding there is left alone, and must be zero.
void turn_weights(const Plan& plan, const Kernels& kernels, const Stage& stage,
                  const float* parameters, float* turned);

}  // namespace oddity::cpu
