#include <algorithm>

#include "dense.h"
#include "gemm.cuh"
#include "long_product.cuh"
#include "norm_inputs.cuh"
#include "slices.h"

namespace oddity::kernels {
namespace {

// Features can be many: their tiles lie along x of a grid, which alone may exceed 65,535.

/// An operand that is read as it is stored, beside those of norm_inputs.cuh.
struct StoredRows {
  const float* x = nullptr;
  static constexpr int channels = 1;
};
__host__ __device__ inline int table_floats(const StoredRows&) { return 0; }
template <bool kVector>
__device__ __forceinline__ AsStored prepare(const StoredRows&, float*, float*) {
  return {};
}

/// Rows: images; columns: outputs; depth: a slice of the inputs. Grid: tiles of columns, tiles of
/// rows, slices. To y [slices, images, outputs].
template <typename Tile, bool kVector, typename Input>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile>(4))
    dense_kernel(DenseShape shape, int slice_inputs, Input input, const float* w, const float* bias,
                 Epilogue epilogue, float* y) {
  SHARED_DYNAMIC(float, tables);
  const auto load = prepare<kVector>(input, tables, nullptr);  // of what nobody has to merge
  const int64_t first_output = int64_t{blockIdx.x} * Tile::kColumns;
  const int64_t first_image = int64_t{blockIdx.y} * Tile::kRows;
  const int64_t first_input = int64_t{blockIdx.z} * slice_inputs;
  const int64_t left = shape.inputs - first_input;
  const int depth = left < slice_inputs ? static_cast<int>(left) : slice_inputs;
  MatrixAlongDepth<Tile::kRows, Tile::kThreads, kVector, LoadOf<Input>> rows(
      input.x + first_input, shape.inputs, shape.images, first_image, depth, load, input.channels,
      static_cast<int>(first_input % input.channels));
  MatrixAlongExtent<Tile::kColumns, Tile::kThreads, kVector> columns(
      w + first_input * shape.outputs, shape.outputs, first_output, depth);
  const auto sums = multiply<Tile>(rows, columns, depth);
  store_sums(sums, first_output + Tile::column(), shape.outputs, bias, epilogue,
             y + blockIdx.z * shape.images * shape.outputs, [&](int i) {
               const int64_t image = first_image + Tile::row() + i;
               return image < shape.images ? image * shape.outputs : -1;
             });
}

/// Rows: images; columns: inputs; depth: outputs. Grid: tiles of columns, tiles of rows.
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads)
    dense_data_gradient_kernel(DenseShape shape, const float* dy, const float* w, float* dx) {
  const int64_t first_input = int64_t{blockIdx.x} * Tile::kColumns;
  const int64_t first_image = int64_t{blockIdx.y} * Tile::kRows;
  const int depth = static_cast<int>(shape.outputs);
  MatrixAlongDepth<Tile::kRows, Tile::kThreads, kVector> rows(dy, shape.outputs, shape.images,
                                                              first_image, depth);
  MatrixAlongDepth<Tile::kColumns, Tile::kThreads, kVector> columns(w, shape.outputs, shape.inputs,
                                                                    first_input, depth);
  const auto sums = multiply<Tile>(rows, columns, depth);
  store_sums(sums, first_input + Tile::column(), shape.inputs, nullptr, Epilogue::none, dx,
             [&](int i) {
               const int64_t image = first_image + Tile::row() + i;
               return image < shape.images ? image * shape.inputs : -1;
             });
}

/// dense_data_gradient to few inputs from many outputs. Grid: images by kLongSide, inputs by
/// kLongSide.
template <bool kVector>
__global__ void __launch_bounds__(kLongThreads)
    dense_data_gradient_long_kernel(DenseShape shape, const float* dy, const float* w, float* dx) {
  const int thread = thread_in_block();
  const int64_t first_image = int64_t{blockIdx.x} * kLongSide;
  const int64_t first_input = int64_t{blockIdx.y} * kLongSide;
  float sum[kLongSide][kLongSide] = {};
  for (int64_t k = 4 * thread; k < shape.outputs; k += 4 * kLongThreads) {
    float a[kLongSide][4], b[kLongSide][4];
#pragma unroll
    for (int i = 0; i < kLongSide; ++i) {
      // What lies beyond the extents is not stored: any readable row will do.
      const int64_t image = first_image + i < shape.images ? first_image + i : 0;
      const int64_t input = first_input + i < shape.inputs ? first_input + i : 0;
      load_quad<kVector>(dy + image * shape.outputs + k, quad_size(k, shape.outputs), a[i]);
      load_quad<kVector>(w + input * shape.outputs + k, quad_size(k, shape.outputs), b[i]);
    }
#pragma unroll
    for (int i = 0; i < kLongSide; ++i) {
#pragma unroll
      for (int j = 0; j < kLongSide; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) sum[i][j] += a[i][e] * b[j][e];
      }
    }
  }
  const float total = add_long_sums(sum);
  const int64_t image = first_image + thread / kLongSide;
  const int64_t input = first_input + thread % kLongSide;
  if (thread < kLongSums && image < shape.images && input < shape.inputs) {
    dx[image * shape.inputs + input] = total;
  }
}

/// Rows: inputs; columns: outputs; depth: images. Grid: tiles, along a row of them first, as either
/// side may be the features.
template <typename Tile, bool kVector>
__global__ void __launch_bounds__(Tile::kThreads)
    dense_weight_gradient_kernel(DenseShape shape, const float* x, const float* dy, float* dw) {
  const int64_t row_tiles = (shape.outputs + Tile::kColumns - 1) / Tile::kColumns;  // in a row
  const int64_t first_input = blockIdx.x / row_tiles * Tile::kRows;
  const int64_t first_output = blockIdx.x % row_tiles * Tile::kColumns;
  const int depth = static_cast<int>(shape.images);
  MatrixAlongExtent<Tile::kRows, Tile::kThreads, kVector> rows(x, shape.inputs, first_input, depth);
  MatrixAlongExtent<Tile::kColumns, Tile::kThreads, kVector> columns(dy, shape.outputs,
                                                                     first_output, depth);
  const auto sums = multiply<Tile>(rows, columns, depth);
  store_sums(sums, first_output + Tile::column(), shape.outputs, nullptr, Epilogue::none, dw,
             [&](int i) {
               const int64_t input = first_input + Tile::row() + i;
               return input < shape.inputs ? input * shape.outputs : -1;
             });
}

/// Up to 64 slices where the outputs alone make few tiles. Of the images nothing may depend.
Slices cut(const DenseShape& shape) {
  constexpr int64_t kBlocks = 64;
  int64_t tiles = 1;
  with_tile(shape.outputs, true, [&]<typename Tile, bool kVector>() {
    tiles = blocks_for(shape.outputs, Tile::kColumns);
  });
  return cut_into_slices(shape.inputs, std::max<int64_t>(kBlocks / tiles, 1));
}

bool all_vector(const DenseShape& shape) { return shape.inputs % 4 == 0 && shape.outputs % 4 == 0; }
bool reads_quads(const DenseShape& shape, const StoredRows&) { return all_vector(shape); }
bool reads_quads(const DenseShape& shape, const NormalisedMap& x) {
  return all_vector(shape) && x.channels % 4 == 0;
}

/// Of each slice: y [slices.count, images, outputs], with the bias where there is but one.
template <typename Input>
void launch_dense(cudaStream_t stream, const DenseShape& shape, const Slices& slices,
                  const Input& x, const float* w, const float* bias, float* y) {
  with_tile(shape.outputs, reads_quads(shape, x), [&]<typename Tile, bool kVector>() {
    launch(dense_kernel<Tile, kVector, Input>,
           {.grid = {blocks_for(shape.outputs, Tile::kColumns),
                     blocks_for(shape.images, Tile::kRows), slices.count},
            .block = Tile::kThreads,
            .shared = sizeof(float) * static_cast<std::size_t>(table_floats(x)),
            .stream = stream},
           shape, static_cast<int>(slices.depth), x, w, bias,
           slices.count == 1 ? Epilogue::bias : Epilogue::none, y);
  });
}

}  // namespace

int64_t dense_slices(const DenseShape& shape) { return cut(shape).count; }

int64_t dense_workspace(const DenseShape& shape) {
  const int64_t slices = dense_slices(shape);
  return slices > 1 ? slices * shape.images * shape.outputs : 0;
}

void dense(cudaStream_t stream, const DenseShape& shape, const float* x, const float* w,
           const float* bias, float* y, float* workspace) {
  if (shape.images == 0) return;
  const Slices slices = cut(shape);
  const bool whole = slices.count == 1;
  launch_dense(stream, shape, slices, StoredRows{x}, w, bias, whole ? y : workspace);
  if (!whole) {
    sum_slices(stream, slices.count, shape.images, shape.outputs, workspace, bias, y);
  }
}

void dense_parts(cudaStream_t stream, const DenseShape& shape, const NormalisedMap& x,
                 const float* w, const float* bias, float* parts) {
  launch_dense(stream, shape, cut(shape), x, w, bias, parts);
}

void dense_whole(cudaStream_t stream, const DenseShape& shape, const float* x, const float* w,
                 const float* bias, float* y) {
  launch_dense(stream, shape, {1, shape.inputs}, StoredRows{x}, w, bias, y);
}

void dense_data_gradient(cudaStream_t stream, const DenseShape& shape, const float* dy,
                         const float* w, float* dx) {
  if (shape.images == 0) return;
  const bool vector = shape.outputs % 4 == 0;
  if (shape.inputs <= 128 && shape.outputs >= 512) {
    launch(vector ? dense_data_gradient_long_kernel<true> : dense_data_gradient_long_kernel<false>,
           {.grid = {blocks_for(shape.images, kLongSide), blocks_for(shape.inputs, kLongSide)},
            .block = kLongThreads,
            .stream = stream},
           shape, dy, w, dx);
    return;
  }
  with_tile(shape.inputs, vector, [&]<typename Tile, bool kVector>() {
    launch(
        dense_data_gradient_kernel<Tile, kVector>,
        {.grid = {blocks_for(shape.inputs, Tile::kColumns), blocks_for(shape.images, Tile::kRows)},
         .block = Tile::kThreads,
         .stream = stream},
        shape, dy, w, dx);
  });
}

void dense_weight_gradient(cudaStream_t stream, const DenseShape& shape, const float* x,
                           const float* dy, float* dw) {
  with_tile(shape.outputs, all_vector(shape), [&]<typename Tile, bool kVector>() {
    launch(
        dense_weight_gradient_kernel<Tile, kVector>,
        {.grid = blocks_for(shape.inputs, Tile::kRows) * blocks_for(shape.outputs, Tile::kColumns),
         .block = Tile::kThreads,
         .stream = stream},
        shape, x, dy, dw);
  });
}

}  // namespace oddity::kernels
