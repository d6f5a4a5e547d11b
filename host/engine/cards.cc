#include "engine/cards.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

constexpr double kTera = 1e12;
constexpr double kGiga = 1e9;
constexpr int64_t kMiB = int64_t{1} << 20;

// Shared memory a block, by compute capability: CUDA C++ Programming Guide, "Technical
// Specifications per Compute Capability", 64 KiB in 7.5, 163 in 8.0, 99 in 8.9 and 12.0, 227
// in 9.0.
constexpr size_t kShared75 = 64 << 10;
constexpr size_t kShared80 = 163 << 10;
constexpr size_t kShared89 = 99 << 10;
constexpr size_t kShared90 = 227 << 10;
constexpr size_t kShared120 = 99 << 10;

// GeForce cards make fp16 products with float32 sums at half the speed of those with fp16 sums.
constexpr Card kCards[] = {
    {.name = "rtx-4090",
     .title = "GeForce RTX 4090",
     .limits = {128, kShared89},
     .fp32 = 82.6 * kTera,
     .tensor = 165.2 * kTera,
     .memory = 1008 * kGiga,
     .l2 = 72 * kMiB,
     .source = "NVIDIA Ada GPU Architecture white paper, appendix A"},
    {.name = "rtx-5090",
     .title = "GeForce RTX 5090",
     .limits = {170, kShared120},
     .fp32 = 104.8 * kTera,
     .tensor = 209.5 * kTera,
     .memory = 1792 * kGiga,
     .l2 = 96 * kMiB,
     .source = "NVIDIA RTX Blackwell GPU Architecture white paper, appendix A"},
    {.name = "l40s",
     .title = "L40S",
     .limits = {142, kShared89},
     .fp32 = 91.6 * kTera,
     .tensor = 362.05 * kTera,
     .memory = 864 * kGiga,
     .l2 = 96 * kMiB,
     .source = "NVIDIA L40S datasheet; L2: Ada white paper"},
    {.name = "t4",
     .title = "T4",
     .limits = {40, kShared75},
     .fp32 = 8.1 * kTera,
     .tensor = 65 * kTera,
     .memory = 320 * kGiga,
     .l2 = 4 * kMiB,
     .source = "NVIDIA T4 datasheet; NVIDIA Turing GPU Architecture white paper"},
    {.name = "a100",
     .title = "A100 SXM 80 GB",
     .limits = {108, kShared80},
     .fp32 = 19.5 * kTera,
     .tensor = 312 * kTera,
     .memory = 2039 * kGiga,
     .l2 = 40 * kMiB,
     .source = "NVIDIA A100 datasheet; NVIDIA A100 Tensor Core GPU Architecture white paper"},
    {.name = "h100",
     .title = "H100 SXM",
     .limits = {132, kShared90},
     .fp32 = 66.9 * kTera,
     .tensor = 989.4 * kTera,
     .memory = 3352 * kGiga,
     .l2 = 50 * kMiB,
     .source = "NVIDIA H100 Tensor Core GPU Architecture white paper"},
    {.name = "h200",
     .title = "H200 SXM",
     .limits = {132, kShared90},
     .fp32 = 66.9 * kTera,
     .tensor = 989.4 * kTera,
     .memory = 4800 * kGiga,
     .l2 = 50 * kMiB,
     .source = "NVIDIA H200 datasheet; the GPU itself: H100 white paper"},
};

}  // namespace

std::span<const Card> cards() { return kCards; }

const Card& card_named(std::string_view name) {
  const auto found = std::find_if(std::begin(kCards), std::end(kCards),
                                  [&](const Card& card) { return card.name == name; });
  if (found != std::end(kCards)) return *found;
  std::vector<std::string_view> names;
  for (const Card& card : kCards) names.push_back(card.name);
  throw ArgumentError("there are no figures of a card '{}': use {}", printable(name),
                      fmt::join(names, ", "));
}

}  // namespace oddity
