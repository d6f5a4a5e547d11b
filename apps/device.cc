#include "device.h"

#include <fmt/format.h>

#include "core/text.h"

namespace oddity {

Device::Device(const ComputeOptions& options, const Console& console)
    : options_(options), console_(console) {
  try {
    engine_ = make_engine(options.device, engine_options(options));
  } catch (const DeviceError& error) {
    fall_back(error);
  }
}

void Device::fall_back(const DeviceError& error) {
  const EngineOptions engine_options = oddity::engine_options(options_);
  const bool replaceable = options_.device == "auto" && !needs_cuda(engine_options.precision);
  if (!replaceable) throw;
  // A failed engine still holds what memory it had.
  engine_.reset();
  console_.info(fmt::format("device cuda:0 failed: {}; computing on the CPU instead",
                            printable(std::string_view(error.what()))));
  options_.device = "cpu";  // which is not replaced
  engine_ = make_engine(options_.device, engine_options);
}

}  // namespace oddity
