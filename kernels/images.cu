#include "groups.cuh"
#include "images.h"
#include "pixels.cuh"

namespace oddity::kernels {
namespace {

// Four pixels in one access: 4, 8 or 16 bytes.
template <typename Pixel>
struct alignas(4 * sizeof(Pixel)) FourPixels {
  Pixel at[4];
};

/// Where image i of the output comes from.
struct Source {
  const uint32_t* positions;  // null: images lie in order
  const EpochState* state;    // null: step 0
  int64_t batch;
  int64_t first;

  __device__ __forceinline__ int64_t operator()(int64_t i) const {
    if (positions == nullptr) return first + i;
    const int64_t step = state == nullptr ? 0 : state->step;
    return positions[step * batch + first + i];
  }
};

// `parts` blocks an image, four numbers a thread.
template <typename Pixel>
__global__ void __launch_bounds__(kFlatThreads)
    load_images_kernel(const Pixel* __restrict__ images, int64_t size, Source source,
                       unsigned parts, float* __restrict__ x, bool aligned) {
  const unsigned image = blockIdx.x / parts;
  const unsigned part = blockIdx.x - image * parts;
  const int64_t i = 4 * (int64_t{part} * blockDim.x + threadIdx.x);
  if (i >= size) return;
  const Pixel* const pixels = images + source(image) * size;
  Four four{};
  if (aligned) {
    const auto loaded = *reinterpret_cast<const FourPixels<Pixel>*>(pixels + i);
#pragma unroll
    for (int j = 0; j < 4; ++j) four.at[j] = unit(loaded.at[j]);
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (i + j < size) four.at[j] = unit(pixels[i + j]);
    }
  }
  store_four(x + image * size, i, size, four, aligned);
}

template <typename Pixel>
void load_pixels(cudaStream_t stream, const void* images, int64_t size, const Source& source,
                 int64_t count, float* x) {
  // No more threads than an image needs, in whole warps.
  const int64_t threads = min(int64_t{kFlatThreads}, kWarp * blocks_for(size, 4 * kWarp));
  const int64_t parts = blocks_for(size, 4 * threads);
  const bool aligned = size % 4 == 0 && all_aligned(x) &&
                       reinterpret_cast<std::uintptr_t>(images) % alignof(FourPixels<Pixel>) == 0;
  launch(load_images_kernel<Pixel>, {.grid = count * parts, .block = threads, .stream = stream},
         static_cast<const Pixel*>(images), size, source, unsigned(parts), x, aligned);
}

void load(cudaStream_t stream, Pixels type, const void* images, int64_t size, const Source& source,
          int64_t count, float* x) {
  switch (type) {
    case Pixels::u8:
      return load_pixels<uint8_t>(stream, images, size, source, count, x);
    case Pixels::u16:
      return load_pixels<uint16_t>(stream, images, size, source, count, x);
    case Pixels::f32:
      return load_pixels<float>(stream, images, size, source, count, x);
  }
}

}  // namespace

void load_images(cudaStream_t stream, Pixels type, const void* images, int64_t size, int64_t first,
                 int64_t count, float* x) {
  load(stream, type, images, size, {nullptr, nullptr, 0, first}, count, x);
}

void gather_images(cudaStream_t stream, Pixels type, const void* images, int64_t size,
                   const uint32_t* positions, const EpochState* state, int64_t batch, int64_t first,
                   int64_t count, float* x) {
  load(stream, type, images, size, {positions, state, batch, first}, count, x);
}

}  // namespace oddity::kernels
