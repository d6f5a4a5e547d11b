// One warp scores one image; the warps of a block share what is the same for all of them: weights
// in shared memory, and the two products with the latent vectors, of which the images are the
// columns. No activation leaves the multiprocessor:
//   - The first convolution makes five rows, the second two of them, whose part of the latent
//     vector is taken at once: a strip of rows is all that exists.
//   - dense2 and the first transposed convolution, between which nothing bends, are one map. It
//     makes two tiles of 16 pixels at a time, in a ring of three.
//   - The second transposed convolution is four sums, one for each parity of row and column of its
//     output, of nine taps in all. Its sums are, register for register, the A of the third: the
//     largest map exists in registers alone. The four together make one product with the third's
//     taps, which gives all logits that a pixel of the map reaches.
// What a tile has too much is multiplied for nothing, so pixels are where 16 or 8 of them fit best:
// the rows of 7 of the second convolution are columns of B, 8 at a time; those of 14 of the map are
// rows of A that go on over the ends of the map's rows.
// Rounding to fp16: pixels are exact as bytes; the latent vector, where rounding cost most, is kept
// in two halves of 11 bits.
#include <algorithm>

#include "score_fp16_decoder.cuh"
#include "score_fp16_encoder.cuh"

namespace oddity::kernels {
namespace fp16 {
namespace {

template <typename L>
__global__ void __launch_bounds__(L::kThreads, 1)
    score_fp16_kernel(ScoreFp16Weights weights, const uint8_t* images, const uint32_t* positions,
                      int64_t first, int64_t count, float* scores) {
  SHARED_DYNAMIC(unsigned char, shared);
  const Place<L> place{shared, warp_in_block(), tile_lane()};
  clear_zeros<L>(shared);
  if (L::kResident) {
    copy_weights<L>(place.encoder_weights(), weights.conv2);
    copy_weights<L>(place.decoder_weights(), weights.transposed2);
  }
  const int64_t stride = int64_t{gridDim.x} * L::kWarps;
  for (int64_t base = int64_t{blockIdx.x} * L::kWarps; base < count; base += stride) {
    // Every warp works, for barriers' sake; what is beyond the last image is not stored.
    const int64_t image = min(base + place.warp, count - 1);
    const int64_t position =
        positions == nullptr ? first + image : int64_t{positions[first + image]};
    const uint8_t* const pixels = images + position * kPixels;
    if (!L::kResident) copy_weights<L>(place.encoder_weights(), weights.conv2);
    uint32_t* const as_halves = reinterpret_cast<uint32_t*>(place.area() + kStripBytes);
    load_image(as_halves, pixels, place.lane.index);
    __syncthreads();

    float parts[kParts<L>][4] = {};
#pragma unroll 1
    for (int strip = 0; strip < kStrips; ++strip) {
      first_convolution(weights, as_halves, place.area(), strip, place.lane);
      if (is_last(strip)) {
        second_convolution<1>(weights, place.encoder_weights(), place.area(), place.lane);
      } else {
        second_convolution<2>(weights, place.encoder_weights(), place.area(), place.lane);
      }
      __syncthreads();
      add_to_latent(weights, place, strip, parts);
      __syncthreads();
    }
    store_parts(place, parts);
    if (!L::kResident) copy_weights<L>(place.decoder_weights(), weights.transposed2);
    __syncthreads();
    finish_latent(weights, place);
    __syncthreads();

    const float error = warp_sum(decode(weights, place, pixels));
    if (place.lane.index == 0 && base + place.warp < count) {
      scores[base + place.warp] = error * (1.0f / kPixels);
    }
  }
}

template <typename Work>
auto with_layout(ScorePlan plan, Work work) {
  switch (plan) {
    case ScorePlan::small:
      return work.template operator()<Small>();
    case ScorePlan::medium:
      return work.template operator()<Medium>();
    case ScorePlan::large:
      break;
  }
  return work.template operator()<Large>();
}

}  // namespace
}  // namespace fp16

std::size_t score_fp16_shared(ScorePlan plan) {
  return fp16::with_layout(plan, [&]<typename L>() { return std::size_t{L::kBytes}; });
}

void score_fp16(cudaStream_t stream, ScorePlan plan, int64_t blocks,
                const ScoreFp16Weights& weights, const uint8_t* images, const uint32_t* positions,
                int64_t first, int64_t count, float* scores) {
  if (count == 0) return;
  fp16::with_layout(plan, [&]<typename L>() {
    allow_shared(fp16::score_fp16_kernel<L>, L::kBytes);
    launch(fp16::score_fp16_kernel<L>,
           {.grid = std::min(blocks, blocks_for(count, L::kWarps)),
            .block = L::kThreads,
            .shared = L::kBytes,
            .stream = stream},
           weights, images, positions, first, count, scores);
  });
}

}  // namespace oddity::kernels
