// Events: what streams record and wait for, in captures too.
#include <algorithm>
#include <map>
#include <utility>

#include "emulator/streams.h"

namespace oddity::emulator {
namespace {

std::map<cudaEvent_t, std::shared_ptr<CUevent_st>> events;

std::shared_ptr<CUevent_st> find_event(cudaEvent_t handle) {
  const auto found = events.find(handle);
  return found == events.end() ? nullptr : found->second;
}

cudaError_t record(cudaEvent_t event_handle, cudaStream_t stream_handle) {
  const auto event = find_event(event_handle);
  const auto stream = find_stream(stream_handle);
  if (event == nullptr || stream == nullptr) {
    return bad_handle("cudaEventRecord");
  }
  if (stream->capture != nullptr) {
    event->capture = stream->capture;
    event->nodes = stream->tail;
    return cudaSuccess;
  }
  event->capture = nullptr;
  push(*stream, [event, number = ++event->recorded] {
    event->reached = std::max(event->reached, number);
    event->time = std::chrono::steady_clock::now();
    return Progress::kFinished;
  });
  return cudaSuccess;
}

/// A wait in a capture, or for an event of one: joins the stream to it.
cudaError_t wait_captured(CUstream_st& stream, CUevent_st& event) {
  if (event.capture == nullptr) {
    if (event.recorded == 0) {
      return cudaSuccess;
    }
    stream.capture->invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (event.capture->ended) {
    return cudaErrorCapturedEvent;
  }
  if (&stream == &legacy_stream()) {
    return cudaErrorStreamCaptureImplicit;
  }
  if (stream.capture != nullptr && stream.capture != event.capture) {
    return cudaErrorStreamCaptureMerge;
  }
  if (stream.capture == nullptr) {
    stream.capture = event.capture;
    stream.tail.clear();
  }
  for (const std::size_t node : event.nodes) {
    if (std::find(stream.tail.begin(), stream.tail.end(), node) == stream.tail.end()) {
      stream.tail.push_back(node);
    }
  }
  return cudaSuccess;
}

cudaError_t wait(cudaStream_t stream_handle, cudaEvent_t event_handle) {
  const auto event = find_event(event_handle);
  const auto stream = find_stream(stream_handle);
  if (event == nullptr || stream == nullptr) {
    return bad_handle("cudaStreamWaitEvent");
  }
  if (stream->capture != nullptr || event->capture != nullptr) {
    return wait_captured(*stream, *event);
  }
  push(*stream, [event, number = event->recorded] {
    return event->reached >= number ? Progress::kFinished : Progress::kBlocked;
  });
  return cudaSuccess;
}

}  // namespace

void add_event_leaks(std::vector<std::string>& lines) {
  lines.insert(lines.end(), events.size(), "event");
}

void reset_events() { events.clear(); }

}  // namespace oddity::emulator

using namespace oddity::emulator;  // what follows is the C interface

extern "C" {

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard lock(runtime_mutex());
  return result(wait(stream, event));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  const std::lock_guard lock(runtime_mutex());
  *handle = nullptr;
  if (creation_fails()) {
    return result(cudaErrorMemoryAllocation);
  }
  auto event = std::make_shared<CUevent_st>();
  event->has_time = (flags & cudaEventDisableTiming) == 0;
  *handle = event.get();
  events.emplace(*handle, std::move(event));
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard lock(runtime_mutex());
  return events.erase(event) == 1 ? cudaSuccess : result(bad_handle("cudaEventDestroy"));
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(runtime_mutex());
  return result(record(event, stream));
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  const std::lock_guard lock(runtime_mutex());
  const auto event = find_event(handle);
  if (event == nullptr) {
    return result(bad_handle("cudaEventSynchronize"));
  }
  if (event->capture != nullptr) {
    event->capture->invalid = true;
    return result(cudaErrorCapturedEvent);
  }
  advance_until(nullptr, [&] { return event->reached >= event->recorded; });
  return result(device_error());
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  const std::lock_guard lock(runtime_mutex());
  const auto event = find_event(handle);
  if (event == nullptr) {
    return result(bad_handle("cudaEventQuery"));
  }
  if (event->capture != nullptr) {
    event->capture->invalid = true;
    return result(cudaErrorCapturedEvent);
  }
  const OpenHeap open;
  for (int i = 0; i < settings().operations_a_query && event->reached < event->recorded; ++i) {
    advance(nullptr);
  }
  return event->reached >= event->recorded ? result(device_error()) : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  const std::lock_guard lock(runtime_mutex());
  const auto from = find_event(begin);
  const auto to = find_event(end);
  if (from == nullptr || to == nullptr || !from->has_time || !to->has_time || from->recorded == 0 ||
      to->recorded == 0) {
    return result(cudaErrorInvalidResourceHandle);
  }
  if (from->reached < from->recorded || to->reached < to->recorded) {
    return cudaErrorNotReady;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}

}  // extern "C"
