// Images in the memory of a CUDA device: sets that stay there, and sets that stream past.
#pragma once

#include <memory>
#include <optional>

#include "engine/cuda/device.h"
#include "engine/cuda/inference.h"
#include "engine/cuda/resources.h"
#include "engine/engine.h"

namespace oddity::cuda {

class CudaImages final : public Images {
 public:
  /// Room for images; what they are is undefined until they are sent.
  CudaImages(std::shared_ptr<const Device> device, PixelType type, const ImageShape& shape,
             size_t count);

  /// Copies the first `bytes` from the host, and waits for it.
  void send(const std::byte* pixels, size_t bytes);
  /// Enqueues that on a stream of its own.
  void enqueue(const std::byte* pixels, size_t bytes, cudaStream_t copies);
  /// Waits until the pixels given to enqueue() have been read.
  void wait_for_copy() const;

  /// For work that is enqueued on `stream`: it comes after the copy.
  PixelSource source(cudaStream_t stream) const;
  /// Of each image its total variation to the power .75 (variation.h); computed when first asked
  /// for, on `stream`.
  const float* variations(cudaStream_t stream) const;
  const std::shared_ptr<const Device>& device() const { return device_; }

 private:
  std::shared_ptr<const Device> device_;
  kernels::Pixels type_;
  DeviceBuffer<std::byte> pixels_;
  std::optional<Event> copied_;  // where pixels came by enqueue()
  mutable DeviceBuffer<float> variations_;
};

class CudaStaging final : public Staging {
 public:
  CudaStaging(const std::shared_ptr<const Device>& device, PixelType type, const ImageShape& shape,
              size_t capacity);

 private:
  std::byte* do_data() override;
  const Images& do_send(size_t count) override;

  size_t image_bytes_;
  Stream copies_;  // beside the device's own: computation goes on meanwhile
  PinnedBuffer<std::byte> pinned_;
  CudaImages images_;
};

}  // namespace oddity::cuda
