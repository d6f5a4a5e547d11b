// What a person sees while the program trains or scores, and where Ctrl-C takes hold.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "console.h"
#include "core/progress.h"
#include "engine/engine.h"
#include "terminal.h"
#include "train/trainer.h"

namespace oddity {

/// `device cpu (2 threads, AVX-512) — cuda: this build has no CUDA engine`
void print_device(const Console& console, const Engine& engine);

/// Keras' lines: a bar an epoch on a terminal, two lines an epoch elsewhere. Throws Interrupted
/// after Ctrl-C.
class TrainingReporter final : public TrainingObserver {
 public:
  TrainingReporter(const Console& console, ProgressStyle style)
      : console_(console), style_(style) {}

  void epoch_begins(int64_t epoch, int64_t epochs) override;
  void update(size_t done, size_t total, double loss) override;
  void epoch_ended(int64_t epoch, const EpochRecord& record, double seconds) override;

 private:
  const Console& console_;
  ProgressStyle style_;
  LiveLine line_;
  size_t images_ = 0;  // of an epoch
  std::chrono::steady_clock::time_point began_{};
};

/// A bar with images/s on a terminal, nothing elsewhere; gone when the work is done. Throws
/// Interrupted after Ctrl-C.
class ScoringReporter final : public Progress {
 public:
  explicit ScoringReporter(ProgressStyle style) : style_(style) {}

  void update(size_t done, size_t total, double) override;

 private:
  ProgressStyle style_;
  LiveLine line_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace oddity
