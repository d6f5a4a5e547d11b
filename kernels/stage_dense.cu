#include "long_product.cuh"
#include "stage_dense.h"
#include "stage_outputs.cuh"

namespace oddity::kernels {
namespace {

/// Grid: images by kLongSide, outputs by kLongSide. The threads share the inputs of each sum.
template <bool kVector>
__global__ void __launch_bounds__(kLongThreads)
    dense_stage_kernel(DenseShape shape, NormalisedMap x, const float* w, const float* bias,
                       float* y) {
  SHARED_DYNAMIC(float, shared);
  const Normalised load = prepare<kVector>(x, shared, shared + table_floats(x));
  const int thread = thread_in_block();
  const int64_t first_image = int64_t{blockIdx.x} * kLongSide;
  const int64_t first_output = int64_t{blockIdx.y} * kLongSide;
  const int outputs = quad_size(first_output, shape.outputs);
  const bool quads = shape.outputs % 4 == 0;
  const float* rows[kLongSide];
#pragma unroll
  for (int i = 0; i < kLongSide; ++i) {
    // What lies beyond the images is not stored: any readable row will do.
    rows[i] = x.x + (first_image + i < shape.images ? first_image + i : 0) * shape.inputs;
  }
  float sum[kLongSide][kLongSide] = {};
  int channel = thread % x.channels;
  const int step = kLongThreads % x.channels;
#pragma unroll 4
  for (int64_t k = thread; k < shape.inputs; k += kLongThreads) {
    float weights[4];
    const float* const row = w + k * shape.outputs + first_output;
    if (quads) {
      load_quad<true>(row, 4, weights);
    } else {
      load_quad<false>(row, outputs, weights);
    }
    const float scale = load.tables[channel];
    const float shift = load.tables[load.pitch + channel];
#pragma unroll
    for (int i = 0; i < kLongSide; ++i) {
      const float value = fmaf(rows[i][k], scale, shift);
#pragma unroll
      for (int j = 0; j < kLongSide; ++j) sum[i][j] = fmaf(value, weights[j], sum[i][j]);
    }
    channel += step;
    if (channel >= x.channels) channel -= x.channels;
  }
  const float total = add_long_sums(sum);
  const int64_t image = first_image + thread / kLongSide;
  const int64_t output = first_output + thread % kLongSide;
  if (thread < kLongSums && image < shape.images && output < shape.outputs) {
    y[image * shape.outputs + output] = total + bias[output];
  }
}

/// Rows: images; columns: the channels of one of the map's pixels; depth: outputs. Grid: runs of
/// tiles of rows, each pixel's together; tiles of columns.
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile>(4))
    dense_stage_gradient_kernel(DenseShape shape, int channels, const float* dy, const float* w,
                                GradientOutput output, int image_tiles, RowTiles tiles) {
  SHARED_DYNAMIC(float, sums);
  const int first_channel = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const int depth = static_cast<int>(shape.outputs);
  GradientEpilogue<Tile> epilogue(output, channels, first_channel, sums);
  for (int tile = tiles.first(); tile < tiles.end(); ++tile) {
    __syncthreads();  // the last product has read its operands
    const int64_t first_input = int64_t{tile / image_tiles} * channels;
    const int64_t first_image = int64_t{tile % image_tiles} * Tile::kRows;
    MatrixAlongDepth<Tile::kRows, Tile::kThreads, kVector> rows(dy, shape.outputs, shape.images,
                                                                first_image, depth);
    MatrixAlongDepth<Tile::kColumns, Tile::kThreads, kVector> columns(
        w + first_input * shape.outputs, shape.outputs, channels, first_channel, depth);
    epilogue.store(multiply<Tile>(rows, columns, depth), [&](int i) {
      const int64_t image = first_image + Tile::row() + i;
      return image < shape.images ? image * shape.inputs + first_input : -1;
    });
  }
  epilogue.leave(first_channel);
}

/// Rows: inputs; columns: outputs; depth: images. Tiles are counted along a row of them first.
template <typename Tile, bool kVector>
__device__ __forceinline__ void weight_gradient_tile(const DenseWeights& layer, int64_t tile) {
  SHARED_DYNAMIC(float, shared);
  const DenseShape& shape = layer.shape;
  const int64_t row_tiles = (shape.outputs + Tile::kColumns - 1) / Tile::kColumns;  // in a row
  const int64_t first_input = tile / row_tiles * Tile::kRows;
  const int64_t first_output = tile % row_tiles * Tile::kColumns;
  const int depth = static_cast<int>(shape.images);
  const Normalised load = prepare<kVector>(layer.x, shared, shared + table_floats(layer.x));
  MatrixAlongExtent<Tile::kRows, Tile::kThreads, kVector, Normalised> rows(
      layer.x.x, shape.inputs, first_input, depth, load, layer.x.channels);
  MatrixAlongExtent<Tile::kColumns, Tile::kThreads, kVector> columns(layer.dy, shape.outputs,
                                                                     first_output, depth);
  const auto sums = multiply<Tile>(rows, columns, depth);
  store_sums(sums, first_output + Tile::column(), shape.outputs, nullptr, Epilogue::none, layer.dw,
             [&](int i) {
               const int64_t input = first_input + Tile::row() + i;
               return input < shape.inputs ? input * shape.outputs : -1;
             });
}

/// Grid: the first layer's tiles, then the second's.
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile>(kVector ? 5 : 4))
    dense_stage_weight_gradients_kernel(DenseWeights first, DenseWeights second,
                                        int64_t first_tiles) {
  if (blockIdx.x < first_tiles) {
    weight_gradient_tile<Tile, kVector>(first, blockIdx.x);
  } else {
    weight_gradient_tile<Tile, kVector>(second, blockIdx.x - first_tiles);
  }
}

template <typename Tile>
int64_t weight_tiles(const DenseShape& shape) {
  return blocks_for(shape.inputs, Tile::kRows) * blocks_for(shape.outputs, Tile::kColumns);
}

/// Where all of a layer's operands can be read four at a time.
bool reads_quads(const DenseWeights& layer) {
  return layer.shape.inputs % 4 == 0 && layer.shape.outputs % 4 == 0 && layer.x.channels % 4 == 0;
}

struct ImageTiles {
  int images;  // tiles of them
  RowTiles rows;
};

ImageTiles image_tiles(const DenseShape& shape, int channels) {
  ImageTiles tiles{};
  with_tile(channels, true, [&]<typename Tile, bool kVector>() {
    const int64_t images = blocks_for(shape.images, Tile::kRows);
    tiles = {static_cast<int>(images), cut_row_tiles(images * (shape.inputs / channels), channels)};
  });
  return tiles;
}

}  // namespace

void dense_stage(cudaStream_t stream, const DenseShape& shape, const NormalisedMap& x,
                 const float* w, const float* bias, float* y) {
  const int floats = table_floats(x) + merge_scratch(kLongThreads);
  launch(x.channels % 4 == 0 ? dense_stage_kernel<true> : dense_stage_kernel<false>,
         {.grid = {blocks_for(shape.images, kLongSide), blocks_for(shape.outputs, kLongSide)},
          .block = kLongThreads,
          .shared = sizeof(float) * static_cast<std::size_t>(floats),
          .stream = stream},
         shape, x, w, bias, y);
}

int dense_stage_blocks(const DenseShape& shape, int channels) {
  return image_tiles(shape, channels).rows.blocks();
}

void dense_stage_gradient(cudaStream_t stream, const DenseShape& shape, int channels,
                          const float* dy, const float* w, const GradientOutput& dx) {
  const ImageTiles tiles = image_tiles(shape, channels);
  with_tile(channels, shape.outputs % 4 == 0, [&]<typename Tile, bool kVector>() {
    launch(dense_stage_gradient_kernel<Tile, kVector>,
           {.grid = {tiles.rows.blocks(), blocks_for(channels, Tile::kColumns)},
            .block = Tile::kThreads,
            .shared = sizeof(float) * GradientEpilogue<Tile>::kSharedFloats,
            .stream = stream},
           shape, channels, dy, w, dx, tiles.images, tiles.rows);
  });
}

void dense_stage_weight_gradients(cudaStream_t stream, const DenseWeights& first,
                                  const DenseWeights& second) {
  const bool vector = reads_quads(first) && reads_quads(second);
  const int floats = std::max(table_floats(first.x), table_floats(second.x));
  with_tile(first.shape.outputs, vector, [&]<typename Tile, bool kVector>() {
    const int64_t first_tiles = weight_tiles<Tile>(first.shape);
    launch(
        dense_stage_weight_gradients_kernel<Tile, kVector>,
        {.grid = first_tiles + weight_tiles<Tile>(second.shape),
         .block = Tile::kThreads,
         .shared = sizeof(float) * static_cast<std::size_t>(floats + merge_scratch(Tile::kThreads)),
         .stream = stream},
        first, second, first_tiles);
  });
}

}  // namespace oddity::kernels
