// Streams. Nothing runs before somebody waits or asks; then operations whose order CUDA
// leaves open run in the order that settings() names.
#include "emulator/streams.h"

#include <algorithm>
#include <random>
#include <utility>

namespace oddity::emulator {
namespace {

std::vector<std::shared_ptr<CUstream_st>> streams;  // in order of creation; [0] is the legacy one
cudaError_t sticky_error = cudaSuccess;
cudaError_t last_error = cudaSuccess;

std::minstd_rand& generator() {
  static std::minstd_rand random(settings().seed);
  return random;
}

Progress run_first(CUstream_st& stream) {
  const Progress progress = stream.work.front()();
  if (progress == Progress::kFinished) {
    stream.work.pop_front();
    ++stream.finished;
  }
  return progress;
}

/// Makes the stream's next operation wait for what CUDA orders before it on the legacy stream, or
/// for all blocking streams if it is that one.
void order_with_legacy_stream(CUstream_st& stream) {
  std::vector<std::pair<std::shared_ptr<CUstream_st>, std::uint64_t>> before;
  const bool is_legacy = &stream == &legacy_stream();
  for (const auto& other : streams) {
    const bool ordered = is_legacy ? other->blocking : other == streams.front() && stream.blocking;
    if (other.get() != &stream && ordered && other->finished < other->enqueued) {
      before.emplace_back(other, other->enqueued);
    }
  }
  if (!before.empty()) {
    ++stream.enqueued;
    stream.work.push_back([before] {
      const bool done = std::all_of(before.begin(), before.end(), [](const auto& wait) {
        return wait.first->finished >= wait.second;
      });
      return done ? Progress::kFinished : Progress::kBlocked;
    });
  }
}

/// Whether the stream may not be waited for or asked, because it captures.
bool spoils_capture(const CUstream_st& stream) {
  if (stream.capture != nullptr) {
    stream.capture->invalid = true;
    return true;
  }
  return false;
}

cudaError_t create_stream(cudaStream_t* handle, unsigned flags) {
  *handle = nullptr;
  if (creation_fails()) {
    return cudaErrorMemoryAllocation;
  }
  legacy_stream();
  auto stream = std::make_shared<CUstream_st>();
  stream->blocking = (flags & cudaStreamNonBlocking) == 0;
  *handle = stream.get();
  streams.push_back(std::move(stream));
  return cudaSuccess;
}

}  // namespace

CUstream_st& legacy_stream() {
  if (streams.empty()) {
    streams.push_back(std::make_shared<CUstream_st>());
  }
  return *streams.front();
}

bool advance(const CUstream_st* awaited) {
  std::vector<std::shared_ptr<CUstream_st>> candidates;
  for (const auto& stream : streams) {
    if (!stream->work.empty()) {
      candidates.push_back(stream);
    }
  }
  std::stable_partition(candidates.begin(), candidates.end(),
                        [&](const auto& stream) { return stream.get() == awaited; });
  if (settings().order == Order::kReverse) {
    std::reverse(candidates.begin(), candidates.end());
  } else if (settings().order == Order::kRandom) {
    std::shuffle(candidates.begin(), candidates.end(), generator());
  }
  const OpenHeap open;
  for (const auto& stream : candidates) {
    if (run_first(*stream) != Progress::kBlocked) {
      std::erase_if(streams, [](const auto& s) { return s->destroyed && s->work.empty(); });
      return true;
    }
  }
  return false;
}

void advance_until(const CUstream_st* awaited, const std::function<bool()>& condition) {
  const OpenHeap open;
  while (!condition()) {
    if (!advance(awaited)) {
      report("stream-deadlock", {}, Culprit::kHost, "every stream waits for another");
      set_device_error(cudaErrorUnknown);
      for (const auto& stream : streams) {
        stream->finished = stream->enqueued;
        stream->work.clear();
      }
      return;
    }
  }
}

void push(CUstream_st& stream, Operation operation) {
  order_with_legacy_stream(stream);
  ++stream.enqueued;
  stream.work.push_back(std::move(operation));
}

std::size_t choose(std::size_t count) {
  switch (settings().order) {
    case Order::kForward:
      return 0;
    case Order::kReverse:
      return count - 1;
    case Order::kRandom:
      break;
  }
  return generator()() % count;
}

std::shared_ptr<CUstream_st> find_stream(cudaStream_t handle) {
  legacy_stream();
  if (handle == nullptr || handle == cudaStreamLegacy) {
    return streams.front();
  }
  for (const auto& stream : streams) {
    if (stream.get() == handle && !stream->destroyed) {
      return stream;
    }
  }
  return nullptr;
}

cudaError_t bad_handle(const char* what) {
  report("bad-handle", {}, Culprit::kHost, "%s: destroyed before, or never created", what);
  return cudaErrorInvalidResourceHandle;
}

cudaError_t device_error() { return sticky_error; }
void set_device_error(cudaError_t error) { sticky_error = error; }

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) {
    last_error = error;
  }
  return error;
}

bool creation_fails() {
  ++mutable_counters().creations;
  return settings().creations_until_failure >= 0 && settings().creations_until_failure-- == 0;
}

bool capture_forbids() {
  bool forbidden = false;
  for (const auto& stream : streams) {
    Capture* const capture = stream->capture.get();
    if (capture != nullptr && (capture->mode == cudaStreamCaptureModeGlobal ||
                               (capture->mode == cudaStreamCaptureModeThreadLocal &&
                                capture->thread == std::this_thread::get_id()))) {
      capture->invalid = true;
      forbidden = true;
    }
  }
  return forbidden;
}

cudaError_t enqueue(cudaStream_t handle, Operation operation, cudaGraphNodeType type) {
  const auto stream = find_stream(handle);
  if (stream == nullptr) {
    return bad_handle("a stream that work is enqueued on");
  }
  if (sticky_error != cudaSuccess) {
    return sticky_error;
  }
  if (stream->capture != nullptr) {
    add_node(*stream, std::move(operation), type);
    return cudaSuccess;
  }
  if (stream == streams.front()) {
    for (const auto& other : streams) {
      if (other->capture != nullptr && other->blocking) {
        other->capture->invalid = true;
        return cudaErrorStreamCaptureImplicit;
      }
    }
  }
  push(*stream, [work = std::move(operation)] {
    // After an error of the device nothing runs any more.
    return sticky_error == cudaSuccess ? work() : Progress::kFinished;
  });
  return cudaSuccess;
}

void forget_capture(const Capture& capture) {
  for (const auto& stream : streams) {
    if (stream->capture.get() == &capture) {
      stream->capture = nullptr;
    }
  }
}

void finish_stream(cudaStream_t handle) {
  const auto stream = find_stream(handle);
  advance_until(stream.get(), [&] { return stream->work.empty(); });
}

void finish_all_work() {
  advance_until(nullptr, [] {
    return std::all_of(streams.begin(), streams.end(),
                       [](const auto& stream) { return stream->work.empty(); });
  });
}

cudaError_t enqueue_host_work(cudaStream_t stream, std::function<void()> work) {
  const std::lock_guard lock(runtime_mutex());
  return result(enqueue(
      stream,
      [work = std::move(work)] {
        work();
        return Progress::kFinished;
      },
      cudaGraphNodeTypeKernel));
}

void add_stream_leaks(std::vector<std::string>& lines) {
  for (std::size_t i = 1; i < streams.size(); ++i) {
    if (!streams[i]->destroyed) {
      lines.push_back("stream");
    }
  }
  add_event_leaks(lines);
  add_graph_leaks(lines);
}

void reset_streams() {
  streams.clear();
  sticky_error = last_error = cudaSuccess;
  generator().seed(settings().seed);
  reset_events();
  reset_graphs();
}

}  // namespace oddity::emulator

using namespace oddity::emulator;  // what follows is the C interface

extern "C" {

cudaError_t cudaGetLastError() {
  const std::lock_guard lock(runtime_mutex());
  return sticky_error != cudaSuccess ? sticky_error : std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(runtime_mutex());
  return sticky_error != cudaSuccess ? sticky_error : last_error;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const std::lock_guard lock(runtime_mutex());
  return result(create_stream(stream, flags));
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  const auto stream = handle == nullptr ? nullptr : find_stream(handle);
  if (stream == nullptr || stream == streams.front()) {
    return result(bad_handle("cudaStreamDestroy"));
  }
  stream->destroyed = true;  // what it still has to do is done, some day
  std::erase_if(streams, [](const auto& s) { return s->destroyed && s->work.empty(); });
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  const auto stream = find_stream(handle);
  if (stream == nullptr) {
    return result(bad_handle("cudaStreamSynchronize"));
  }
  if (spoils_capture(*stream)) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  finish_stream(handle);
  return result(sticky_error);
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const std::lock_guard lock(runtime_mutex());
  const auto stream = find_stream(handle);
  if (stream == nullptr) {
    return result(bad_handle("cudaStreamQuery"));
  }
  if (spoils_capture(*stream)) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  const OpenHeap open;
  for (int i = 0; i < settings().operations_a_query && !stream->work.empty(); ++i) {
    advance(stream.get());
  }
  return stream->work.empty() ? result(sticky_error) : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(runtime_mutex());
  if (capture_forbids()) {
    return result(cudaErrorStreamCaptureUnsupported);
  }
  finish_all_work();
  return result(sticky_error);
}

}  // extern "C"
