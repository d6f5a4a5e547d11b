// Findings, settings and counters.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "emulator/block.h"
#include "emulator/internal.h"

namespace oddity::emulator {
namespace {

std::mutex reports_mutex;  // workers report, while the runtime's mutex is held for them

std::vector<Report>& mutable_reports() {
  static std::vector<Report> all;
  return all;
}

void add_report(const char* kind, Where where, Culprit culprit, const char* message) {
  std::string text = kind;
  if (where.line != 0) {
    const char* slash = std::strrchr(where.file, '/');
    text += std::string(" at ") + (slash == nullptr ? where.file : slash + 1) + ":" +
            std::to_string(where.line);
  } else if (where.file[0] != '\0') {
    text += std::string(" at ") + where.file;
  }
  if (culprit == Culprit::kThread) {
    char place[120];
    std::snprintf(place, sizeof place, ", block (%u,%u,%u) thread (%u,%u,%u)", blockIdx.x,
                  blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    text += place;
  }
  text += std::string(": ") + message;
  const std::lock_guard lock(reports_mutex);
  std::fprintf(stderr, "[emulator] %s\n", text.c_str());
  mutable_reports().push_back({kind, text});
}

Settings settings_of_environment() {
  Settings result;
  result.workers = std::min(std::max(std::thread::hardware_concurrency(), 1u), 8u);
  const char* value = std::getenv("ODDITY_EMULATOR_ORDER");
  const std::string order = value == nullptr ? "forward" : value;
  if (order == "reverse") {
    result.order = Order::kReverse;
  } else if (order.rfind("random", 0) == 0) {
    result.order = Order::kRandom;
    const auto colon = order.find(':');
    result.seed = colon == order.npos ? 1u : std::uint32_t(std::stoul(order.substr(colon + 1)));
  } else if (order != "forward") {
    throw std::invalid_argument("ODDITY_EMULATOR_ORDER is neither forward, reverse nor random");
  }
  return result;
}

}  // namespace

std::recursive_mutex& runtime_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

Settings& settings() {
  static Settings current = settings_of_environment();
  return current;
}

Counters& mutable_counters() {
  static Counters current;
  return current;
}

Counters counters() {
  Counters now = mutable_counters();
  now.products = tile_products();
  return now;
}

std::vector<Report> reports() {
  const std::lock_guard lock(reports_mutex);
  return mutable_reports();
}

void report(const char* kind, Where where, Culprit culprit, const char* format, ...) {
  char message[600];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  add_report(kind, where, culprit, message);
}

void fail(const char* kind, Where where, const char* format, ...) {
  char message[600];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  add_report(kind, where, Culprit::kThread, message);
  if (Block::current() == nullptr) {
    std::abort();  // a device function called from host code
  }
  Block::current()->abandon();
}

std::string leaks() {
  std::vector<std::string> lines;
  add_memory_leaks(lines);
  add_stream_leaks(lines);
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

void reset() {
  const std::lock_guard lock(runtime_mutex());
  reset_streams();
  reset_memory();
  settings() = settings_of_environment();
  mutable_counters() = {};
  tile_products() = 0;
  const std::lock_guard reports_lock(reports_mutex);
  mutable_reports().clear();
}

}  // namespace oddity::emulator
