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

}  // namespace oddity
