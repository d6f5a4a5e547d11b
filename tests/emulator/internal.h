// What the emulator's parts know of each other.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "emulator/cuda_on_host.h"
#include "emulator/emulator.h"

namespace oddity::emulator {

/// Guards the whole runtime; every cuda… function holds it. Kernels never take it.
std::recursive_mutex& runtime_mutex();

Counters& mutable_counters();
/// Counters::products, which several workers count.
std::atomic<std::uint64_t>& tile_products();

/// Records a finding and prints it. Culprit::kThread names the running block and thread.
enum class Culprit { kThread, kHost };
void report(const char* kind, Where where, Culprit culprit, const char* format, ...)
    __attribute__((format(printf, 4, 5)));

/// Reports for the running thread and ends its block; the launch fails.
[[noreturn]] void fail(const char* kind, Where where, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

/// Limits of the emulated device.
inline constexpr std::size_t kSharedDefault = 48 << 10;   ///< without cudaFuncSetAttribute
inline constexpr std::size_t kSharedMaximum = 227 << 10;  ///< of any compute capability
/// What cudaFuncSetAttribute can ask for, by settings().
std::size_t shared_maximum();
inline constexpr unsigned kThreadsMaximum = 1024;

/// Runs all blocks; false if one of them failed.
bool run_grid(const Launch& launch);

// ---- streams ----

/// The device's error that stays until reset(): what ended a kernel.
cudaError_t device_error();
void set_device_error(cudaError_t error);
/// Runs everything enqueued.
void finish_all_work();
/// Whether the calling thread may not allocate or synchronise, because it captures. The capture is
/// then invalid.
bool capture_forbids();
void add_stream_leaks(std::vector<std::string>& lines);
void reset_streams();
/// Counts a creation and says whether it is to fail.
bool creation_fails();
/// Remembers `error` for cudaGetLastError and returns it.
cudaError_t result(cudaError_t error);

/// One piece of a stream's work, called until it is finished.
enum class Progress { kBlocked, kAdvanced, kFinished };
using Operation = std::function<Progress()>;
cudaError_t enqueue(cudaStream_t stream, Operation operation, cudaGraphNodeType type);
/// Runs until the stream has nothing left.
void finish_stream(cudaStream_t stream);

// ---- device memory ----

struct Allocation {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  bool live = false;
};
/// Whether `address` lies in the range that device memory is taken from.
bool in_device_heap(const void* address);
/// The allocation whose memory or whose guard behind it holds `address`; null if none.
const Allocation* find_allocation(const void* address);
/// The page-locked host allocation that holds `address`; null if none.
const Allocation* find_pinned(const void* address);
void add_memory_leaks(std::vector<std::string>& lines);
void reset_memory();

/// While one exists, device memory is accessible.
class OpenHeap {
 public:
  OpenHeap();
  ~OpenHeap();
  OpenHeap(const OpenHeap&) = delete;
};
/// The reverse, within an OpenHeap: for host functions called from a stream.
class ClosedHeap {
 public:
  ClosedHeap();
  ~ClosedHeap();
  ClosedHeap(const ClosedHeap&) = delete;
};

// ---- the check flavour: checker.cc; elsewhere these do nothing (no_checker.cc) ----
namespace checker {

void launch_begins();
void launch_ends();
void block_begins(unsigned threads);
/// The stack that the current thread runs on.
void stack_changes(const void* stack, std::size_t bytes);
/// The thread goes on, or starts: its accesses count from kernel_entered() on.
void thread_resumes(unsigned thread, bool starts);
void block_barrier();
/// The lanes of `mask` in the warp of `thread` have met in __syncwarp.
void warp_barrier(unsigned thread, unsigned mask);
/// The arena of shared memory, `used` bytes of which held the arrays of the block before.
void shared_reset(const char* arena, std::size_t size, std::size_t used);
void shared_allocated(const void* array, std::size_t bytes);
void device_allocated(const void* memory, std::size_t bytes);
void device_freed(const void* memory);
void device_written(const void* memory, std::size_t bytes);
void device_copied(const void* to, const void* from, std::size_t bytes);

}  // namespace checker

}  // namespace oddity::emulator
