#include "engine/cuda/cuda_scores.h"

#include <algorithm>

#include "core/error.h"
#include "select.h"

namespace oddity::cuda {

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

}  // namespace oddity::cuda
