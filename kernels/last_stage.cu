#include "conv2d_transpose_few.cuh"
#include "last_stage.h"
#include "norm_inputs.cuh"
#include "sigmoid.cuh"

namespace oddity::kernels {
namespace {

/// Grid: tiles of all images, channels.
template <bool kVector>
__global__ void __launch_bounds__(kFewThreads, 2)  // 80 registers are not quite enough
    last_stage_kernel(FewTiling tiling, int channels, NormalisedMap x, const float* w,
                      const float* bias, PixelBatch images, float gradient_scale,
                      LastOutput output) {
  SHARED_DYNAMIC(float, shared);
  SHARED_ARRAY(float, scratch, [kWarp]);
  const Normalised load = prepare<kVector>(x, shared, shared + table_floats(x));
  const Gathered pixels = gathered(images);
  const int channel = static_cast<int>(blockIdx.y);
  const int64_t image = blockIdx.x / tiling.tiles();
  const int tile = static_cast<int>(blockIdx.x % tiling.tiles());
  const int64_t image_pixels = int64_t{tiling.height} * tiling.width;
  float squares = 0;
  float gradients = 0;
  for_few_outputs<kVector>(tiling, tile, x.channels, channels,
                           x.x + image * image_pixels * x.channels, load, w + channel,
                           [&](int row, int column, float sum) {
                             const int at = (row * tiling.width + column) * channels + channel;
                             const int64_t size = image_pixels * channels;
                             const Sigmoid y = sigmoid_of(sum + bias[channel]);
                             const float difference = y.value - pixels.pixel(image, size, at);
                             const float gradient = __fmul_rn(gradient_scale * difference, y.slope);
                             squares = fmaf(difference, difference, squares);
                             gradients += gradient;
                             output.dx[image * size + at] = gradient;
                           });
  squares = block_sum(squares, scratch);
  gradients = block_sum(gradients, scratch);
  if (thread_in_block() != 0) return;
  const int64_t part = int64_t{blockIdx.x} * channels + channel;
  output.squares[part] = squares;
  output.bias_parts[part] = gradients;
  if (first_block()) *output.step = images.state->step;
}

}  // namespace

int last_stage_blocks(const Conv2dShape& shape) {
  return few_tiling(shape.height, shape.width).tiles();
}

void last_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                const float* w, const float* bias, const PixelBatch& images,
                const LastOutput& output) {
  const FewTiling tiling = few_tiling(shape.height, shape.width);
  const double numbers = double(shape.large_pixels()) * double(shape.channels);
  const int floats = table_floats(x) + merge_scratch(kFewThreads);
  launch(shape.filters % 4 == 0 ? last_stage_kernel<true> : last_stage_kernel<false>,
         {.grid = {shape.images * tiling.tiles(), shape.channels},
          .block = kFewThreads,
          .shared = sizeof(float) * static_cast<std::size_t>(floats),
          .stream = stream},
         tiling, static_cast<int>(shape.channels), x, w, bias, images, float(2 / numbers), output);
}

}  // namespace oddity::kernels
