// The launches of fused inference, with what they read and write: the first reads pixels, every
// other one normalises the map that it reads, and the last goes from the decoder's last map but one
// to what is wanted (kernels/decoder_tail.h), so that the largest map is never in memory. As for a
// step (fused_plan.h), pointers are only passed on.
#pragma once

#include <array>

#include "decoder_tail.h"
#include "engine/cuda/launch_plan.h"
#include "engine/cuda/plan.h"
#include "images.h"

namespace oddity::cuda {

/// Where everything lies that inference keeps, for a block of images.
struct InferenceMemory {
  const float* parameters = nullptr;  // NetworkState's
  float* statistics = nullptr;        // folded batch normalisation, at statistics_place
  std::array<float*, 2> maps{};       // each takes any map
  float* latent = nullptr;            // [images, latent]
  float* error_parts = nullptr;       // [error_parts, images]; none where that is 1
  float* workspace = nullptr;         // of the encoder's dense layer
};

/// Where a stage's statistics begin; that of tail_stage() + 1 is the size of all.
int64_t statistics_place(const Plan& plan, size_t stage);
/// The stage that the tail begins with.
inline size_t tail_stage(const Plan& plan) { return plan.stages.size() - 2; }
/// Parts that the tail leaves of an image's error.
int64_t error_parts(const Plan& plan);

/// Puts together what is to be launched, for `count` images.
class InferenceLaunches {
 public:
  InferenceLaunches(const Plan& plan, const InferenceMemory& memory,
                    const kernels::PixelBatch& pixels, int64_t count)
      : plan_(plan), memory_(memory), pixels_(pixels), count_(count) {}

  /// From pixels to latent vectors.
  void encode();
  /// From latent vectors to one of the maps, which holds the result: not errors.
  float* decode(kernels::TailResult result);
  /// From pixels to errors [count].
  void score(float* errors);

  // The parts of these.
  /// The decoder's first map.
  float* hidden();
  /// The activation of a stage before the tail, not yet normalised. x is that of the one before, or
  /// hidden(); the first reads pixels.
  float* activation(size_t stage, const float* x);

  const LaunchPlan& plan() const { return launches_; }

 private:
  using Ranges = std::vector<MemoryRange>;

  const float* weight(int64_t offset) const { return memory_.parameters + offset; }
  float* other_map(const float* x) const { return memory_.maps[x == memory_.maps[0] ? 1 : 0]; }
  /// The map that a stage left in x, as the next layer reads it.
  kernels::NormalisedMap normalised(size_t stage, const float* x) const;
  /// What a stage but the first reads.
  kernels::NormalisedMap input(size_t stage, const float* x) const;

  // What these read.
  Ranges pixels() const;
  Ranges layer(size_t stage) const;
  Ranges map(const kernels::NormalisedMap& x, int64_t numbers) const;

  /// What the tail reads, of the latent vectors.
  const float* tail_input();
  /// The last two stages, and what is made of them.
  void tail(const float* x, kernels::TailResult result, float* to);

  const Plan& plan_;
  InferenceMemory memory_;
  kernels::PixelBatch pixels_;
  int64_t count_;
  LaunchPlan launches_;
};

}  // namespace oddity::cuda
