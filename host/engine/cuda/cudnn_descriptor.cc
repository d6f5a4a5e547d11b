#include "engine/cuda/cudnn_descriptor.h"

#include <utility>

namespace oddity::cuda {

Descriptor::Descriptor(std::shared_ptr<const CudnnLibrary> library,
                       cudnnBackendDescriptorType_t type)
    : library_(std::move(library)) {
  library_->check(library_->create_descriptor(type, &descriptor_), "cudnnBackendCreateDescriptor");
}

Descriptor::Descriptor(Descriptor&& other) noexcept
    : library_(std::move(other.library_)), descriptor_(std::exchange(other.descriptor_, nullptr)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(library_, other.library_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Descriptor::~Descriptor() {
  if (descriptor_ != nullptr) library_->destroy_descriptor(descriptor_);
}

cudnnStatus_t Descriptor::try_finalize() { return library_->finalize(descriptor_); }

Descriptor& Descriptor::finalize() {
  library_->check(try_finalize(), "cudnnBackendFinalize");
  return *this;
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     int64_t count, const void* values) {
  library_->check(library_->set_attribute(descriptor_, name, type, count, values),
                  "cudnnBackendSetAttribute");
}

int64_t Descriptor::get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                        int64_t capacity, void* values) const {
  int64_t count = 0;
  library_->check(library_->get_attribute(descriptor_, name, type, capacity, &count, values),
                  "cudnnBackendGetAttribute");
  return count;
}

size_t Descriptor::get_each(cudnnBackendAttributeName_t name, std::span<Descriptor> others) const {
  std::vector<cudnnBackendDescriptor_t> list;
  for (const Descriptor& other : others) list.push_back(other.descriptor_);
  return static_cast<size_t>(
      get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(list), list.data()));
}

}  // namespace oddity::cuda
