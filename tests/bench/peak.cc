// A loop of nothing but fused multiply-adds: Highway includes this file again for every instruction
// set.
#include "bench/peak.h"

#include <chrono>
#include <cstdint>

#include "core/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/peak.cc"
#include <hwy/foreach_target.h>
// Highway wants the target list first.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace oddity::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

double run(double seconds) {
  // Two a cycle of four cycles each need eight at once; twelve leave slack.
  constexpr int kSums = 12;
  const hn::CappedTag<float, 16> tag;
  const auto factor = hn::Set(tag, 0.999f);
  const auto addend = hn::Set(tag, 0.01f);
  hn::Vec<decltype(tag)> sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = hn::Set(tag, static_cast<float>(i));
  const auto begin = std::chrono::steady_clock::now();
  double elapsed = 0;
  int64_t rounds = 0;
  do {
    for (int i = 0; i < 10000; ++i) {
#pragma GCC unroll 12
      for (int k = 0; k < kSums; ++k) sums[k] = hn::MulAdd(sums[k], factor, addend);
    }
    rounds += 10000;
    elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  } while (elapsed < seconds);
  auto total = hn::Zero(tag);
  for (int k = 0; k < kSums; ++k) total = hn::Add(total, sums[k]);
  // Read, so that nothing of it is left out.
  volatile float sink = hn::GetLane(hn::SumOfLanes(tag, total));
  static_cast<void>(sink);
  return static_cast<double>(rounds * kSums) * static_cast<double>(hn::Lanes(tag)) / elapsed;
}

}  // namespace oddity::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace oddity::bench {
HWY_EXPORT(run);
double multiply_adds_a_second(double seconds) { return HWY_DYNAMIC_DISPATCH(run)(seconds); }
}  // namespace oddity::bench
#endif
