#include "bias.h"
#include "columns.cuh"
#include "epilogue.cuh"

namespace oddity::kernels {
namespace {

template <int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    bias_epilogue_kernel(Columns columns, const float* x, const float* bias, Epilogue epilogue,
                         float* y, bool aligned) {
  const ColumnPlace place = column_place(columns);
  if (place.first_row >= place.end_row) return;
  const int64_t at = place.first_row * columns.channels + place.channel;
  Group<kWidth> value = load_group<kWidth>(x + at, aligned);
  if (epilogue != Epilogue::none) {
    const Group<kWidth> addend = load_parameters<kWidth>(bias + place.channel);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) value.at[j] = finish(value.at[j], addend.at[j], epilogue);
  }
  store_group<kWidth>(y + at, value, aligned);
}

// Sums over a block's rows, to partials [channels, row_blocks].
template <int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    bias_partials_kernel(Columns columns, const float* __restrict__ dy,
                         float* __restrict__ partials, bool aligned) {
  SHARED_ARRAY(Group<kWidth>, scratch, [kColumnThreads]);
  const ColumnPlace place = column_place(columns);
  store_partial<kWidth>(columns, place, sum_rows<kWidth>(columns, place, dy, aligned, scratch),
                        partials);
}

// A warp a channel.
__global__ void __launch_bounds__(kWarp)
    bias_gradient_kernel(int64_t row_blocks, const float* __restrict__ partials,
                         float* __restrict__ db) {
  const double sum = sum_partials(partials + blockIdx.x * row_blocks, row_blocks);
  if (threadIdx.x == 0) db[blockIdx.x] = float(sum);
}

}  // namespace

void bias_epilogue(cudaStream_t stream, int64_t rows, int64_t channels, const float* x,
                   const float* bias, Epilogue epilogue, float* y) {
  const Columns columns = cut_columns(rows, channels, 1);
  launch(columns.width == 4 ? bias_epilogue_kernel<4> : bias_epilogue_kernel<1>,
         columns.launch(stream), columns, x, bias, epilogue, y, all_aligned(x, y));
}

int64_t bias_gradient_workspace(int64_t rows, int64_t channels) {
  return cut_columns_for_sums(rows, channels).row_blocks * channels;
}

void bias_gradient(cudaStream_t stream, int64_t rows, int64_t channels, const float* dy, float* db,
                   float* workspace) {
  const Columns columns = cut_columns_for_sums(rows, channels);
  launch(columns.width == 4 ? bias_partials_kernel<4> : bias_partials_kernel<1>,
         columns.launch(stream), columns, dy, workspace, all_aligned(dy));
  launch(bias_gradient_kernel, {.grid = channels, .block = kWarp, .stream = stream},
         columns.row_blocks, workspace, db);
}

}  // namespace oddity::kernels
