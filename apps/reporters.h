// What a person sees while the program trains or scores, and where Ctrl-C takes hold.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "console.h"
#include "core/error.h"
#include "core/progress.h"
#include "detect/score_stream.h"
#include "engine/engine.h"
#include "images/image_status.h"
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

/// Thrown where more images cannot be used than --max-bad allows: how many, and how many it does.
/// What helps depends on the command, which adds it.
class TooManyBadImages : public Error {
  using Error::Error;
};

/// Images that a person is told of one by one; the rest is a number.
inline constexpr size_t kMostNamedBad = 5;
/// Warns of one that cannot be used.
void print_bad(const Console& console, std::string_view path, ImageStatus status,
               std::string_view reason);

/// Says how many files are nobody's rows; nothing where there are none.
void print_left_out(const Console& console, uint64_t files);

/// Images read so far, on a terminal. Throws Interrupted after Ctrl-C, TooManyBadImages above
/// `max_bad`.
class LoadingReporter {
 public:
  LoadingReporter(ProgressStyle style, std::optional<uint64_t> max_bad)
      : style_(style), max_bad_(max_bad) {}

  void update(uint64_t rows, uint64_t bad, double fraction);
  /// All are read: the line goes.
  void finish() { line_.erase(); }

 private:
  ProgressStyle style_;
  std::optional<uint64_t> max_bad_;
  LiveLine line_;
};

/// A bar on a terminal, a line every 10 % elsewhere (every 10 s where the end is not known): images
/// a second, time left, bad images, the slowest stage. Throws Interrupted after Ctrl-C,
/// TooManyBadImages above `max_bad`.
class ScoreReporter final : public ScoreObserver {
 public:
  ScoreReporter(const Console& console, ProgressStyle style, int threads,
                std::optional<uint64_t> max_bad)
      : console_(console), style_(style), threads_(threads), max_bad_(max_bad) {}

  void update(const ScoreProgress& progress) override;
  const ScoreProgress& last() const { return last_; }
  /// The work stops: other lines follow.
  void finish() { line_.finish(); }

 private:
  std::string tail() const;
  void print_line();

  const Console& console_;
  ProgressStyle style_;
  int threads_;
  std::optional<uint64_t> max_bad_;
  LiveLine line_;
  ScoreProgress last_;
  double fraction_at_start_ = -1;
  int tenths_ = 0;  // of the set, that were told of
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point told_ = began_;
};

}  // namespace oddity
