// Dense layers y = x·w + bias, and their gradients.
#pragma once

#include <cuda_runtime_api.h>

#include <compare>
#include <cstdint>

#include "stage.h"

namespace oddity::kernels {

/// x [images, inputs], w [inputs, outputs], y [images, outputs], all row-major. Pointers are
/// 16-byte aligned.
struct DenseShape {
  int64_t images = 0;
  int64_t inputs = 0;
  int64_t outputs = 0;
  friend auto operator<=>(const DenseShape&, const DenseShape&) = default;
};

/// Floats of workspace that dense needs; may be 0.
int64_t dense_workspace(const DenseShape& shape);

/// y = x·w + bias [outputs]. How a sum is cut depends on inputs and outputs alone: the bits of an
/// image's output do not change with the number of images.
void dense(cudaStream_t stream, const DenseShape& shape, const float* x, const float* w,
           const float* bias, float* y, float* workspace);

/// The slices that dense cuts a sum into. Where there are several, its second launch adds them up
/// (slices.h).
int64_t dense_slices(const DenseShape& shape);

/// Its first launch, of a map that is normalised on the way by its statistics or not at all
/// (stage.h): y of one slice, of several the sums of each, without the bias, parts [slices, images,
/// outputs].
void dense_parts(cudaStream_t stream, const DenseShape& shape, const NormalisedMap& x,
                 const float* w, const float* bias, float* parts);

/// The same in one launch: no sum is cut, however few they are.
void dense_whole(cudaStream_t stream, const DenseShape& shape, const float* x, const float* w,
                 const float* bias, float* y);

/// dx [images, inputs] = dy [images, outputs] · wᵀ, in one launch.
void dense_data_gradient(cudaStream_t stream, const DenseShape& shape, const float* dy,
                         const float* w, float* dx);

/// dw [inputs, outputs] = xᵀ·dy, summed over the images in order.
void dense_weight_gradient(cudaStream_t stream, const DenseShape& shape, const float* x,
                           const float* dy, float* dw);

}  // namespace oddity::kernels
