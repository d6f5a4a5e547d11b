// Batch normalisation over the last axis: y = (x − mean) / √(variance + 1e-3) · gamma + beta.
// Formulas: Ioffe and Szegedy 2015; epsilon and momentum are Keras' defaults, the moving variance
// follows the biased variance of the batch (Keras 3).
#pragma once

#include <cuda_runtime_api.h>

#include <compare>
#include <cstdint>

namespace oddity::kernels {

inline constexpr float kBatchNormEpsilon = 1e-3f;
inline constexpr float kBatchNormMomentum = 0.99f;

/// x [rows, channels]: a row is a pixel.
struct BatchNormShape {
  int64_t rows = 0;
  int64_t channels = 0;
  friend auto operator<=>(const BatchNormShape&, const BatchNormShape&) = default;
};

/// Floats of workspace that the training functions need.
int64_t batch_norm_workspace(const BatchNormShape& shape);

/// mean [C] and inverse_deviation [C] = 1/√(biased variance + epsilon) of x, by pairwise merging of
/// the moments of fixed blocks of rows (Chan, Golub and LeVeque 1979): accurate where the mean is
/// far from 0. Then y [rows, C].
/// moving_mean and moving_variance [C] move by 1 − momentum towards those of the batch.
void batch_norm_training(cudaStream_t stream, const BatchNormShape& shape, const float* x,
                         const float* gamma, const float* beta, float* y, float* mean,
                         float* inverse_deviation, float* moving_mean, float* moving_variance,
                         float* workspace);

/// The moving moments [C] alone, from what another implementation of the training pass left in
/// mean and inverse_deviation [C].
void batch_norm_moving(cudaStream_t stream, int64_t channels, const float* mean,
                       const float* inverse_deviation, float* moving_mean, float* moving_variance);

/// dx [rows, C], dgamma and dbeta [C] from dy [rows, C] and what the training pass read and left.
/// dx may be dy.
void batch_norm_backward(cudaStream_t stream, const BatchNormShape& shape, const float* x,
                         const float* dy, const float* gamma, const float* mean,
                         const float* inverse_deviation, float* dx, float* dgamma, float* dbeta,
                         float* workspace);

/// scale [C] = gamma / √(moving_variance + epsilon), shift [C] = beta − moving_mean · scale: what
/// inference multiplies by and adds.
void batch_norm_fold(cudaStream_t stream, int64_t channels, const float* gamma, const float* beta,
                     const float* moving_mean, const float* moving_variance, float* scale,
                     float* shift);

/// y [rows, C] = x · scale [C] + shift [C]. y may be x.
void batch_norm_inference(cudaStream_t stream, const BatchNormShape& shape, const float* x,
                          const float* scale, const float* shift, float* y);

}  // namespace oddity::kernels
