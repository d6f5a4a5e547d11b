// The runtime's opaque handles, as the emulator has them.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "emulator/internal.h"

/// A node of a captured graph.
struct CUgraphNode_st {
  oddity::emulator::Operation operation;
  cudaGraphNodeType type;
  std::vector<std::size_t> after;  // nodes that come before it
};

struct CUgraph_st {
  std::vector<CUgraphNode_st> nodes;
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<CUgraphNode_st>> nodes;
};

namespace oddity::emulator {

/// A capture under way.
struct Capture {
  std::vector<CUgraphNode_st> nodes;
  CUstream_st* origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  bool invalid = false;
  bool ended = false;
};

}  // namespace oddity::emulator

struct CUevent_st {
  bool has_time = true;
  std::uint64_t recorded = 0;  // number of the last record enqueued
  std::uint64_t reached = 0;   // number of the last record that ran
  std::chrono::steady_clock::time_point time;
  // Recorded in a capture: what a wait for it comes after.
  std::shared_ptr<oddity::emulator::Capture> capture;
  std::vector<std::size_t> nodes;
};

struct CUstream_st {
  bool blocking = true;  // ordered with the legacy stream
  bool destroyed = false;
  std::deque<oddity::emulator::Operation> work;
  std::uint64_t enqueued = 0;
  std::uint64_t finished = 0;
  std::shared_ptr<oddity::emulator::Capture> capture;
  std::vector<std::size_t> tail;  // captured nodes that its next one comes after
};

namespace oddity::emulator {

/// The stream behind a handle; null if there is none. A null handle is the legacy stream.
std::shared_ptr<CUstream_st> find_stream(cudaStream_t handle);
CUstream_st& legacy_stream();
/// Reports a handle that was destroyed or never made, and gives the error for it.
cudaError_t bad_handle(const char* what);
/// An operation at the stream's end.
void push(CUstream_st& stream, Operation operation);
/// Lets one stream advance by one operation; false if none can. `awaited` (may be null) is the
/// stream that somebody waits for: forward order turns to it first, reverse order last.
bool advance(const CUstream_st* awaited);
/// Until `condition`, or a deadlock, which is reported.
void advance_until(const CUstream_st* awaited, const std::function<bool()>& condition);
/// A node at the stream's end.
void add_node(CUstream_st& stream, Operation operation, cudaGraphNodeType type);
/// No stream is part of it any more.
void forget_capture(const Capture& capture);
void add_event_leaks(std::vector<std::string>& lines);
void reset_events();
void add_graph_leaks(std::vector<std::string>& lines);
void reset_graphs();
/// Picks an index below `count` > 0 by settings().order: the first, the last or any.
std::size_t choose(std::size_t count);

}  // namespace oddity::emulator
