#include "engine/cuda/dry_plans.h"

namespace oddity::cuda {
namespace {

/// Addresses so far apart that nothing at one reaches the next.
template <typename T>
T* at(uintptr_t number) {
  return reinterpret_cast<T*>(number << 40);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

DryStep::DryStep(const Architecture& architecture, int64_t images, double trim)
    : plan(architecture),
      memory(plan, images, at<std::byte>(1)),
      launches(plan_fused_step(plan, memory, images,
                               {at<float>(2), at<float>(3), at<float>(4), at<float>(5)},
                               at<kernels::UpdatePart>(6), std::ssize(fused_updates(plan, memory)),
                               {.images = {kernels::Pixels::u8, at<std::byte>(7)},
                                .positions = at<uint32_t>(8),
                                .rates = at<float>(9),
                                .state = at<kernels::EpochState>(10),
                                .progress = {},
                                .batch = images,
                                .trim = trim,
                                .variations = at<float>(11)})) {}

LaunchPlan dry_score(const Plan& plan, int64_t images) {
  InferenceLaunches launches(plan,
                             {.parameters = at<float>(1),
                              .statistics = at<float>(2),
                              .maps = {at<float>(3), at<float>(4)},
                              .latent = at<float>(5),
                              .error_parts = at<float>(6),
                              .workspace = at<float>(7)},
                             {.type = kernels::Pixels::u8, .pixels = at<std::byte>(8)}, images);
  launches.score(at<float>(9));
  return launches.plan();
}

}  // namespace oddity::cuda
