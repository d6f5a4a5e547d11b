// What tests see of the emulator: a CUDA device of fibers on the host, behind the CUDA runtime's
// own functions (README.md). All of it may be called from any one thread at a time.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace oddity::emulator {

/// In which order threads of a block, blocks of a grid and operations of different streams run.
/// Forward leaves everything that nobody waits for undone as long as it can; reverse does it first.
enum class Order { kForward, kReverse, kRandom };

/// The device and its moods. Changed through settings() between operations.
struct Settings {
  /// ODDITY_EMULATOR_ORDER: forward (unset), reverse, random or random:<seed>.
  Order order = Order::kForward;
  std::uint32_t seed = 1;
  /// Host threads that run blocks (the check flavour uses one).
  unsigned workers = 2;

  /// Operations that run when a stream or an event is asked how far it is. Not one: opening the
  /// heap for each would take most of the time of a host that polls.
  int operations_a_query = 32;

  int device_count = 1;
  /// What cudaGetDeviceCount returns: 35 is cudaErrorInsufficientDriver.
  cudaError_t device_count_error = cudaSuccess;
  int driver_version = CUDART_VERSION;
  int compute_major = 9;
  int compute_minor = 0;
  /// Bytes; cudaMalloc fails beyond it.
  std::size_t total_memory = std::size_t(8) << 30;

  /// This many creations (device and pinned memory, streams, events, captures, executable graphs)
  /// succeed from now, the next one fails with cudaErrorMemoryAllocation, later ones succeed again.
  /// Counts down; negative: none fails.
  long creations_until_failure = -1;
};
Settings& settings();

/// A finding: `kind` is one word (race, out-of-bounds, uninitialised, …), `text` one line that
/// names the place, block and thread. Also printed on stderr when it is made.
struct Report {
  std::string kind;
  std::string text;
};
std::vector<Report> reports();

/// What was created and not destroyed, one per line, sorted; empty if nothing.
std::string leaks();

/// What the device did since reset().
struct Counters {
  std::uint64_t launches = 0;   ///< kernels run
  std::uint64_t threads = 0;    ///< of these kernels
  std::uint64_t products = 0;   ///< of tiles, on tensor cores; each by a warp
  std::uint64_t creations = 0;  ///< see Settings::creations_until_failure; failed ones too
};
Counters counters();

/// A new device: no findings, errors or work, default settings; what leaked is gone.
void reset();

/// Enqueues host code that works on device memory in place of a kernel (a double of a library does
/// this). It may be captured, and then runs at every launch of the graph.
cudaError_t enqueue_host_work(cudaStream_t stream, std::function<void()> work);

/// Within such work: tells the check flavour that it wrote `bytes` at `device`.
void mark_written(const void* device, std::size_t bytes);

/// Whether the test program has the check flavour's kernels and hooks.
bool has_checker();

}  // namespace oddity::emulator
