// Three rounds, from the highest bits of a key to the lowest: a histogram of the digit among the
// keys that share the digits found so far, then the bin that holds the rank. Both ranks descend
// together; where their digits part, each has its own histogram from there on.
#include "groups.cuh"
#include "select.h"

namespace oddity::kernels {
namespace {

using Count = unsigned long long;  // the type that 64-bit atomics take

constexpr int kBins = 2048;  // of the largest digit
constexpr int kThreads = 512;

// What passes from kernel to kernel.
struct State {
  uint32_t key[2];  // the digits found so far, at their places
  Count rank[2];    // among the keys that share them
  Count histogram[2][kBins];
};

// Digit `kRound` of a 32-bit key.
template <int kRound>
struct Digit {
  static constexpr int kBits = kRound == 2 ? 10 : 11;
  static constexpr int kShift = kRound == 0 ? 21 : kRound == 1 ? 10 : 0;
  static constexpr int kCount = 1 << kBits;

  static __device__ __forceinline__ int of(uint32_t key) {
    return int(key >> kShift) & (kCount - 1);
  }
  /// Whether two keys share all digits above this one.
  static __device__ __forceinline__ bool same_above(uint32_t a, uint32_t b) {
    return kRound == 0 || (a ^ b) >> (kShift + kBits) % 32 == 0;
  }
};

constexpr uint32_t kSign = 0x80000000u;
constexpr uint32_t kNanKey = 0xffffffffu;

// Ascending floats have ascending keys; -0 and +0 share one, every NaN has the last.
__device__ __forceinline__ uint32_t order_key(float value) {
  if (isnan(value)) return kNanKey;
  const uint32_t bits = __float_as_uint(value + 0.0f);  // -0 + 0 is +0
  return bits & kSign ? ~bits : bits | kSign;
}

__device__ __forceinline__ float value_of(uint32_t key) {
  return __uint_as_float(key & kSign ? key ^ kSign : ~key);
}

__global__ void __launch_bounds__(kThreads)
    begin_kernel(State* state, Count lower, Count upper, Selection* selection) {
  for (int i = int(threadIdx.x); i < 2 * kBins; i += kThreads) {
    state->histogram[i / kBins][i % kBins] = 0;
  }
  if (threadIdx.x != 0) return;
  state->key[0] = state->key[1] = 0;
  state->rank[0] = lower;
  state->rank[1] = upper;
  selection->nan_count = 0;
  selection->first_nan = ~Count{0};
}

// A thread's counts on their way into a histogram: equal neighbours cost one atomic together.
class Run {
 public:
  __device__ explicit Run(unsigned* bins) : bins_(bins) {}
  __device__ void add(int bin) {
    if (bin != bin_) flush();
    bin_ = bin;
    ++length_;
  }
  __device__ void flush() {
    if (length_ > 0) atomicAdd(&bins_[bin_], length_);
    length_ = 0;
  }

 private:
  unsigned* bins_;
  int bin_ = 0;
  unsigned length_ = 0;
};

// Adds to state->histogram[0] the digits of keys that begin as key[0], to [1] those of keys that
// begin as key[1] where that differs. A block meets fewer than 2³² numbers: see select().
template <int kRound>
__global__ void __launch_bounds__(kThreads)
    histogram_kernel(const float* __restrict__ x, int64_t n, State* state, Selection* selection,
                     bool aligned) {
  using D = Digit<kRound>;
  constexpr int kSets = kRound == 0 ? 1 : 2;
  SHARED_ARRAY(unsigned, bins, [kSets * D::kCount]);
  for (int i = int(threadIdx.x); i < kSets * D::kCount; i += kThreads) bins[i] = 0;
  const uint32_t lower = state->key[0];
  const uint32_t upper = state->key[1];
  __syncthreads();

  Count nans = 0;
  Count first_nan = ~Count{0};
  Run run(bins);
  const int64_t stride = 4 * int64_t{gridDim.x} * kThreads;
  for (int64_t i = 4 * (int64_t{blockIdx.x} * kThreads + threadIdx.x); i < n; i += stride) {
    const Four four = load_four(x, i, n, aligned);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (i + j >= n) break;
      const uint32_t key = order_key(four.at[j]);
      if (kRound == 0 && key == kNanKey) {
        ++nans;
        first_nan = min(first_nan, Count(i + j));
      }
      if (D::same_above(key, lower)) {
        run.add(D::of(key));
      } else if (D::same_above(key, upper)) {
        run.add(D::kCount * (kSets - 1) + D::of(key));
      }
    }
  }
  run.flush();
  if (kRound == 0 && nans > 0) {
    atomicAdd(reinterpret_cast<Count*>(&selection->nan_count), nans);
    atomicMin(reinterpret_cast<Count*>(&selection->first_nan), first_nan);
  }
  __syncthreads();
  for (int i = int(threadIdx.x); i < kSets * D::kCount; i += kThreads) {
    if (bins[i] > 0) atomicAdd(&state->histogram[i / D::kCount][i % D::kCount], Count{bins[i]});
  }
}

// Two warps, one a rank: a lane adds up its stretch of bins, the lane whose stretch holds the rank
// finds the bin. Leaves the histograms empty; after the last round the keys are whole.
template <int kRound>
__global__ void __launch_bounds__(2 * kWarp) descend_kernel(State* state, Selection* selection) {
  using D = Digit<kRound>;
  constexpr int kStretch = D::kCount / kWarp;
  const int which = warp_in_block();
  const uint32_t lower = state->key[0];
  const uint32_t upper = state->key[1];
  const Count rank = state->rank[which];
  const Count* const bins = state->histogram[lower == upper ? 0 : which];
  const int start = lane_in_warp() * kStretch;
  Count in_stretch = 0;
#pragma unroll 8
  for (int i = 0; i < kStretch; ++i) in_stretch += bins[start + i];
  Count below = in_stretch;  // becomes what lies below this lane's stretch
#pragma unroll
  for (int step = 1; step < kWarp; step *= 2) {
    const Count other = __shfl_up_sync(kAllLanes, below, unsigned(step));
    if (lane_in_warp() >= step) below += other;
  }
  below -= in_stretch;
  const bool here = rank >= below && rank - below < in_stretch;
  int bin = start;
  if (here) {
    while (rank - below >= bins[bin]) below += bins[bin++];
  }
  __syncthreads();  // both warps have read everything
  if (here) {
    const uint32_t key = (which == 0 ? lower : upper) | uint32_t(bin) << D::kShift;
    state->key[which] = key;
    state->rank[which] = rank - below;
    if (kRound == 2) selection->value[which] = value_of(key);
  }
  for (int i = int(threadIdx.x); i < 2 * kBins; i += 2 * kWarp) {
    state->histogram[i / kBins][i % kBins] = 0;
  }
}

}  // namespace

int64_t select_workspace() { return int64_t{sizeof(State)}; }

void select(cudaStream_t stream, const float* x, uint64_t n, uint64_t lower, uint64_t upper,
            Selection* selection, void* workspace) {
  auto* const state = static_cast<State*>(workspace);
  // At most 1024 blocks, unless one would then meet 2³¹ numbers.
  const auto numbers = int64_t(n);
  const int64_t blocks =
      max(min(blocks_for(numbers, 16 * kThreads), int64_t{1024}), numbers / (int64_t{1} << 30));
  const LaunchConfig wide{.grid = blocks, .block = kThreads, .stream = stream};
  const LaunchConfig narrow{.grid = 1, .block = 2 * kWarp, .stream = stream};
  const bool aligned = all_aligned(x);
  launch(begin_kernel, {.grid = 1, .block = kThreads, .stream = stream}, state, lower, upper,
         selection);
  launch(histogram_kernel<0>, wide, x, numbers, state, selection, aligned);
  launch(descend_kernel<0>, narrow, state, selection);
  launch(histogram_kernel<1>, wide, x, numbers, state, selection, aligned);
  launch(descend_kernel<1>, narrow, state, selection);
  launch(histogram_kernel<2>, wide, x, numbers, state, selection, aligned);
  launch(descend_kernel<2>, narrow, state, selection);
}

}  // namespace oddity::kernels
