// What NVIDIA publishes of its cards: peaks that estimates are made of where there is no card.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/launch_report.h"

namespace oddity {

struct Card {
  std::string_view name;   // "rtx-4090", as on the command line
  std::string_view title;  // "GeForce RTX 4090"
  CardLimits limits;
  double fp32 = 0;    // FLOP/s of float32 multiply-adds, two each, at boost clock
  double tensor = 0;  // FLOP/s of fp16 products added in float32, without sparsity
  double memory = 0;  // bytes/s of device memory
  int64_t l2 = 0;     // bytes
  std::string_view source;
};

std::span<const Card> cards();

/// Throws ArgumentError, with all names, for one that is none.
const Card& card_named(std::string_view name);

}  // namespace oddity
