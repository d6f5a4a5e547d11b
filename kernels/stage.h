// Training and inference in few launches. A stage is a convolution of either direction with
// LeakyReLU and batch normalisation behind it; here a launch computes all of it: whoever reads a
// map normalises it on the way, and in training whoever writes one leaves what its normalisation
// needs, sums of the blocks of rows that the launch is cut into. The next launch's blocks each add
// those up, in one order: nothing is handed from block to block within a launch. A map [rows,
// channels] has a pixel in each row.
#pragma once

#include "batchnorm.h"
#include "conv2d.h"
#include "images.h"

namespace oddity::kernels {

/// The most channels of a map: what is done to each lies in shared memory.
inline constexpr int64_t kMostStageChannels = 1024;

/// What a map's writer leaves for its normalisation: of each block of rows mean and sum of the
/// squared deviations from it, parts [blocks, 2, channels], and rows, counts [blocks].
struct Moments {
  float* parts = nullptr;
  float* counts = nullptr;
  int blocks = 0;
  int64_t rows = 0;  // of the map
};

/// The normalisation of a map once somebody has merged its moments, [kStatistics, channels]. In
/// inference it is known beforehand (batch_norm_fold), and only the last two are there.
enum Statistic {
  kMean,
  kInverseDeviation,  // 1/√(biased variance + epsilon)
  kVariance,
  kScale,  // gamma / deviation
  kShift,  // beta − mean · scale
  kStatistics
};

enum class Normalisation {
  none,        // the map is read as it is
  moments,     // merged from the moments by every block; one leaves the statistics
  statistics,  // as they were left
};

/// A map as a layer reads it: x [rows, channels] normalised.
struct NormalisedMap {
  const float* x = nullptr;
  int channels = 0;
  Normalisation normalisation = Normalisation::none;
  float* statistics = nullptr;
  Moments moments;
  const float* gamma = nullptr;  // beside the moments
  const float* beta = nullptr;
};

/// Sums over a map's rows that its gradient's writer leaves, parts [blocks, kGradientSums,
/// channels]; z is the normalised activation before gamma and beta. The last three are over the
/// rows whose activation is positive: LeakyReLU's gradient is linear in these and the first two, so
/// that they are the gradient of the bias, too (update.h).
enum GradientSum { kDy, kDyZ, kPositiveDy, kPositiveCount, kPositiveZ, kGradientSums };
struct GradientParts {
  float* parts = nullptr;
  int blocks = 0;
};

/// The gradient of a stage's convolution, before LeakyReLU and normalisation, made on the way from
/// dy [rows, channels], the gradient of the stage's output.
struct MapGradient {
  const float* dy = nullptr;
  const float* activation = nullptr;
  int channels = 0;
  int64_t rows = 0;
  const float* statistics = nullptr;
  GradientParts sums;
};

/// Where a stage's forward pass goes: y [rows, channels], the activation.
struct ActivationOutput {
  float* y = nullptr;
  const float* bias = nullptr;
  Moments moments;
};

/// The same of inference, which needs no moments.
struct PlainOutput {
  float* y = nullptr;
  const float* bias = nullptr;
};

/// Where a gradient goes: dx [rows, channels]. With statistics, those of the map it belongs to, and
/// its activation the sums are left as well; without them the map is not normalised.
struct GradientOutput {
  float* dx = nullptr;
  const float* activation = nullptr;
  const float* statistics = nullptr;
  GradientParts sums;
};

/// Blocks of rows that the launches are cut into, by shape alone.
int conv2d_stage_blocks(const Conv2dShape& shape);
int conv2d_transpose_stage_blocks(const Conv2dShape& shape);

/// A stage's forward pass, conv2d or conv2d_transpose with bias and LeakyReLU. The first stage
/// reads pixels, C of them together. In inference the bits of an image's map do not change with N.
void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const PixelBatch& x,
                  const float* w, const ActivationOutput& y);
void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                  const float* w, const ActivationOutput& y);
void conv2d_transpose_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                            const float* w, const ActivationOutput& y);
void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const PixelBatch& x,
                  const float* w, const PlainOutput& y);
void conv2d_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                  const float* w, const PlainOutput& y);
void conv2d_transpose_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                            const float* w, const PlainOutput& y);

/// The gradient of a stage's input: of a transposed convolution's by the convolution, the other way
/// round. That of the logits is a NormalisedMap that is not normalised.
void conv2d_stage_gradient(cudaStream_t stream, const Conv2dShape& shape, const MapGradient& dy,
                           const float* w, const GradientOutput& dx);
void conv2d_stage_gradient(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& dy,
                           const float* w, const GradientOutput& dx);
void conv2d_transpose_stage_gradient(cudaStream_t stream, const Conv2dShape& shape,
                                     const MapGradient& dy, const float* w,
                                     const GradientOutput& dx);

/// Slices that the gradient of the weights is left in, parts [slices, K, 3, 3, C], at most 128.
int stage_weight_gradient_slices(const Conv2dShape& shape);

/// conv2d_weight_gradient, of the large and the small side of the convolution.
void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape, const PixelBatch& large,
                           const MapGradient& small, float* parts);
void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape,
                           const NormalisedMap& large, const MapGradient& small, float* parts);
void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape, const MapGradient& large,
                           const NormalisedMap& small, float* parts);
void stage_weight_gradient(cudaStream_t stream, const Conv2dShape& shape,
                           const NormalisedMap& large, const NormalisedMap& small, float* parts);

}  // namespace oddity::kernels
