// A descriptor of cuDNN's backend API: everything it knows (tensors, operations, graphs, plans) is
// one, with attributes that are set, then finalized, then read.
#pragma once

#include <cudnn_graph.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/cuda/cudnn_library.h"

namespace oddity::cuda {

/// By which the backend API knows an attribute of a C++ type.
constexpr cudnnBackendAttributeType_t attribute_type(int64_t) { return CUDNN_TYPE_INT64; }
constexpr cudnnBackendAttributeType_t attribute_type(float) { return CUDNN_TYPE_FLOAT; }
constexpr cudnnBackendAttributeType_t attribute_type(double) { return CUDNN_TYPE_DOUBLE; }
constexpr cudnnBackendAttributeType_t attribute_type(bool) { return CUDNN_TYPE_BOOLEAN; }
constexpr cudnnBackendAttributeType_t attribute_type(char) { return CUDNN_TYPE_CHAR; }
constexpr cudnnBackendAttributeType_t attribute_type(cudnnHandle_t) { return CUDNN_TYPE_HANDLE; }
constexpr cudnnBackendAttributeType_t attribute_type(cudnnDataType_t) {
  return CUDNN_TYPE_DATA_TYPE;
}
constexpr cudnnBackendAttributeType_t attribute_type(cudnnConvolutionMode_t) {
  return CUDNN_TYPE_CONVOLUTION_MODE;
}
constexpr cudnnBackendAttributeType_t attribute_type(cudnnPointwiseMode_t) {
  return CUDNN_TYPE_POINTWISE_MODE;
}
constexpr cudnnBackendAttributeType_t attribute_type(cudnnBackendHeurMode_t) {
  return CUDNN_TYPE_HEUR_MODE;
}
constexpr cudnnBackendAttributeType_t attribute_type(cudnnBackendNumericalNote_t) {
  return CUDNN_TYPE_NUMERICAL_NOTE;
}
constexpr cudnnBackendAttributeType_t attribute_type(cudnnBackendNormMode_t) {
  return CUDNN_TYPE_NORM_MODE;
}
constexpr cudnnBackendAttributeType_t attribute_type(cudnnBackendNormFwdPhase_t) {
  return CUDNN_TYPE_NORM_FWD_PHASE;
}
constexpr cudnnBackendAttributeType_t attribute_type(cudnnBackendDescriptor_t) {
  return CUDNN_TYPE_BACKEND_DESCRIPTOR;
}

/// Owns one descriptor. Everything but try_finalize throws DeviceError where cuDNN refuses.
class Descriptor {
 public:
  Descriptor(std::shared_ptr<const CudnnLibrary> library, cudnnBackendDescriptorType_t type);
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  cudnnBackendDescriptor_t get() const { return descriptor_; }

  template <typename T>
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    set(name, attribute_type(T{}), std::ssize(values), values.data());
    return *this;
  }
  template <typename T>
  Descriptor& set(cudnnBackendAttributeName_t name, const std::vector<T>& values) {
    return set(name, std::span<const T>(values));
  }
  template <typename T>
  Descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set(name, std::span<const T>(&value, 1));
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    return set(name, other.descriptor_);
  }
  /// Pointers to data: a descriptor is a void pointer, too.
  Descriptor& set_pointers(cudnnBackendAttributeName_t name, std::span<void* const> pointers) {
    set(name, CUDNN_TYPE_VOID_PTR, std::ssize(pointers), pointers.data());
    return *this;
  }

  /// Throws DeviceError where cuDNN does not accept the attributes.
  Descriptor& finalize();
  /// The same as a question: success or why not.
  cudnnStatus_t try_finalize();

  template <typename T>
  T get(cudnnBackendAttributeName_t name) const {
    T value{};
    get(name, attribute_type(T{}), 1, &value);
    return value;
  }
  /// At most `capacity` values.
  template <typename T>
  std::vector<T> get_list(cudnnBackendAttributeName_t name, int64_t capacity) const {
    std::vector<T> values(static_cast<size_t>(capacity));
    values.resize(static_cast<size_t>(get(name, attribute_type(T{}), capacity, values.data())));
    return values;
  }
  /// Fills an attribute that is itself a descriptor.
  void get(cudnnBackendAttributeName_t name, Descriptor& other) const {
    get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.descriptor_);
  }
  /// Fills an attribute that is a list of descriptors; how many of `others` were filled.
  size_t get_each(cudnnBackendAttributeName_t name, std::span<Descriptor> others) const;
  /// How many values an attribute has.
  int64_t count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    return get(name, type, 0, nullptr);
  }
  const CudnnLibrary& library() const { return *library_; }

 private:
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
           const void* values);
  int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t capacity,
              void* values) const;

  std::shared_ptr<const CudnnLibrary> library_;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace oddity::cuda
