// Device memory: one reserved range of addresses, inaccessible unless device work runs. Every
// allocation is followed by a guard that stays inaccessible, and no address is given out twice.
// Page-locked host memory is ordinary memory that is kept account of.
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "emulator/block.h"
#include "emulator/internal.h"
#include "emulator/sanitizer.h"

namespace oddity::emulator {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kGuard = std::size_t(1) << 20;
constexpr std::size_t kAlignment = 256;  // of cudaMalloc
constexpr std::size_t kReserve = std::size_t(1) << 38;
constexpr int kExitOfFault = 86;

struct DeviceAllocation : Allocation {
  std::uintptr_t page = 0;     // where its first page begins
  std::size_t accessible = 0;  // bytes of whole pages from there; the guard follows
};

// Keyed by `end` of what belongs to it, guard included: upper_bound(address) finds it.
std::map<std::uintptr_t, DeviceAllocation> device;
std::map<std::uintptr_t, Allocation> pinned;  // keyed by begin; freed ones stay, see cudaFreeHost
std::size_t device_used = 0;
std::size_t heap_top = 0;
int open_heaps = 0;

char* heap() {
  static char* const range = [] {
    void* memory =
        mmap(nullptr, kReserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("[emulator] cannot reserve addresses for device memory");
      std::abort();
    }
    return static_cast<char*>(memory);
  }();
  return range;
}

void protect_all(int protection) {
  for (const auto& [key, allocation] : device) {
    if (allocation.live) {
      mprotect(reinterpret_cast<void*>(allocation.page), allocation.accessible, protection);
    }
  }
}

/// Says what a fault in the heap means, and ends the program: there is nobody to return to.
void explain_fault(int signal, siginfo_t* information, void*) {
  const void* address = information->si_addr;
  if (!in_device_heap(address)) {
    std::signal(signal, SIG_DFL);
    return;
  }
  const Allocation* allocation = find_allocation(address);
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  const Culprit culprit = Block::current() != nullptr ? Culprit::kThread : Culprit::kHost;
  if (allocation == nullptr) {
    report("out-of-bounds", {}, culprit, "%p was never allocated", address);
  } else if (!allocation->live) {
    report("use-after-free", {}, culprit, "%p is in a freed allocation of %zu bytes", address,
           allocation->end - allocation->begin);
  } else if (where >= allocation->end) {
    report("out-of-bounds", {}, culprit, "%p is %zu bytes past an allocation of %zu bytes", address,
           where - allocation->end, allocation->end - allocation->begin);
  } else if (where < allocation->begin) {
    report("out-of-bounds", {}, culprit, "%p is %zu bytes before an allocation of %zu bytes",
           address, allocation->begin - where, allocation->end - allocation->begin);
  } else {
    report("host-touch", {}, culprit, "host code touched device memory %p", address);
  }
  _exit(kExitOfFault);
}

void install_fault_handler() {
  [[maybe_unused]] static const bool installed = [] {
    static char stack[64 << 10];
    stack_t alternative{};
    alternative.ss_sp = stack;
    alternative.ss_size = sizeof stack;
    sigaltstack(&alternative, nullptr);
    struct sigaction action {};
    action.sa_sigaction = explain_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
    return true;
  }();
}

cudaError_t allocate(void** pointer, std::size_t bytes) {
  *pointer = nullptr;
  if (capture_forbids()) {
    return cudaErrorStreamCaptureUnsupported;
  }
  if (device_error() != cudaSuccess) {
    return device_error();
  }
  if (bytes == 0) {
    return cudaSuccess;
  }
  if (bytes > settings().total_memory || device_used > settings().total_memory - bytes ||
      creation_fails()) {
    return cudaErrorMemoryAllocation;
  }
  install_fault_handler();
  const std::size_t accessible = (bytes + kPage - 1) / kPage * kPage;
  if (heap_top + accessible + kGuard > kReserve) {
    return cudaErrorMemoryAllocation;
  }
  char* const page = heap() + heap_top;
  heap_top += accessible + kGuard;
  // As near to the guard as the alignment allows.
  char* const begin = page + (accessible - bytes) / kAlignment * kAlignment;
  if (mprotect(page, accessible, PROT_READ | PROT_WRITE) != 0) {
    return cudaErrorMemoryAllocation;
  }
  std::memset(page, 0xFF, accessible);
  ASAN_POISON_MEMORY_REGION(page, accessible);
  ASAN_UNPOISON_MEMORY_REGION(begin, bytes);
  if (open_heaps == 0) {
    mprotect(page, accessible, PROT_NONE);
  }
  DeviceAllocation allocation;
  allocation.begin = reinterpret_cast<std::uintptr_t>(begin);
  allocation.end = allocation.begin + bytes;
  allocation.live = true;
  allocation.page = reinterpret_cast<std::uintptr_t>(page);
  allocation.accessible = accessible;
  device.emplace(allocation.page + accessible + kGuard, allocation);
  device_used += bytes;
  checker::device_allocated(begin, bytes);
  *pointer = begin;
  return cudaSuccess;
}

void release(DeviceAllocation& allocation) {
  checker::device_freed(reinterpret_cast<void*>(allocation.begin));
  device_used -= allocation.end - allocation.begin;
  allocation.live = false;
  void* const page = reinterpret_cast<void*>(allocation.page);
  ASAN_UNPOISON_MEMORY_REGION(page, allocation.accessible);  // the fault handler explains it better
  mmap(page, allocation.accessible, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

}  // namespace

bool in_device_heap(const void* address) {
  const char* const p = static_cast<const char*>(address);
  return p >= heap() && p < heap() + kReserve;
}

const Allocation* find_allocation(const void* address) {
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  const auto found = device.upper_bound(where);
  return found == device.end() || where < found->second.page ? nullptr : &found->second;
}

const Allocation* find_pinned(const void* address) {
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  auto found = pinned.upper_bound(where);
  if (found == pinned.begin()) {
    return nullptr;
  }
  --found;
  return where < found->second.end ? &found->second : nullptr;
}

OpenHeap::OpenHeap() {
  if (open_heaps++ == 0) {
    protect_all(PROT_READ | PROT_WRITE);
  }
}
OpenHeap::~OpenHeap() {
  if (--open_heaps == 0) {
    protect_all(PROT_NONE);
  }
}
ClosedHeap::ClosedHeap() { protect_all(PROT_NONE); }
ClosedHeap::~ClosedHeap() { protect_all(PROT_READ | PROT_WRITE); }

void add_memory_leaks(std::vector<std::string>& lines) {
  for (const auto& [key, allocation] : device) {
    if (allocation.live) {
      lines.push_back("device memory of " + std::to_string(allocation.end - allocation.begin) +
                      " bytes");
    }
  }
  for (const auto& [begin, allocation] : pinned) {
    if (allocation.live) {
      lines.push_back("pinned memory of " + std::to_string(allocation.end - begin) + " bytes");
    }
  }
}

void reset_memory() {
  for (auto& [key, allocation] : device) {
    if (allocation.live) {
      release(allocation);
    }
  }
  for (auto& [begin, allocation] : pinned) {
    void* const memory = reinterpret_cast<void*>(begin);
    ASAN_UNPOISON_MEMORY_REGION(memory, (allocation.end - begin + kPage - 1) / kPage * kPage);
    std::free(memory);
  }
  pinned.clear();
}

}  // namespace oddity::emulator

using namespace oddity::emulator;  // what follows is the C interface

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  const std::lock_guard lock(runtime_mutex());
  return result(allocate(pointer, bytes));
}

cudaError_t cudaFree(void* pointer) {
  const std::lock_guard lock(runtime_mutex());
  if (pointer == nullptr) {
    return cudaSuccess;
  }
  if (capture_forbids()) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  finish_all_work();  // cudaFree waits for the device
  const auto found = device.upper_bound(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == device.end() || found->second.begin != reinterpret_cast<std::uintptr_t>(pointer) ||
      !found->second.live) {
    report("bad-free", {}, Culprit::kHost, "cudaFree(%p): freed before, or not from cudaMalloc",
           pointer);
    return result(cudaErrorInvalidValue);
  }
  release(found->second);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  const std::lock_guard lock(runtime_mutex());
  *pointer = nullptr;
  if (capture_forbids()) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  if (creation_fails()) {
    return result(cudaErrorMemoryAllocation);
  }
  // Real page-locked memory begins on a page; malloc leaves AddressSanitizer its red zones.
  void* const memory = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (memory == nullptr) {
    return result(cudaErrorMemoryAllocation);
  }
  std::memset(memory, 0xFF, bytes);
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  ASAN_POISON_MEMORY_REGION(memory, (bytes + kPage - 1) / kPage * kPage);
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  pinned[begin] = {begin, begin + bytes, true};
  *pointer = memory;
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void* pointer) {
  const std::lock_guard lock(runtime_mutex());
  if (pointer == nullptr) {
    return cudaSuccess;
  }
  if (capture_forbids()) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  const auto found = pinned.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == pinned.end() || !found->second.live) {
    report("bad-free", {}, Culprit::kHost,
           "cudaFreeHost(%p): freed before, or not from cudaHostAlloc", pointer);
    return result(cudaErrorInvalidValue);
  }
  // Work that still uses it is not waited for: CUDA promises nothing of the kind. The memory is
  // kept until reset(): given back, it would be someone else's, and a copy from there no mistake.
  found->second.live = false;
  ASAN_POISON_MEMORY_REGION(pointer, found->second.end - found->first);
  return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void** device_pointer, void* pointer, unsigned flags) {
  const std::lock_guard lock(runtime_mutex());
  const Allocation* const allocation = find_pinned(pointer);
  if (flags != 0 || allocation == nullptr || !allocation->live) {
    return result(cudaErrorInvalidValue);
  }
  *device_pointer = pointer;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const std::lock_guard lock(runtime_mutex());
  *total_bytes = settings().total_memory;
  *free_bytes = settings().total_memory - std::min(device_used, settings().total_memory);
  return cudaSuccess;
}

}  // extern "C"
