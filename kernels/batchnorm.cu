// The statistics take two kernels. The first gives every block of rows its own mean and the sums of
// the deviations from it and of their squares; the second, a warp a channel, merges the blocks'
// moments (Chan, Golub and LeVeque 1979, for many parts at once). A block's mean is a float32 and
// hence rounded, but its deviations are from that very number: nothing is lost, and nothing cancels
// where the mean is large.
#include "batchnorm.h"
#include "columns.cuh"
#include "moving.cuh"

namespace oddity::kernels {
namespace {

// Of each block of rows, all [channels, row_blocks]: means, and the sums of the deviations from
// them (what rounding left in the mean) and of their squares.
template <int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    block_moments_kernel(Columns columns, const float* __restrict__ x, float* __restrict__ means,
                         float* __restrict__ deviations, float* __restrict__ squares,
                         bool aligned) {
  SHARED_ARRAY(Group<kWidth>, scratch, [kColumnThreads]);
  const ColumnPlace place = column_place(columns);
  const int64_t start = blockIdx.x * columns.block_rows;
  const float count = float(min(columns.block_rows, columns.rows - start));
  Group<kWidth> mean = sum_rows<kWidth>(columns, place, x, aligned, scratch);
#pragma unroll
  for (float& m : mean.at) m /= count;

  Group<kWidth> deviation_sum{};
  Group<kWidth> square_sum{};
  for (int64_t row = place.first_row; row < place.end_row; row += 4 * columns.lanes) {
    const Rows<kWidth, 4> rows = load_rows<kWidth, 4>(columns, place, row, x, aligned);
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      if (row + r * columns.lanes >= place.end_row) break;
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        const float deviation = rows.at[r].at[j] - mean.at[j];
        deviation_sum.at[j] += deviation;
        square_sum.at[j] = fmaf(deviation, deviation, square_sum.at[j]);
      }
    }
  }
  deviation_sum = sum_over_lanes<kWidth>(columns, deviation_sum, scratch);
  square_sum = sum_over_lanes<kWidth>(columns, square_sum, scratch);
  store_partial<kWidth>(columns, place, mean, means);
  store_partial<kWidth>(columns, place, deviation_sum, deviations);
  store_partial<kWidth>(columns, place, square_sum, squares);
}

// A warp a channel. float64 for its few additions a channel; the first block's mean as pivot, so
// that one pass over the moments is enough.
__global__ void __launch_bounds__(kWarp)
    batch_moments_kernel(Columns columns, const float* __restrict__ means,
                         const float* __restrict__ deviations, const float* __restrict__ squares,
                         float* __restrict__ mean, float* __restrict__ inverse_deviation,
                         float* __restrict__ moving_mean, float* __restrict__ moving_variance) {
  const int64_t channel = blockIdx.x;
  means += channel * columns.row_blocks;
  deviations += channel * columns.row_blocks;
  squares += channel * columns.row_blocks;
  const double pivot = double(means[0]);
  double first = 0;
  double second = 0;
  for (int64_t i = threadIdx.x; i < columns.row_blocks; i += kPartialsInFlight * kWarp) {
    const Partials mean_partials = load_partials(means, i, columns.row_blocks);
    const Partials deviation_partials = load_partials(deviations, i, columns.row_blocks);
    const Partials square_partials = load_partials(squares, i, columns.row_blocks);
#pragma unroll
    for (int k = 0; k < kPartialsInFlight; ++k) {
      const int64_t start = (i + k * kWarp) * columns.block_rows;
      if (start >= columns.rows) break;
      const double rows = double(min(columns.block_rows, columns.rows - start));
      const double offset = double(mean_partials.at[k]) - pivot;
      const double deviation = double(deviation_partials.at[k]);
      const double from_pivot = rows * offset + deviation;  // sum of x − pivot
      first += from_pivot;
      second += double(square_partials.at[k]) + offset * (from_pivot + deviation);
    }
  }
  first = warp_sum(first) / double(columns.rows);
  second = warp_sum(second) / double(columns.rows);
  if (threadIdx.x != 0) return;
  const double difference = second - first * first;
  const double variance = difference < 0 ? 0 : difference;  // NaN stays NaN
  const float batch_mean = float(pivot + first);
  mean[channel] = batch_mean;
  inverse_deviation[channel] = float(1 / sqrt(variance + double(kBatchNormEpsilon)));
  moving_mean[channel] = moved(moving_mean[channel], batch_mean);
  moving_variance[channel] = moved(moving_variance[channel], float(variance));
}

template <int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    normalise_kernel(Columns columns, const float* x, const float* gamma, const float* beta,
                     const float* mean, const float* inverse_deviation, float* y, bool aligned) {
  const ColumnPlace place = column_place(columns);
  if (place.first_row >= place.end_row) return;
  const int64_t at = place.first_row * columns.channels + place.channel;
  Group<kWidth> value = load_group<kWidth>(x + at, aligned);
  const Group<kWidth> center = load_parameters<kWidth>(mean + place.channel);
  const Group<kWidth> inverse = load_parameters<kWidth>(inverse_deviation + place.channel);
  const Group<kWidth> scale = load_parameters<kWidth>(gamma + place.channel);
  const Group<kWidth> shift = load_parameters<kWidth>(beta + place.channel);
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    value.at[j] = fmaf(value.at[j] - center.at[j], inverse.at[j] * scale.at[j], shift.at[j]);
  }
  store_group<kWidth>(y + at, value, aligned);
}

__global__ void __launch_bounds__(kFlatThreads)
    moving_kernel(int64_t channels, const float* __restrict__ mean,
                  const float* __restrict__ inverse_deviation, float* __restrict__ moving_mean,
                  float* __restrict__ moving_variance) {
  const int64_t c = int64_t{blockIdx.x} * kFlatThreads + threadIdx.x;
  if (c >= channels) return;
  const float inverse = inverse_deviation[c];
  const float difference = 1.0f / (inverse * inverse) - kBatchNormEpsilon;
  const float variance = difference < 0 ? 0 : difference;  // NaN stays NaN
  moving_mean[c] = moved(moving_mean[c], mean[c]);
  moving_variance[c] = moved(moving_variance[c], variance);
}

// Of each block of rows: the sums of dy and of dy · (x − mean) / deviation, both to
// partials [channels, row_blocks].
template <int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    gradient_partials_kernel(Columns columns, const float* __restrict__ x,
                             const float* __restrict__ dy, const float* __restrict__ mean,
                             const float* __restrict__ inverse_deviation,
                             float* __restrict__ beta_partials, float* __restrict__ gamma_partials,
                             bool aligned) {
  SHARED_ARRAY(Group<kWidth>, scratch, [kColumnThreads]);
  const ColumnPlace place = column_place(columns);
  Group<kWidth> center{};
  Group<kWidth> inverse{};
  if (place.first_row < place.end_row) {
    center = load_parameters<kWidth>(mean + place.channel);
    inverse = load_parameters<kWidth>(inverse_deviation + place.channel);
  }
  Group<kWidth> beta{};
  Group<kWidth> gamma{};
  for (int64_t row = place.first_row; row < place.end_row; row += 2 * columns.lanes) {
    const Rows<kWidth, 2> inputs = load_rows<kWidth, 2>(columns, place, row, x, aligned);
    const Rows<kWidth, 2> gradients = load_rows<kWidth, 2>(columns, place, row, dy, aligned);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      if (row + r * columns.lanes >= place.end_row) break;
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        const float gradient = gradients.at[r].at[j];
        beta.at[j] += gradient;
        const float z = (inputs.at[r].at[j] - center.at[j]) * inverse.at[j];
        gamma.at[j] = fmaf(gradient, z, gamma.at[j]);
      }
    }
  }
  beta = sum_over_lanes<kWidth>(columns, beta, scratch);
  gamma = sum_over_lanes<kWidth>(columns, gamma, scratch);
  store_partial<kWidth>(columns, place, beta, beta_partials);
  store_partial<kWidth>(columns, place, gamma, gamma_partials);
}

// A warp a channel.
__global__ void __launch_bounds__(kWarp)
    parameter_gradient_kernel(int64_t row_blocks, const float* __restrict__ beta_partials,
                              const float* __restrict__ gamma_partials, float* __restrict__ dbeta,
                              float* __restrict__ dgamma) {
  const int64_t channel = blockIdx.x;
  const double beta = sum_partials(beta_partials + channel * row_blocks, row_blocks);
  const double gamma = sum_partials(gamma_partials + channel * row_blocks, row_blocks);
  if (threadIdx.x != 0) return;
  dbeta[channel] = float(beta);
  dgamma[channel] = float(gamma);
}

// dx = gamma / deviation · (dy − dbeta / rows − z · dgamma / rows), z = (x − mean) / deviation.
template <int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    data_gradient_kernel(Columns columns, const float* x, const float* dy, const float* gamma,
                         const float* mean, const float* inverse_deviation, const float* dgamma,
                         const float* dbeta, float* dx, bool aligned) {
  const ColumnPlace place = column_place(columns);
  if (place.first_row >= place.end_row) return;
  const int64_t at = place.first_row * columns.channels + place.channel;
  const float rows = float(columns.rows);
  const Group<kWidth> input = load_group<kWidth>(x + at, aligned);
  Group<kWidth> value = load_group<kWidth>(dy + at, aligned);
  const Group<kWidth> center = load_parameters<kWidth>(mean + place.channel);
  const Group<kWidth> inverse = load_parameters<kWidth>(inverse_deviation + place.channel);
  const Group<kWidth> scale = load_parameters<kWidth>(gamma + place.channel);
  const Group<kWidth> scale_sum = load_parameters<kWidth>(dgamma + place.channel);
  const Group<kWidth> shift_sum = load_parameters<kWidth>(dbeta + place.channel);
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    const float z = (input.at[j] - center.at[j]) * inverse.at[j];
    value.at[j] = scale.at[j] * inverse.at[j] *
                  fmaf(-z, scale_sum.at[j] / rows, value.at[j] - shift_sum.at[j] / rows);
  }
  store_group<kWidth>(dx + at, value, aligned);
}

__global__ void __launch_bounds__(kFlatThreads)
    fold_kernel(int64_t channels, const float* __restrict__ gamma, const float* __restrict__ beta,
                const float* __restrict__ moving_mean, const float* __restrict__ moving_variance,
                float* __restrict__ scale, float* __restrict__ shift) {
  const int64_t c = int64_t{blockIdx.x} * kFlatThreads + threadIdx.x;
  if (c >= channels) return;
  const float factor = gamma[c] / sqrtf(moving_variance[c] + kBatchNormEpsilon);
  scale[c] = factor;
  shift[c] = fmaf(-moving_mean[c], factor, beta[c]);
}

template <int kWidth>
__global__ void __launch_bounds__(kColumnThreads)
    inference_kernel(Columns columns, const float* x, const float* scale, const float* shift,
                     float* y, bool aligned) {
  const ColumnPlace place = column_place(columns);
  if (place.first_row >= place.end_row) return;
  const int64_t at = place.first_row * columns.channels + place.channel;
  Group<kWidth> value = load_group<kWidth>(x + at, aligned);
  const Group<kWidth> factor = load_parameters<kWidth>(scale + place.channel);
  const Group<kWidth> addend = load_parameters<kWidth>(shift + place.channel);
#pragma unroll
  for (int j = 0; j < kWidth; ++j) value.at[j] = fmaf(value.at[j], factor.at[j], addend.at[j]);
  store_group<kWidth>(y + at, value, aligned);
}

// Floats of one kind of partial in the workspace.
int64_t partials(const Columns& columns) { return columns.row_blocks * columns.channels; }

LaunchConfig channel_warps(int64_t channels, cudaStream_t stream) {
  return {.grid = channels, .block = kWarp, .stream = stream};
}

LaunchConfig channel_threads(int64_t channels, cudaStream_t stream) {
  return {.grid = blocks_for(channels, kFlatThreads), .block = kFlatThreads, .stream = stream};
}

}  // namespace

int64_t batch_norm_workspace(const BatchNormShape& shape) {
  return 3 * partials(cut_columns_for_sums(shape.rows, shape.channels));
}

void batch_norm_training(cudaStream_t stream, const BatchNormShape& shape, const float* x,
                         const float* gamma, const float* beta, float* y, float* mean,
                         float* inverse_deviation, float* moving_mean, float* moving_variance,
                         float* workspace) {
  const Columns sums = cut_columns_for_sums(shape.rows, shape.channels);
  float* const means = workspace;
  float* const deviations = means + partials(sums);
  float* const squares = deviations + partials(sums);
  launch(sums.width == 4 ? block_moments_kernel<4> : block_moments_kernel<1>, sums.launch(stream),
         sums, x, means, deviations, squares, all_aligned(x));
  launch(batch_moments_kernel, channel_warps(shape.channels, stream), sums, means, deviations,
         squares, mean, inverse_deviation, moving_mean, moving_variance);
  const Columns columns = cut_columns(shape.rows, shape.channels, 1);
  launch(columns.width == 4 ? normalise_kernel<4> : normalise_kernel<1>, columns.launch(stream),
         columns, x, gamma, beta, mean, inverse_deviation, y, all_aligned(x, y));
}

void batch_norm_moving(cudaStream_t stream, int64_t channels, const float* mean,
                       const float* inverse_deviation, float* moving_mean, float* moving_variance) {
  launch(moving_kernel, channel_threads(channels, stream), channels, mean, inverse_deviation,
         moving_mean, moving_variance);
}

void batch_norm_backward(cudaStream_t stream, const BatchNormShape& shape, const float* x,
                         const float* dy, const float* gamma, const float* mean,
                         const float* inverse_deviation, float* dx, float* dgamma, float* dbeta,
                         float* workspace) {
  const Columns sums = cut_columns_for_sums(shape.rows, shape.channels);
  float* const beta_partials = workspace;
  float* const gamma_partials = workspace + partials(sums);
  launch(sums.width == 4 ? gradient_partials_kernel<4> : gradient_partials_kernel<1>,
         sums.launch(stream), sums, x, dy, mean, inverse_deviation, beta_partials, gamma_partials,
         all_aligned(x, dy));
  launch(parameter_gradient_kernel, channel_warps(shape.channels, stream), sums.row_blocks,
         beta_partials, gamma_partials, dbeta, dgamma);
  const Columns columns = cut_columns(shape.rows, shape.channels, 1);
  launch(columns.width == 4 ? data_gradient_kernel<4> : data_gradient_kernel<1>,
         columns.launch(stream), columns, x, dy, gamma, mean, inverse_deviation, dgamma, dbeta, dx,
         all_aligned(x, dy, dx));
}

void batch_norm_fold(cudaStream_t stream, int64_t channels, const float* gamma, const float* beta,
                     const float* moving_mean, const float* moving_variance, float* scale,
                     float* shift) {
  launch(fold_kernel, channel_threads(channels, stream), channels, gamma, beta, moving_mean,
         moving_variance, scale, shift);
}

void batch_norm_inference(cudaStream_t stream, const BatchNormShape& shape, const float* x,
                          const float* scale, const float* shift, float* y) {
  const Columns columns = cut_columns(shape.rows, shape.channels, 1);
  launch(columns.width == 4 ? inference_kernel<4> : inference_kernel<1>, columns.launch(stream),
         columns, x, scale, shift, y, all_aligned(x, y));
}

}  // namespace oddity::kernels
