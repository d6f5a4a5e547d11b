// Training that leaves out what may be odd: the images of a batch whose loss is highest for what
// they show give no gradient.
#pragma once

#include "images.h"

namespace oddity::kernels {

/// The losses of a batch, of each image the sum of its `parts` [images, count]; a factor that all
/// have in common does not matter.
struct TrimLosses {
  const float* parts = nullptr;
  int64_t images = 0;
  int64_t count = 1;
};

/// What is trimmed: dx [images, size], the gradient of the mean loss to the logits, and what was
/// added up of it, `sums` [images, sum_count].
struct TrimGradients {
  float* dx = nullptr;
  int64_t size = 0;
  float* sums = nullptr;
  int64_t sum_count = 0;
};

/// The `left_out` images with the highest loss / variation get no gradient (of equal ones the
/// earlier; NaN is higher than all), the others' is that of the mean over them alone. `variations`
/// is that of the whole set, of which `batch` tells the images; its pixels are not read.
void trim_gradients(cudaStream_t stream, const TrimLosses& losses, const PixelBatch& batch,
                    const float* variations, int64_t left_out, const TrimGradients& gradients);

}  // namespace oddity::kernels
