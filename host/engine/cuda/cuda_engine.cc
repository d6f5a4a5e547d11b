#include "engine/cuda/cuda_engine.h"

#include <fmt/format.h>

#include "engine/cuda/cuda_network.h"
#include "engine/cuda/inference.h"
#include "engine/cuda/selftest.h"
#include "engine/cuda/trace.h"

namespace oddity::cuda {
namespace {

class CudaEngine final : public Engine {
 public:
  explicit CudaEngine(const CudaEngineOptions& options)
      : options_(options),
        device_(std::make_shared<const Device>(options.ordinal, options.make_planner)) {}

  DeviceInfo info() const override {
    DeviceInfo info = device_->info();
    info.scores = options_.scores;
    if (info.scores != Precision::tf32) info.scoring = scoring_rule(device_->planner());
    if (info.scores != info.precision) {
      info.details += fmt::format(", scores {}", name_of(info.scores));
    }
    return info;
  }

  std::vector<SelfTestResult> selftest(const Architecture& architecture) override {
    device_->make_current();
    return run_selftest(device_->planner(), device_->stream(), architecture);
  }

 private:
  std::unique_ptr<Images> do_upload(const ImageView& images) override {
    device_->make_current();
    auto uploaded = std::make_unique<CudaImages>(device_, images.type, images.shape, images.count);
    uploaded->send(images.data, images.count * images.image_bytes());
    return uploaded;
  }
  std::unique_ptr<Staging> do_staging(PixelType type, const ImageShape& shape,
                                      size_t capacity) override {
    device_->make_current();
    return std::make_unique<CudaStaging>(device_, type, shape, capacity);
  }
  std::unique_ptr<Network> do_network(const Architecture& architecture, const Weights& weights,
                                      const std::optional<OptimizerState>& optimizer) override {
    device_->make_current();
    return std::make_unique<CudaNetwork>(device_, options_, architecture, weights, optimizer);
  }

  CudaEngineOptions options_;
  // Shared: images, networks and scores may outlive their engine.
  std::shared_ptr<const Device> device_;
};

}  // namespace

std::unique_ptr<Engine> make_cuda_engine(const CudaEngineOptions& options) {
  return std::make_unique<CudaEngine>(options);
}

}  // namespace oddity::cuda
