#include <charconv>
#include <optional>

#include "core/error.h"
#include "engine/cpu/cpu_engine.h"
#include "engine/engine.h"
#include "engine/load_cuda.h"

namespace oddity {
namespace {

/// The N of "cuda:N", 0 for "cuda"; nothing for another name.
std::optional<int> cuda_ordinal(std::string_view device) {
  if (!device.starts_with("cuda")) return {};
  device.remove_prefix(4);
  if (device.empty()) return 0;
  int number = 0;
  const auto [end, error] =
      std::from_chars(device.data() + 1, device.data() + device.size(), number);
  const bool whole = error == std::errc() && end == device.data() + device.size();
  return device.front() == ':' && whole && number >= 0 ? std::optional(number) : std::nullopt;
}

std::unique_ptr<Engine> make_best(const EngineOptions& options) {
  const std::string why_not_cuda = why_no_cuda();
  if (why_not_cuda.empty()) return make_cuda_engine(0, options);
  if (needs_cuda(options.precision)) {
    throw DeviceError("precision {} needs a CUDA device, which is not available: {}; use fp32",
                      name_of(options.precision), why_not_cuda);
  }
  return cpu::make_cpu_engine(options);
}

}  // namespace

std::unique_ptr<Engine> make_engine(std::string_view device, const EngineOptions& options) {
  if (options.max_batch < 1) {
    throw ArgumentError("max_batch: at least 1 is needed, not {}", options.max_batch);
  }
  if (device == "cpu") {
    if (needs_cuda(options.precision)) {
      throw ArgumentError(
          "precision {} does not exist on the CPU, which computes in fp32: use --precision fp32, "
          "or --device cuda where there is one",
          name_of(options.precision));
    }
    return cpu::make_cpu_engine(options);
  }
  if (device == "auto") return make_best(options);
  if (const auto ordinal = cuda_ordinal(device)) return make_cuda_engine(*ordinal, options);
  throw ArgumentError("device {} is not known: use auto, cpu, cuda or cuda:N", device);
}

}  // namespace oddity
