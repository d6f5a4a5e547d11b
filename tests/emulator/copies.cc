// Copies, fills and host functions on streams, and the launch of kernels.
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "emulator/internal.h"

namespace oddity::emulator {
namespace {

std::map<const void*, std::size_t> shared_allowed;  // by kernel, beyond the default

enum class Side { kHost, kDevice };

Side side_of(const void* address) { return in_device_heap(address) ? Side::kDevice : Side::kHost; }

/// Reports unless the range lies on that side, within one live allocation where that is known.
bool is_valid(const char* what, const void* address, std::size_t bytes, Side side) {
  if (side_of(address) != side) {
    report("copy-kind", {}, Culprit::kHost, "%s: %p is no %s pointer", what, address,
           side == Side::kDevice ? "device" : "host");
    return false;
  }
  const Allocation* const allocation =
      side == Side::kDevice ? find_allocation(address) : find_pinned(address);
  if (allocation == nullptr) {
    if (side == Side::kDevice) {
      report("copy-bounds", {}, Culprit::kHost, "%s: %p was never allocated", what, address);
    }
    return side == Side::kHost;  // pageable memory is left to AddressSanitizer
  }
  if (!allocation->live) {
    report("use-after-free", {}, Culprit::kHost, "%s: %p was freed", what, address);
    return false;
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  if (begin < allocation->begin || begin > allocation->end || allocation->end - begin < bytes) {
    report("copy-bounds", {}, Culprit::kHost,
           "%s: %zu bytes at %p leave an allocation of %zu bytes", what, bytes, address,
           allocation->end - allocation->begin);
    return false;
  }
  return true;
}

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                 cudaStream_t stream) {
  if (bytes == 0) {
    return cudaSuccess;
  }
  Side to_side = side_of(to);
  Side from_side = side_of(from);
  if (kind != cudaMemcpyDefault) {
    const auto device = [&](cudaMemcpyKind one) {
      return kind == one || kind == cudaMemcpyDeviceToDevice ? Side::kDevice : Side::kHost;
    };
    to_side = device(cudaMemcpyHostToDevice);
    from_side = device(cudaMemcpyDeviceToHost);
  }
  const auto valid = [=] {
    return is_valid("target of a copy", to, bytes, to_side) &&
           is_valid("source of a copy", from, bytes, from_side);
  };
  if (!valid()) {
    return cudaErrorInvalidValue;
  }
  return enqueue(
      stream,
      [=] {
        if (!valid()) {  // freed since
          set_device_error(cudaErrorIllegalAddress);
          return Progress::kFinished;
        }
        std::memmove(to, from, bytes);
        if (to_side == Side::kDevice && from_side == Side::kDevice) {
          checker::device_copied(to, from, bytes);
        } else if (to_side == Side::kDevice) {
          checker::device_written(to, bytes);
        }
        return Progress::kFinished;
      },
      cudaGraphNodeTypeMemcpy);
}

cudaError_t fill(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (bytes == 0) {
    return cudaSuccess;
  }
  if (!is_valid("a memset", to, bytes, side_of(to))) {
    return cudaErrorInvalidValue;
  }
  return enqueue(
      stream,
      [=] {
        if (!is_valid("a memset", to, bytes, side_of(to))) {
          set_device_error(cudaErrorIllegalAddress);
          return Progress::kFinished;
        }
        std::memset(to, value, bytes);
        if (side_of(to) == Side::kDevice) {
          checker::device_written(to, bytes);
        }
        return Progress::kFinished;
      },
      cudaGraphNodeTypeMemset);
}

std::size_t shared_limit(const void* kernel) {
  const auto found = shared_allowed.find(kernel);
  return found == shared_allowed.end() ? kSharedDefault : found->second;
}

}  // namespace

cudaError_t launch(Launch launch, cudaStream_t stream) {
  const std::lock_guard lock(runtime_mutex());
  const dim3 block = launch.block;
  const dim3 grid = launch.grid;
  const std::uint64_t threads = std::uint64_t(block.x) * block.y * block.z;
  if (block.x > kThreadsMaximum || block.y > kThreadsMaximum || block.z > 64 || threads == 0 ||
      threads > kThreadsMaximum || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    return result(cudaErrorInvalidConfiguration);
  }
  if (launch.shared > shared_limit(launch.kernel)) {
    return result(cudaErrorInvalidValue);
  }
  const auto shared = std::make_shared<const Launch>(std::move(launch));
  return result(enqueue(
      stream,
      [shared] {
        if (!run_grid(*shared)) {
          set_device_error(cudaErrorLaunchFailure);
        }
        return Progress::kFinished;
      },
      cudaGraphNodeTypeKernel));
}

void mark_written(const void* device, std::size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  checker::device_written(device, bytes);
}

}  // namespace oddity::emulator

using namespace oddity::emulator;  // what follows is the C interface

extern "C" {

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const std::lock_guard lock(runtime_mutex());
  return result(copy(to, from, bytes, kind, stream));
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const std::lock_guard lock(runtime_mutex());
  if (capture_forbids()) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  const cudaError_t error = copy(to, from, bytes, kind, nullptr);
  if (error == cudaSuccess) {
    finish_stream(nullptr);
  }
  return result(error != cudaSuccess ? error : device_error());
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(runtime_mutex());
  return result(fill(to, value, bytes, stream));
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return cudaMemsetAsync(to, value, bytes, nullptr);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  const std::lock_guard lock(runtime_mutex());
  return result(enqueue(
      stream,
      [=] {
        const ClosedHeap closed;  // it is host code
        function(data);
        return Progress::kFinished;
      },
      cudaGraphNodeTypeHost));
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const std::lock_guard lock(runtime_mutex());
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || std::size_t(value) > shared_maximum()) {
      return result(cudaErrorInvalidValue);
    }
    shared_allowed[kernel] = std::max(std::size_t(value), kSharedDefault);
  }
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  const std::lock_guard lock(runtime_mutex());
  *attributes = {};
  attributes->maxThreadsPerBlock = int(kThreadsMaximum);
  attributes->maxDynamicSharedSizeBytes = int(shared_limit(kernel));
  attributes->binaryVersion = settings().compute_major * 10 + settings().compute_minor;
  attributes->ptxVersion = attributes->binaryVersion;
  return cudaSuccess;
}

}  // extern "C"
