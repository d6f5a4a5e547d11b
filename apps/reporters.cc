#include "reporters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "core/text.h"
#include "interrupt.h"

namespace oddity {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Four decimals, as Keras prints a metric: 0.0421, 4.2100e-05.
std::string metric(double value) {
  return std::abs(value) > 1e-3 ? fmt::format("{:.4f}", value) : fmt::format("{:.4e}", value);
}

std::string per_sample(double seconds) {
  if (seconds >= 1) return fmt::format("{:.0f}s/sample", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.0f}ms/sample", seconds * 1e3);
  return fmt::format("{:.0f}us/sample", seconds * 1e6);
}

/// `done/total [=>..]tail`: the bar shrinks where the terminal is narrow, and goes where it is
/// tiny.
std::string bar_line(size_t done, size_t total, std::string_view tail) {
  constexpr size_t kWidth = 30;
  constexpr size_t kSmallest = 5;
  const std::string count = fmt::format("{:{}}/{}", done, std::to_string(total).size(), total);
  const size_t taken = count.size() + 3 + tail.size() + 1;  // brackets, a blank, the last column
  const size_t columns = terminal_columns();
  if (columns < taken + kSmallest) return fmt::format("{}{}", count, tail);
  const size_t width = std::min(kWidth, columns - taken);
  return fmt::format("{} {}{}", count, draw_bar(done, total, width), tail);
}

void check_bad(uint64_t bad, const std::optional<uint64_t>& max_bad) {
  if (!max_bad || bad <= *max_bad) return;
  throw TooManyBadImages("{} cannot be used, --max-bad allows {}", counted(bad, "image"), *max_bad);
}

/// Which stage the others wait for: that whose threads are busiest. Where the CPU computes, scoring
/// shares its cores with the rest.
std::string_view slowest_stage(const ScoreProgress& progress, int threads) {
  const StageSeconds& stages = progress.stages;
  const double loading = stages.read + stages.decode + stages.preprocess;
  const double slowest = std::max({stages.list, loading / threads, progress.score, progress.write});
  if (slowest == progress.score) return "score";
  if (slowest == progress.write) return "write";
  if (slowest == stages.list) return "read";
  const double most = std::max({stages.read, stages.decode, stages.preprocess});
  return most == stages.decode ? "decode" : most == stages.read ? "read" : "resample";
}

double time_left(Clock::time_point began, size_t done, size_t total) {
  return seconds_since(began) / static_cast<double>(done) * static_cast<double>(total - done);
}

}  // namespace

void print_device(const Console& console, const Engine& engine) {
  const DeviceInfo info = engine.info();
  const std::string missing = why_no_cuda();
  console.info(fmt::format("device {} ({}){}", info.name, info.details,
                           missing.empty() ? "" : " — cuda: " + missing));
}

void TrainingReporter::epoch_begins(int64_t epoch, int64_t epochs) {
  throw_if_interrupted();
  began_ = Clock::now();
  if (style_ != ProgressStyle::none) console_.note(fmt::format("Epoch {}/{}", epoch, epochs));
}

void TrainingReporter::update(size_t done, size_t total, double loss) {
  throw_if_interrupted();
  images_ = total;
  if (style_ != ProgressStyle::bar || done == 0 || !line_.due()) return;
  line_.draw(bar_line(done, total,
                      fmt::format(" - ETA: {} - loss: {}",
                                  clock_time(time_left(began_, done, total)), metric(loss))));
}

void TrainingReporter::epoch_ended(int64_t, const EpochRecord& record, double seconds) {
  const std::string losses = fmt::format(" - loss: {} - val_loss: {}", metric(record.loss),
                                         metric(record.validation_loss));
  if (style_ == ProgressStyle::bar) {
    const double each = seconds / static_cast<double>(std::max<size_t>(images_, 1));
    line_.draw(bar_line(images_, images_,
                        fmt::format(" - {} {}{}", clock_time(seconds), per_sample(each), losses)));
    line_.finish();
  } else if (style_ == ProgressStyle::plain) {
    console_.note(fmt::format("{0}/{0} - {1}{2}", images_, clock_time(seconds), losses));
  }
  throw_if_interrupted();
}

void ScoringReporter::update(size_t done, size_t total, double) {
  throw_if_interrupted();
  if (style_ != ProgressStyle::bar || done == 0) return;
  if (done >= total) return line_.erase();
  if (!line_.due()) return;
  const double rate = static_cast<double>(done) / std::max(seconds_since(began_), 1e-9);
  line_.draw(
      bar_line(done, total,
               fmt::format(" - ETA: {} - {} images/s", clock_time(time_left(began_, done, total)),
                           with_thousands(std::llround(rate)))));
}

void print_left_out(const Console& console, uint64_t files) {
  if (files == 0) return;
  console.info(fmt::format("{} file{} left out: no image by name or content",
                           with_thousands(static_cast<int64_t>(files)),
                           files == 1 ? " is" : "s are"));
}

void print_bad(const Console& console, std::string_view path, ImageStatus status,
               std::string_view reason) {
  console.warning(fmt::format("{}: {}: {}", printable(path), name_of(status), printable(reason)));
}

void LoadingReporter::update(uint64_t rows, uint64_t bad, double fraction) {
  throw_if_interrupted();
  check_bad(bad, max_bad_);
  if (style_ != ProgressStyle::bar || !line_.due()) return;
  std::string text = fmt::format("{} images", with_thousands(static_cast<int64_t>(rows)));
  if (fraction > 0) text += fmt::format(" - {:.0f} %", std::floor(fraction * 100));
  if (bad > 0) text += fmt::format(" - {} bad", with_thousands(static_cast<int64_t>(bad)));
  line_.draw(text);
}

void ScoreReporter::update(const ScoreProgress& progress) {
  last_ = progress;
  throw_if_interrupted();
  check_bad(progress.bad, max_bad_);
  // A run that goes on begins somewhere in the set.
  if (fraction_at_start_ < 0 && progress.fraction > 0) {
    fraction_at_start_ = progress.rows == progress.new_rows ? 0 : progress.fraction;
  }
  if (style_ == ProgressStyle::bar) {
    if (progress.finished) return line_.erase();
    if (line_.due()) line_.draw(tail());
  } else if (style_ == ProgressStyle::plain) {
    print_line();
  }
}

/// `123,456 images - 12 % - ETA: 1:05 - 12,345 images/s - 3 bad - slowest: decode`
std::string ScoreReporter::tail() const {
  const ScoreProgress& now = last_;
  const double seconds = std::max(seconds_since(began_), 1e-9);
  std::string text = fmt::format("{} images", with_thousands(static_cast<int64_t>(now.rows)));
  if (now.fraction > 0) text += fmt::format(" - {:.0f} %", std::floor(now.fraction * 100));
  const double done = now.fraction - fraction_at_start_;
  if (now.fraction > 0 && done > 0 && !now.finished) {
    text += fmt::format(" - ETA: {}", clock_time(seconds / done * (1 - now.fraction)));
  }
  text += fmt::format(" - {} images/s",
                      with_thousands(std::llround(static_cast<double>(now.new_rows) / seconds)));
  if (now.bad > 0) text += fmt::format(" - {} bad", with_thousands(static_cast<int64_t>(now.bad)));
  return text + fmt::format(" - slowest: {}", slowest_stage(now, threads_));
}

void ScoreReporter::print_line() {
  constexpr double kSeconds = 10;
  const int tenths = static_cast<int>(last_.fraction * 10);
  const bool known = last_.fraction > 0;
  // The last tenth is told of by the line that says all is finished.
  const bool due = last_.finished ||
                   (known ? tenths > tenths_ && tenths < 10 : seconds_since(told_) >= kSeconds);
  if (!due || last_.new_rows == 0) return;
  tenths_ = tenths;
  told_ = Clock::now();
  console_.note(tail());
}

}  // namespace oddity
