#include "engine/cuda/cuda_images.h"

#include <utility>

#include "engine/cuda/trace.h"
#include "variation.h"

namespace oddity::cuda {
namespace {

kernels::Pixels pixels_of(PixelType type) {
  switch (type) {
    case PixelType::u8:
      return kernels::Pixels::u8;
    case PixelType::u16:
      return kernels::Pixels::u16;
    case PixelType::f32:
      return kernels::Pixels::f32;
  }
  return kernels::Pixels::u8;
}

size_t bytes_of(PixelType type, const ImageShape& shape) {
  return static_cast<size_t>(shape.size()) * size_of(type);
}

}  // namespace

CudaImages::CudaImages(std::shared_ptr<const Device> device, PixelType type,
                       const ImageShape& shape, size_t count)
    : Images(shape, count),
      device_(std::move(device)),
      type_(pixels_of(type)),
      pixels_(static_cast<int64_t>(count * bytes_of(type, shape)), "the images") {}

void CudaImages::send(const std::byte* pixels, size_t bytes) {
  const TraceRange range("upload");
  pixels_.upload({pixels, bytes}, device_->stream());
  device_->synchronize();
}

void CudaImages::enqueue(const std::byte* pixels, size_t bytes, cudaStream_t copies) {
  if (!copied_) copied_.emplace();
  pixels_.upload({pixels, bytes}, copies);
  copied_->record(copies);
}

void CudaImages::wait_for_copy() const {
  if (copied_) copied_->synchronize();
}

PixelSource CudaImages::source(cudaStream_t stream) const {
  if (copied_) copied_->hold_back(stream);
  return {type_, pixels_.data()};
}

const float* CudaImages::variations(cudaStream_t stream) const {
  if (variations_.size() == 0) {
    const auto count = static_cast<int64_t>(size());
    const PixelSource images = source(stream);
    variations_ = {count, "the images' variations"};
    kernels::variations(stream, images.type, images.pixels, count, shape().height, shape().width,
                        shape().channels, variations_.data());
  }
  return variations_.data();
}

CudaStaging::CudaStaging(const std::shared_ptr<const Device>& device, PixelType type,
                         const ImageShape& shape, size_t capacity)
    : Staging(type, shape, capacity),
      image_bytes_(bytes_of(type, shape)),
      pinned_(static_cast<int64_t>(capacity * image_bytes_)),
      images_(device, type, shape, capacity) {}

std::byte* CudaStaging::do_data() {
  images_.device()->make_current();
  images_.wait_for_copy();
  return pinned_.data();
}

const Images& CudaStaging::do_send(size_t count) {
  const TraceRange range("upload");
  images_.device()->make_current();
  images_.enqueue(pinned_.data(), count * image_bytes_, copies_.get());
  return images_;
}

}  // namespace oddity::cuda
