#include "conv2d_transpose_few.cuh"
#include "conv2d_transpose_few.h"

namespace oddity::kernels {
namespace {

/// Grid: tiles of all images, channels. x [N, height, width, filters] and y [N, height, width,
/// channels].
template <bool kVector>
__global__ void __launch_bounds__(kFewThreads)
    conv2d_transpose_few_kernel(FewTiling tiling, int filters, int channels, const float* x,
                                const float* w, const float* bias, Epilogue epilogue, float* y) {
  const int channel = static_cast<int>(blockIdx.y);
  const int64_t image = blockIdx.x / tiling.tiles();
  const int tile = static_cast<int>(blockIdx.x % tiling.tiles());
  const int64_t image_pixels = int64_t{tiling.height} * tiling.width;
  y += image * image_pixels * channels + channel;
  for_few_outputs<kVector>(tiling, tile, filters, channels, x + image * image_pixels * filters,
                           AsStored(), w + channel, [&](int row, int column, float sum) {
                             y[(int64_t{row} * tiling.width + column) * channels] = finish(
                                 sum, epilogue == Epilogue::none ? 0 : bias[channel], epilogue);
                           });
}

}  // namespace

void conv2d_transpose_few(cudaStream_t stream, const Conv2dShape& shape, const float* x,
                          const float* w, const float* bias, Epilogue epilogue, float* y) {
  const FewTiling tiling = few_tiling(shape.height, shape.width);
  launch(shape.filters % 4 == 0 ? conv2d_transpose_few_kernel<true>
                                : conv2d_transpose_few_kernel<false>,
         {.grid = {shape.images * tiling.tiles(), shape.channels},
          .block = kFewThreads,
          .stream = stream},
         tiling, static_cast<int>(shape.filters), static_cast<int>(shape.channels), x, w, bias,
         epilogue, y);
}

}  // namespace oddity::kernels
