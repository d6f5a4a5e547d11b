// One instruction set's loops, as the table that calls them. Included once for each
// (kernels_targets-inl.h).
#if defined(ODDITY_KERNELS_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ODDITY_KERNELS_TABLE_INL_H_
#undef ODDITY_KERNELS_TABLE_INL_H_
#else
#define ODDITY_KERNELS_TABLE_INL_H_
#endif

#include "engine/cpu/kernels_conv-inl.h"
#include "engine/cpu/kernels_gradient-inl.h"
#include "engine/cpu/kernels_norm-inl.h"
#include "engine/cpu/kernels_pixels-inl.h"
#include "engine/cpu/kernels_project-inl.h"
#include "engine/cpu/kernels_winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE {

const Kernels& table() {
  static const Kernels kernels = {
      .name = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3 ? "AVX-512" : hwy::TargetName(HWY_TARGET),
      .lanes = kLanes,
      .conv = conv,
      .project = project,
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
      .transpose = transpose,
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

}  // namespace oddity::cpu::ODDITY_VECTORS::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
