#include "conv2d_transpose_few.cuh"
#include "last_stage.h"
#include "norm_inputs.cuh"
#include "sigmoid.cuh"

namespace oddity::kernels {
namespace {

/// Where a thread is: number `at` of an image of `size`, of the batch `image`.
struct Place {
  int64_t image, size;
  int at;
};

/// What becomes of the reconstructions: a thread makes an epilogue of what is wanted and gives it
/// each of its outputs; at the end the whole block leaves part `part`, one a block.
template <typename Wanted>
class LastEpilogue;

struct Gradients {
  PixelBatch images;
  float scale;
  LastOutput output;
};
template <>
class LastEpilogue<Gradients> {
 public:
  __device__ explicit LastEpilogue(const Gradients& wanted)
      : wanted_(wanted), pixels_(gathered(wanted.images)) {}
  __device__ __forceinline__ void take(const Place& place, const Sigmoid& y) {
    const float difference = y.value - pixels_.pixel(place.image, place.size, place.at);
    const float gradient = __fmul_rn(wanted_.scale * difference, y.slope);
    squares_ = fmaf(difference, difference, squares_);
    gradients_ += gradient;
    wanted_.output.dx[place.image * place.size + place.at] = gradient;
  }
  __device__ __forceinline__ void leave(int64_t part) {
    SHARED_ARRAY(float, scratch, [kWarp]);
    squares_ = block_sum(squares_, scratch);
    gradients_ = block_sum(gradients_, scratch);
    if (thread_in_block() != 0) return;
    wanted_.output.squares[part] = squares_;
    wanted_.output.bias_parts[part] = gradients_;
    if (first_block()) *wanted_.output.step = wanted_.images.state->step;
  }

 private:
  const Gradients& wanted_;
  Gathered pixels_;
  float squares_ = 0;
  float gradients_ = 0;
};

struct Errors {
  PixelBatch images;
  float* parts;
  float divisor;  // an image's numbers where it is one part, else 1
};
template <>
class LastEpilogue<Errors> {
 public:
  __device__ explicit LastEpilogue(const Errors& wanted)
      : wanted_(wanted), pixels_(gathered(wanted.images)) {}
  __device__ __forceinline__ void take(const Place& place, const Sigmoid& y) {
    const float difference = y.value - pixels_.pixel(place.image, place.size, place.at);
    squares_ = fmaf(difference, difference, squares_);
  }
  __device__ __forceinline__ void leave(int64_t part) {
    SHARED_ARRAY(float, scratch, [kWarp]);
    squares_ = block_sum(squares_, scratch);
    if (thread_in_block() == 0) wanted_.parts[part] = squares_ / wanted_.divisor;
  }

 private:
  const Errors& wanted_;
  Gathered pixels_;
  float squares_ = 0;
};

struct Differences {
  PixelBatch images;
  float* differences;
};
template <>
class LastEpilogue<Differences> {
 public:
  __device__ explicit LastEpilogue(const Differences& wanted)
      : wanted_(wanted), pixels_(gathered(wanted.images)) {}
  __device__ __forceinline__ void take(const Place& place, const Sigmoid& y) {
    const float difference = y.value - pixels_.pixel(place.image, place.size, place.at);
    wanted_.differences[place.image * place.size + place.at] = difference * difference;
  }
  __device__ __forceinline__ void leave(int64_t) {}

 private:
  const Differences& wanted_;
  Gathered pixels_;
};

struct Reconstructions {
  float* y;
};
template <>
class LastEpilogue<Reconstructions> {
 public:
  __device__ explicit LastEpilogue(const Reconstructions& wanted) : wanted_(wanted) {}
  __device__ __forceinline__ void take(const Place& place, const Sigmoid& y) {
    wanted_.y[place.image * place.size + place.at] = y.value;
  }
  __device__ __forceinline__ void leave(int64_t) {}

 private:
  const Reconstructions& wanted_;
};

/// Grid: tiles of all images, channels.
template <bool kVector, typename Wanted>
__global__ void __launch_bounds__(kFewThreads, 2)  // 80 registers are not quite enough
    last_stage_kernel(FewTiling tiling, int channels, NormalisedMap x, const float* w,
                      const float* bias, Wanted wanted) {
  SHARED_DYNAMIC(float, shared);
  const Normalised load = prepare<kVector>(x, shared, shared + table_floats(x));
  const int channel = static_cast<int>(blockIdx.y);
  const int64_t image = blockIdx.x / tiling.tiles();
  const int tile = static_cast<int>(blockIdx.x % tiling.tiles());
  const int64_t image_pixels = int64_t{tiling.height} * tiling.width;
  LastEpilogue<Wanted> epilogue(wanted);
  for_few_outputs<kVector>(
      tiling, tile, x.channels, channels, x.x + image * image_pixels * x.channels, load,
      w + channel, [&](int row, int column, float sum) {
        const int at = (row * tiling.width + column) * channels + channel;
        epilogue.take({image, image_pixels * channels, at}, sigmoid_of(sum + bias[channel]));
      });
  epilogue.leave(int64_t{blockIdx.x} * channels + channel);
}

template <typename Wanted>
void run(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x, const float* w,
         const float* bias, const Wanted& wanted) {
  const FewTiling tiling = few_tiling(shape.height, shape.width);
  const int floats = table_floats(x) + (is_merged(x) ? merge_scratch(kFewThreads) : 0);
  launch(
      shape.filters % 4 == 0 ? last_stage_kernel<true, Wanted> : last_stage_kernel<false, Wanted>,
      {.grid = {shape.images * tiling.tiles(), shape.channels},
       .block = kFewThreads,
       .shared = sizeof(float) * static_cast<std::size_t>(floats),
       .stream = stream},
      tiling, static_cast<int>(shape.channels), x, w, bias, wanted);
}

constexpr int kErrorWarps = 4;  // a warp an image

__global__ void __launch_bounds__(kErrorWarps* kWarp)
    image_errors_kernel(int64_t images, int parts, const float* squares, float size,
                        float* errors) {
  const int64_t image = int64_t{blockIdx.x} * kErrorWarps + threadIdx.x / kWarp;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  float sum = 0;
  if (image < images) {
#pragma unroll 4
    for (int part = lane; part < parts; part += kWarp) sum += squares[image * parts + part];
  }
  sum = warp_sum(sum);
  if (image < images && lane == 0) errors[image] = sum / size;
}

}  // namespace

int last_stage_blocks(const Conv2dShape& shape) {
  return few_tiling(shape.height, shape.width).tiles();
}

void last_stage(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                const float* w, const float* bias, const PixelBatch& images,
                const LastOutput& output) {
  const double numbers = double(shape.large_pixels()) * double(shape.channels);
  run(stream, shape, x, w, bias, Gradients{images, float(2 / numbers), output});
}

void last_stage_errors(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                       const float* w, const float* bias, const PixelBatch& images, float* parts,
                       float* errors) {
  const auto size = float(shape.height * shape.width * shape.channels);
  const int image_parts = last_stage_blocks(shape) * static_cast<int>(shape.channels);
  if (image_parts == 1) {
    run(stream, shape, x, w, bias, Errors{images, errors, size});
    return;
  }
  run(stream, shape, x, w, bias, Errors{images, parts, 1});
  launch(image_errors_kernel,
         {.grid = blocks_for(shape.images, kErrorWarps),
          .block = kErrorWarps * kWarp,
          .stream = stream},
         shape.images, image_parts, parts, size, errors);
}

void last_stage_reconstructions(cudaStream_t stream, const Conv2dShape& shape,
                                const NormalisedMap& x, const float* w, const float* bias,
                                float* y) {
  run(stream, shape, x, w, bias, Reconstructions{y});
}

void last_stage_differences(cudaStream_t stream, const Conv2dShape& shape, const NormalisedMap& x,
                            const float* w, const float* bias, const PixelBatch& images,
                            float* differences) {
  run(stream, shape, x, w, bias, Differences{images, differences});
}

}  // namespace oddity::kernels
