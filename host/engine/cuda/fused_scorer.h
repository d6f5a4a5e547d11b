// Scores of the network that the fused kernels are written for: from pixels to a float in one
// launch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/cuda/cuda_scores.h"
#include "engine/cuda/device.h"
#include "engine/cuda/score_fp16_weights.h"
#include "engine/cuda/score_fp32_weights.h"
#include "engine/engine.h"
#include "images.h"

namespace oddity::cuda {

/// Whether the fused scorer takes such images of such a network; else Inference does. tf32 is the
/// libraries'.
inline constexpr const char* kFusedScorerRule =
    "8-bit images of 28x28x1, filters 32 and 64, 16 latent numbers: in one kernel";
bool takes_fused_scorer(const Architecture& architecture, kernels::Pixels pixels,
                        Precision precision);

/// Images of a launch, between two looks at Ctrl-C: some milliseconds.
inline constexpr int64_t kScorerBlockImages = int64_t{1} << 16;

/// Tensor-core products (mma.m16n8k16) that the fp16 kernel makes of eight images, which share
/// those with their latent vectors, padding of its tiles included; and what each comes to.
inline constexpr int64_t kFp16ProductsOfEight = 22308;
inline constexpr int64_t kFp16ProductFlop = int64_t{2} * 16 * 8 * 16;

/// The fp16 kernel's way for a device that gives a block at most `shared` bytes; none where they
/// are too few.
std::optional<kernels::ScorePlan> fp16_plan(size_t shared);

class FusedScorer {
 public:
  /// Folds and copies the weights. `precision` is not tf32; where a weight is not finite in fp16 it
  /// is fp32 after all.
  FusedScorer(std::shared_ptr<const Device> device, const Architecture& architecture,
              const Weights& weights, Precision precision);

  /// To scores [scores.size()] those of images `first` … of a set.
  void score(const uint8_t* images, int64_t first, const ExactScores& exact, CudaScores& scores,
             Progress& progress) const;

 private:
  FusedScorer(std::shared_ptr<const Device> device, const FoldedNetwork& network,
              Precision precision);
  /// All of them, in fp32 or fp16.
  void score_all(Precision precision, const uint8_t* images, int64_t first, CudaScores& scores,
                 Progress& progress) const;
  /// Once more in fp32 the scores at these places, in the order of the set; `scores` are those on
  /// the device.
  void refine(const uint8_t* images, int64_t first, std::span<const uint32_t> places,
              std::span<float> scores) const;

  std::shared_ptr<const Device> device_;
  Precision precision_;
  int64_t blocks_;  // one a multiprocessor
  ScoreFp32Weights fp32_;
  DeviceBuffer<float> fp32_memory_;
  std::optional<ScoreFp16Weights> fp16_;
  std::optional<kernels::ScorePlan> plan_;
  DeviceBuffer<uint32_t> fp16_memory_;
};

}  // namespace oddity::cuda
