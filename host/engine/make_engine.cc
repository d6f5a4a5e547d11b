#include <charconv>

#include "core/error.h"
#include "engine/cpu/cpu_engine.h"
#include "engine/engine.h"

namespace oddity {
namespace {

/// "cuda" or "cuda:N".
bool is_cuda(std::string_view device) {
  if (!device.starts_with("cuda")) return false;
  device.remove_prefix(4);
  if (device.empty()) return true;
  int number = 0;
  const auto [end, error] =
      std::from_chars(device.data() + 1, device.data() + device.size(), number);
  return device.front() == ':' && error == std::errc() && end == device.data() + device.size() &&
         number >= 0;
}

}  // namespace

std::unique_ptr<Engine> make_engine(std::string_view device, const EngineOptions& options) {
  if (options.max_batch < 1) {
    throw ArgumentError("max_batch: at least 1 is needed, not {}", options.max_batch);
  }
  if (device == "cpu" || device == "auto") return cpu::make_cpu_engine(options);
  if (is_cuda(device)) {
    throw DeviceError("device {} is not available: {}; use --device cpu or auto", device,
                      why_no_cuda());
  }
  throw ArgumentError("device {} is not known: use auto, cpu, cuda or cuda:N", device);
}

}  // namespace oddity
