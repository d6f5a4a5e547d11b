// The score of an image in one kernel, on tensor cores: fp16 operands, float32 sums. For the
// network of 28x28x1 images with filters 32 and 64 and 16 latent numbers.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace oddity::kernels {

/// A lane's words of an A tile, or of two neighbouring B tiles (words 0 and 1, 2 and 3), of
/// tensor.cuh: 16 bytes, so that a warp reads a tile in one access.
using TileWords = uint4;

/// The network with its batch normalisation folded (host/engine/cuda/folded_network.h), laid out in
/// the order in which lanes multiply; all in device memory, 16-byte aligned. [32] is the lanes.
/// Sides: 28 (images), 14 (after the first convolution, and after the first transposed one), 7.
struct ScoreFp16Weights {
  const TileWords* conv1;    // B [2 pairs of 8 filters][32]: row 4·ky + kx, taps of 3 are 0
  const float* conv1_bias;   // [32], times 255: pixels stay bytes
  const float* conv1_scale;  // [32], by 255
  const float* conv1_shift;  // [32]
  const TileWords* conv2;    // A [9 taps][2 halves of the channels][4][32]: row a filter (the even
                             //   ones of 16, then the odd), column a channel
  const float* conv2_bias;   // [64]
  const TileWords* dense1;   // A [196][32]: row a latent number, columns 16 features
  const float* dense1_bias;  // [16]
  const TileWords* map;      // A [14 rows][14 columns][4][32]: row a channel (the even ones of 16,
                             //   then the odd), column a latent number
  const float* map_bias;     // [14][14][64]
  const float* map_scale;    // [64]
  const float* map_shift;    // [64]
  const TileWords* transposed2;   // B [9 taps][4 quarters of the channels][2 pairs of filters][32]
  const float* transposed2_bias;  // [32]
  // Of the last stage: what the 2 × 2 pixels above a pixel of the map add to the 4 × 4 logits
  // around, as numbers 4·row + column.
  const TileWords* transposed3;    // B [4 pixels][2 halves of the channels][32]: columns are rows 0
                                   //   and 2 of logits, and in the second tile rows 1 and 3
  const float* transposed3_patch;  // [16]: what is added whatever the channels, bias included
};

/// How the kernel uses a multiprocessor; the bits are the same.
enum class ScorePlan {
  small,   // 4 warps, for 64 KiB of shared memory
  medium,  // 8 warps, for 99 KiB: decoder and encoder weights in turns
  large    // 8 warps, for 163 KiB: both stay
};
inline constexpr ScorePlan kScorePlans[] = {ScorePlan::small, ScorePlan::medium, ScorePlan::large};

/// Dynamic shared memory of a block in bytes.
std::size_t score_fp16_shared(ScorePlan plan);

/// scores [count] as score_fp32() gives them (score_fp32.h), within 3e-3 of them. A score's bits
/// depend on its own image alone. `blocks` ≥ 1 share the images: one a multiprocessor. Every weight
/// must be finite in fp16.
void score_fp16(cudaStream_t stream, ScorePlan plan, int64_t blocks,
                const ScoreFp16Weights& weights, const uint8_t* images, const uint32_t* positions,
                int64_t first, int64_t count, float* scores);

}  // namespace oddity::kernels
