// The launches of a network as a plain description, by the code that makes the graphs: nothing here
// says once more what they do. Needs neither device nor driver.
#pragma once

#include "engine/launch_report.h"

namespace oddity::cuda {

/// A training step of `images` ≥ 1 8-bit images in fp32, and scoring on such a card.
LaunchReport report_launches(const Architecture& architecture, int64_t images,
                             const CardLimits& card);

}  // namespace oddity::cuda
