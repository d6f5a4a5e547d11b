#include "engine/cuda/cuda_engine.h"

#include <algorithm>

#include "core/error.h"
#include "engine/cuda/cuda_network.h"
#include "engine/cuda/selftest.h"
#include "engine/cuda/trace.h"
#include "select.h"

namespace oddity::cuda {
namespace {

class CudaEngine final : public Engine {
 public:
  explicit CudaEngine(const CudaEngineOptions& options)
      : options_(options),
        device_(std::make_shared<const Device>(options.ordinal, options.make_planner)) {}

  DeviceInfo info() const override { return device_->info(); }

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

void CudaScores::do_download(std::span<float> out) const {
  device_->make_current();
  values_.download(out, device_->stream());
  device_->synchronize();
}

std::vector<float> CudaScores::do_select(std::span<const uint64_t> ranks) const {
  device_->make_current();
  const cudaStream_t stream = device_->stream();
  DeviceBuffer<kernels::Selection> on_device(1, "order statistics");
  DeviceBuffer<std::byte> workspace(kernels::select_workspace(), "order statistics");
  std::vector<float> selected;
  // Two at a time; the last may be alone.
  for (size_t i = 0; i < ranks.size(); i += 2) {
    const bool pair = i + 1 < ranks.size();
    const auto [lower, upper] = std::minmax(ranks[i], ranks[pair ? i + 1 : i]);
    kernels::select(stream, values_.data(), size(), lower, upper, on_device.data(),
                    workspace.data());
    kernels::Selection selection{};
    on_device.download({&selection, 1}, stream);
    device_->synchronize();
    if (selection.nan_count > 0) {
      throw Error("the score of image {} is not a number", selection.first_nan);
    }
    selected.push_back(selection.value[ranks[i] == lower ? 0 : 1]);
    if (pair) selected.push_back(selection.value[ranks[i] == lower ? 1 : 0]);
  }
  return selected;
}

std::unique_ptr<Engine> make_cuda_engine(const CudaEngineOptions& options) {
  return std::make_unique<CudaEngine>(options);
}

}  // namespace oddity::cuda
