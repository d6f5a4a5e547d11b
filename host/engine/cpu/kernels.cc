// One table of loops for each instruction set: Highway includes this file again for every target.
#include "engine/cpu/kernels.h"

#include "core/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels.cc"
#include <hwy/foreach_target.h>
// Highway wants the target list first.
#include <hwy/highway.h>

#include "engine/cpu/kernels_conv-inl.h"
#include "engine/cpu/kernels_gradient-inl.h"
#include "engine/cpu/kernels_norm-inl.h"
#include "engine/cpu/kernels_pixels-inl.h"
#include "engine/cpu/kernels_winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::HWY_NAMESPACE {

const Kernels& table() {
  static const Kernels kernels = {
      .name = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3 ? "AVX-512" : hwy::TargetName(HWY_TARGET),
      .lanes = kLanes,
      .conv = conv,
      .weight_gradient = weight_gradient,
      .window_gradient = window_gradient,
      .conv_to_pixels = conv_to_pixels,
      .reconstruction_error = reconstruction_error,
      .blurred_error = blurred_error,
      .reconstruction_gradient = reconstruction_gradient,
      .channel_sums = channel_sums,
      .gradient_sums = gradient_sums,
      .affine = affine,
      .batch_norm_gradient = batch_norm_gradient,
      .add_rows = add_rows,
      .winograd_inputs = winograd_inputs,
      .winograd_gradients = winograd_gradients,
      .winograd_outputs = winograd_outputs,
      .winograd_weights = winograd_weights,
      .winograd_taps = winograd_taps,
      .adam = adam,
  };
  return kernels;
}

}  // namespace oddity::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <mutex>

#include "core/error.h"

namespace oddity::cpu {
namespace {

HWY_EXPORT(table);

// Highway chooses among the targets that are not disabled; better ones have smaller numbers.
int64_t disabled_for(Simd simd) {
  switch (simd) {
    case Simd::best:
      return 0;
    case Simd::avx2:
      return HWY_AVX2 - 1;
    case Simd::baseline:
      return HWY_STATIC_TARGET - 1;
  }
  return 0;
}

}  // namespace

const Kernels& kernels(Simd simd) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") == 0) {
    throw DeviceError("this CPU has no SSE4.2, which the CPU engine needs at least");
  }
#endif
  hwy::DisableTargets(disabled_for(simd));
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  const Kernels& chosen = HWY_DYNAMIC_DISPATCH(table)();
  hwy::DisableTargets(0);
  if (simd == Simd::avx2 && chosen.lanes != 8) {
    throw DeviceError("this CPU has no AVX2: use its best instruction set, {}", chosen.name);
  }
  return chosen;
}

}  // namespace oddity::cpu
#endif
