#include "decoder_tail.h"
#include "norm_inputs.cuh"
#include "sigmoid.cuh"
#include "tail_regions.cuh"
#include "transposed_weights.cuh"

namespace oddity::kernels {
namespace {

constexpr int kStride = 2;
constexpr int kTaps = 9;

// A warp has whole rows of the tile, so that it can multiply them with the last layer's weights.
// Few rows: an image of 28×28 has 196 of each phase.
using SquareTile = Tile<32, 32, 4>;

template <typename Launch>
void with_tail_tile(const DecoderTail& layers, Launch launch_tile) {
  const bool vector = layers.stage.channels % 4 == 0 && layers.stage.filters % 4 == 0;
  if (layers.stage.channels > NarrowTile::kColumns) {
    vector ? launch_tile.template operator()<SquareTile, true>()
           : launch_tile.template operator()<SquareTile, false>();
  } else {
    vector ? launch_tile.template operator()<NarrowTile, true>()
           : launch_tile.template operator()<NarrowTile, false>();
  }
}

/// The lanes of a warp that share rows of a tile; each is given the sums of one of them.
template <typename Tile>
struct RowLanes {
  static constexpr int kLanes = Tile::kColumns / 4;
  static constexpr int kSharing = kLanes / Tile::kThreadRows;  // lanes that are given the same row
  static_assert(Tile::kColumns <= 32 && kSharing >= 1);

  /// The row that this thread is given.
  static __device__ int row() { return Tile::row() + lane_in_warp() % kLanes / kSharing; }
  /// Whether it is the first of those given the same.
  static __device__ bool first() { return lane_in_warp() % kSharing == 0; }

  /// The sum of its row over the lanes: they exchange halves of what they still have.
  static __device__ __forceinline__ float sum(float (&values)[Tile::kThreadRows]) {
    int rows = Tile::kThreadRows;
#pragma unroll
    for (int step = kLanes / 2; step > 0; step /= 2) {
      if (rows == 1) {
        values[0] += __shfl_xor_sync(kAllLanes, values[0], step);
        continue;
      }
      rows /= 2;
      const bool upper = (lane_in_warp() & step) != 0;
#pragma unroll
      for (int i = 0; i < rows; ++i) {
        const float sent = upper ? values[i] : values[i + rows];
        const float kept = upper ? values[i + rows] : values[i];
        values[i] = kept + __shfl_xor_sync(kAllLanes, sent, step);
      }
    }
    return values[0];
  }
};

/// The stage's epilogue, bias, LeakyReLU and normalisation, of columns `first` … + 3 of the map.
template <typename Tile>
__device__ __forceinline__ void finish_map(const DecoderTail& layers, int first, Sums<Tile>& map) {
  const int channels = static_cast<int>(layers.stage.channels);
  const int size = quad_size(first, channels);
  float bias[4], scale[4], shift[4];
  load_quad<false>(layers.bias + first, size, bias);
  load_quad<false>(layers.statistics + kScale * channels + first, size, scale);
  load_quad<false>(layers.statistics + kShift * channels + first, size, shift);
#pragma unroll
  for (int i = 0; i < Tile::kThreadRows; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      map.values[i][j] =
          fmaf(finish(map.values[i][j], bias[j], Epilogue::bias_leaky_relu), scale[j], shift[j]);
    }
  }
}

/// The products of this thread's row of the map with the nine taps of one channel of the image;
/// those of columns `first` … + 3 are its own part.
template <typename Tile>
__device__ __forceinline__ void multiply_taps(const DecoderTail& layers, int first, int channel,
                                              const Sums<Tile>& map, float (&products)[kTaps]) {
  const int size = quad_size(first, layers.stage.channels);
#pragma unroll
  for (int tap = 0; tap < kTaps; ++tap) {
    float weights[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int at = ((first + j) * kTaps + tap) * layers.channels + channel;
      weights[j] = j < size ? layers.last_w[at] : 0;
    }
    float sums[Tile::kThreadRows];
#pragma unroll
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      sums[i] = __fmul_rn(map.values[i][0], weights[0]);
#pragma unroll
      for (int j = 1; j < 4; ++j) sums[i] = fmaf(map.values[i][j], weights[j], sums[i]);
    }
    products[tap] = RowLanes<Tile>::sum(sums);
  }
}

/// Adds the products of a row of the map, which lies at `pixel`, to the logits around it: tap
/// (r, c) is what pixel (row + r − 1, column + c − 1) is reached by. Pixels of a phase are two
/// apart. So the taps 1 and 2 of each axis reach different logits from all of them; then there are
/// those with tap 0. The whole block calls it: its barriers keep products before it from those
/// behind, and theirs the logits.
__device__ __forceinline__ void add_to_logits(const TailRegion& region, int channel, Pixel pixel,
                                              bool adds, const float (&products)[kTaps],
                                              float* logits) {
#pragma unroll
  for (int round = 0; round < 4; ++round) {
    if (round > 0) {
      __syncthreads();
    }
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const int tap_row = tap / 3;
      const int tap_column = tap % 3;
      if ((tap_row == 0 ? 1 : 0) + (tap_column == 0 ? 2 : 0) != round) continue;
      const int at = region.logit(pixel.row + tap_row - 1, pixel.column + tap_column - 1, channel);
      if (adds && at >= 0) logits[at] += products[tap];
    }
  }
}

/// What becomes of a region's logits. The whole block calls it, once.
__device__ __forceinline__ void finish_region(const DecoderTail& layers, const TailRegions& regions,
                                              const TailRegion& region, const PixelBatch& images,
                                              TailResult result, const float* logits, float* to) {
  SHARED_ARRAY(float, scratch, [kWarp]);
  const Gathered pixels = gathered(images);
  const int64_t size = regions.numbers();
  float squares = 0;
  for (int n = thread_in_block(); n < regions.logits(); n += static_cast<int>(blockDim.x)) {
    const int at = regions.image_number(region, n);
    if (at < 0) continue;
    const float y = sigmoid_of(logits[n] + layers.last_bias[regions.channel(n)]).value;
    const int64_t place = region.image * size + at;
    if (result == TailResult::reconstructions) {
      to[place] = y;
      continue;
    }
    const float difference = y - pixels.pixel(region.image, size, at);
    if (result == TailResult::squared_differences) {
      to[place] = __fmul_rn(difference, difference);
    } else {
      squares = fmaf(difference, difference, squares);
    }
  }
  if (result != TailResult::errors) return;
  squares = block_sum(squares, scratch);
  if (thread_in_block() == 0) {
    to[region.number * layers.stage.images + region.image] = squares / float(size);
  }
}

/// Rows: the pixels of one phase of a region and the margin around it; columns: the channels of the
/// map; depth: the taps and filters (conv2d_transpose.cu). Grid: the regions of all images.
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile>(3))
    decoder_tail_kernel(DecoderTail layers, TailRegions regions, Patches patches, NormalisedMap x,
                        PixelBatch images, TailResult result, float* to) {
  SHARED_DYNAMIC(float, shared);
  const Normalised load = prepare<kVector>(x, shared, nullptr);
  float* const logits = shared + table_floats(x);
  for (int n = thread_in_block(); n < regions.logits(); n += Tile::kThreads) logits[n] = 0;
  const TailRegion region = regions.at(blockIdx.x);
  const int channels = static_cast<int>(layers.stage.channels);
  const int positions = static_cast<int>(patches.grid.pixels());
  patches.x = x.x + region.image * patches.size();
  const PixelsFrom pixels(patches.grid, 0);
  for (int phase = 0; phase < kStride * kStride; ++phase) {
    const int phase_row = phase / kStride;
    const int phase_column = phase % kStride;
    const AxisTaps row_taps = axis_taps(kStride, phase_row);
    const AxisTaps column_taps = axis_taps(kStride, phase_column);
    set_taps(patches, row_taps, column_taps);
    // The margin is before the region in odd rows and columns, behind it in even ones.
    const int first_row = region.row / kStride - regions.row_margin * phase_row;
    const int first_column = region.column / kStride - regions.column_margin * phase_column;
    patches.first_row += first_row;
    patches.first_column += first_column;
    for (int first = 0; first < positions; first += Tile::kRows) {
      const int position = first + RowLanes<Tile>::row();
      Pixel pixel = pixels.at(position);
      pixel.row = (first_row + pixel.row) * kStride + phase_row;
      pixel.column = (first_column + pixel.column) * kStride + phase_column;
      const bool adds = RowLanes<Tile>::first() && position < positions &&
                        regions.inside_image(pixel.row, pixel.column);
      for (int first_channel = 0; first_channel < channels; first_channel += Tile::kColumns) {
        PatchesAlongDepth<Tile::kRows, Tile::kThreads, kVector, Normalised> rows(patches, first,
                                                                                 load);
        TransposedWeights<Tile::kColumns, Tile::kThreads, kVector> columns(
            layers.w, patches.channels, channels, first_channel, kStride, row_taps, column_taps);
        auto map = multiply<Tile>(rows, columns, patches.depth());
        const int column = first_channel + Tile::column();
        finish_map<Tile>(layers, column, map);
        for (int channel = 0; channel < layers.channels; ++channel) {
          float products[kTaps];
          multiply_taps<Tile>(layers, column, channel, map, products);
          add_to_logits(region, channel, pixel, adds, products, logits);
        }
      }
    }
  }
  __syncthreads();
  finish_region(layers, regions, region, images, result, logits, to);
}

}  // namespace

int64_t decoder_tail_regions(const Conv2dShape& stage, int64_t channels) {
  return tail_regions(stage, channels).count();
}

void decoder_tail(cudaStream_t stream, const DecoderTail& layers, const NormalisedMap& x,
                  const PixelBatch& images, TailResult result, float* to) {
  const TailRegions regions = tail_regions(layers.stage, layers.channels);
  Patches patches = transposed_patches(layers.stage, x.x);
  patches.grid = regions.phase_grid();
  const int floats = table_floats(x) + regions.logits();
  with_tail_tile(layers, [&]<typename Tile, bool kVector>() {
    launch(decoder_tail_kernel<Tile, kVector>,
           {.grid = layers.stage.images * regions.count(),
            .block = Tile::kThreads,
            .shared = sizeof(float) * static_cast<std::size_t>(floats),
            .stream = stream},
           layers, regions, patches, x, images, result, to);
  });
}

}  // namespace oddity::kernels
