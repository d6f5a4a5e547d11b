// CUDA's barriers, shuffles, votes and reductions over a warp. Part of cuda_on_host.h. The file and
// line in the default arguments are the caller's: they name the place in reports.
#pragma once

#include "emulator/cuda_on_host.h"

namespace oddity::emulator {

/// Copies each lane's input from the lane it names.
void execute_shuffle(WarpOperation* const* lanes, unsigned mask);

template <typename T>
T shuffle(unsigned mask, T value, int source, Where where) {
  static_assert(std::is_trivially_copyable_v<T>);
  T result;
  WarpOperation operation{execute_shuffle, mask, where, &value, &result, sizeof(T), source};
  warp_collective(operation);
  return result;
}

/// Gives all lanes the values of all lanes combined by Combine in lane order.
template <typename Combine, typename T>
T reduce(unsigned mask, T value, Where where) {
  T result{};
  WarpOperation operation{[](WarpOperation* const* lanes, unsigned members) {
                            T total{};
                            bool first = true;
                            for (int i = 0; i < 32; ++i) {
                              if (members >> i & 1) {
                                const T next = *static_cast<const T*>(lanes[i]->input);
                                total = first ? next : T(Combine{}(total, next));
                                first = false;
                              }
                            }
                            for (int i = 0; i < 32; ++i) {
                              if (members >> i & 1) {
                                *static_cast<T*>(lanes[i]->output) = total;
                              }
                            }
                          },
                          mask,
                          where,
                          &value,
                          &result,
                          sizeof(T),
                          0};
  warp_collective(operation);
  return result;
}

struct Minimum {
  template <typename T>
  T operator()(T a, T b) const {
    return std::min(a, b);
  }
};
struct Maximum {
  template <typename T>
  T operator()(T a, T b) const {
    return std::max(a, b);
  }
};

}  // namespace oddity::emulator

#define EMULATOR_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(EMULATOR_CALLER) { oddity::emulator::block_barrier({file, line}); }
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_CALLER) {
  oddity::emulator::warp_barrier(mask, {file, line});
}

// The shuffles' source lanes as in the CUDA programming guide: `width` divides the warp; a source
// outside the own part of the warp is the lane itself.
template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATOR_CALLER) {
  const int lane = int(oddity::emulator::lane());
  return oddity::emulator::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)),
                                   {file, line});
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMULATOR_CALLER) {
  const int lane = int(oddity::emulator::lane());
  const int source = lane ^ bits;
  return oddity::emulator::shuffle(mask, value, source / width > lane / width ? lane : source,
                                   {file, line});
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATOR_CALLER) {
  const int lane = int(oddity::emulator::lane());
  const int source = lane + int(delta);
  return oddity::emulator::shuffle(mask, value, source / width != lane / width ? lane : source,
                                   {file, line});
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATOR_CALLER) {
  const int lane = int(oddity::emulator::lane());
  const int source = lane - int(delta);
  return oddity::emulator::shuffle(
      mask, value, source < 0 || source / width != lane / width ? lane : source, {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATOR_CALLER) {
  return oddity::emulator::reduce<std::bit_or<>>(
      mask, predicate != 0 ? 1u << oddity::emulator::lane() : 0u, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, EMULATOR_CALLER) {
  return oddity::emulator::reduce<std::bit_or<>>(mask, int(predicate != 0), {file, line});
}
inline int __all_sync(unsigned mask, int predicate, EMULATOR_CALLER) {
  return oddity::emulator::reduce<std::bit_and<>>(mask, int(predicate != 0), {file, line});
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value, EMULATOR_CALLER) {
  return oddity::emulator::reduce<std::plus<>>(mask, value, {file, line});
}
inline int __reduce_add_sync(unsigned mask, int value, EMULATOR_CALLER) {
  return oddity::emulator::reduce<std::plus<>>(mask, value, {file, line});
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value, EMULATOR_CALLER) {
  return oddity::emulator::reduce<oddity::emulator::Maximum>(mask, value, {file, line});
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value, EMULATOR_CALLER) {
  return oddity::emulator::reduce<oddity::emulator::Minimum>(mask, value, {file, line});
}

#undef EMULATOR_CALLER
