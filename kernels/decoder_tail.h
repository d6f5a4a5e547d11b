// The end of inference in one launch: the last normalised stage, which makes the largest map of
// all, the transposed convolution behind it, sigmoid and errors. A block works on a region of an
// image; of the map it has a tile at a time, in registers, and what that adds to the logits goes to
// shared memory at once: the map is never stored.
#pragma once

#include "stage.h"

namespace oddity::kernels {

/// The two layers. The stage's channels are at most kMostStageChannels, and so are the image's.
struct DecoderTail {
  Conv2dShape stage;                  // stride 2, from [N, H/2, W/2, K] to [N, H, W, C]
  const float* w = nullptr;           // [K, 3, 3, C]
  const float* bias = nullptr;        // [C]
  const float* statistics = nullptr;  // of the stage's map [kStatistics, C]
  int channels = 0;                   // of an image
  const float* last_w = nullptr;      // [C, 3, 3, channels]
  const float* last_bias = nullptr;   // [channels]
};

enum class TailResult {
  reconstructions,      // y [N, H, W, channels] in [0,1]
  squared_differences,  // (x − y)² [N, H, W, channels]
  errors,  // [regions, N]: what each region adds to the mean of (x − y)² of its image
};

/// Regions that an image is cut into.
int64_t decoder_tail_regions(const Conv2dShape& stage, int64_t channels);

/// `result` of x [N, H/2, W/2, K], not normalised or by its statistics, to `to`. `images` are not
/// read for reconstructions. An image's bits do not change with N.
void decoder_tail(cudaStream_t stream, const DecoderTail& layers, const NormalisedMap& x,
                  const PixelBatch& images, TailResult result, float* to);

}  // namespace oddity::kernels
