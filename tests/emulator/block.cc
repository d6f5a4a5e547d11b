#include "emulator/block.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

__thread uint3 threadIdx;
__thread uint3 blockIdx;
__thread dim3 blockDim;
__thread dim3 gridDim;

namespace oddity::emulator {
namespace {

constexpr unsigned kLanes = 32;
thread_local Block* current_block = nullptr;

bool same_place(Where a, Where b) { return a.line == b.line && std::strcmp(a.file, b.file) == 0; }

}  // namespace

Block::Block() = default;

Block* Block::current() { return current_block; }

void Block::start_grid(const Launch& launch) {
  const dim3 extents = launch.block;
  order_ = settings().order;
  random_.seed(settings().seed);
  threads_.resize(std::size_t(extents.x) * extents.y * extents.z);
  for (unsigned i = 0; i < threads_.size(); ++i) {
    threads_[i].number = i;
    threads_[i].index = {i % extents.x, i / extents.x % extents.y, i / (extents.x * extents.y)};
  }
  start_order_.resize(threads_.size());
  std::iota(start_order_.begin(), start_order_.end(), 0u);
  if (order_ == Order::kReverse) {
    std::reverse(start_order_.begin(), start_order_.end());
  } else if (order_ == Order::kRandom) {
    std::shuffle(start_order_.begin(), start_order_.end(), random_);
  }
}

bool Block::run(const Launch& launch, uint3 index) {
  launch_ = &launch;
  blockIdx = index;
  blockDim = launch.block;
  gridDim = launch.grid;
  for (Thread& thread : threads_) {
    thread.state = State::kFresh;
  }
  warps_.assign((threads_.size() + kLanes - 1) / kLanes, Warp{});
  ready_.clear();
  next_ready_ = 0;
  next_fresh_ = 0;
  done_ = 0;
  at_barrier_ = 0;
  failed_ = false;
  shared_.reset(launch.shared);
  checker::block_begins(unsigned(threads_.size()));

  Block* const outer = std::exchange(current_block, this);
  fiber_ = &home_;
  Fiber& first = free_fiber();
  first.prepare(enter_fiber);
  leave_for(first, false);
  current_block = outer;
  self_ = nullptr;
  if (failed_) {  // the stacks of the threads that had not ended are free again
    free_fibers_.clear();
    for (const auto& fiber : fibers_) {
      fiber->unpoison();
      free_fibers_.push_back(fiber.get());
    }
  }
  return !failed_;
}

Fiber& Block::free_fiber() {
  if (free_fibers_.empty()) {
    constexpr std::size_t kColours = 20;
    constexpr std::size_t kStep = 832;
    fibers_.push_back(std::make_unique<Fiber>(fibers_.size() % kColours * kStep));
    free_fibers_.push_back(fibers_.back().get());
  }
  Fiber* fiber = free_fibers_.back();
  free_fibers_.pop_back();
  return *fiber;
}

void Block::enter_fiber() {
  Fiber::arrived();
  current_block->run_fresh_threads();
}

void Block::run_fresh_threads() {
  while (next_fresh_ < threads_.size()) {
    Thread& thread = threads_[start_order_[next_fresh_++]];
    resume(thread, true);
    launch_->run();
    thread.state = State::kDone;
    ++done_;
    warps_[thread.number / kLanes].done |= 1u << thread.number % kLanes;
  }
  go_elsewhere(true);
  __builtin_unreachable();
}

void Block::resume(Thread& thread, bool starts) {
  self_ = &thread;
  thread.state = State::kRunning;
  threadIdx = thread.index;
  checker::stack_changes(fiber_->stack(), Fiber::stack_bytes());
  checker::thread_resumes(thread.number, starts);
}

void Block::leave_for(Fiber& fiber, bool for_good) {
  Fiber& from = *std::exchange(fiber_, &fiber);
  Fiber::switch_between(from, fiber, for_good);
}

void Block::make_ready(Thread& thread) {
  thread.state = State::kReady;
  ready_.push_back(thread.number);
}

Block::Thread& Block::take_ready() {
  if (order_ == Order::kRandom) {
    const std::size_t left = ready_.size() - next_ready_;
    std::swap(ready_[next_ready_], ready_[next_ready_ + random_() % left]);
  }
  Thread& thread = threads_[ready_[next_ready_++]];
  if (next_ready_ == ready_.size()) {
    ready_.clear();
    next_ready_ = 0;
  }
  return thread;
}

/// The current stack's thread waits, or (for good) there is none left to start on it.
void Block::go_elsewhere(bool for_good) {
  if (next_fresh_ < threads_.size()) {
    Fiber& fiber = free_fiber();
    fiber.prepare(enter_fiber);
    leave_for(fiber, for_good);
    return;
  }
  if (next_ready_ < ready_.size()) {
    Thread& thread = take_ready();
    Fiber* const mine = fiber_;
    if (for_good) {
      free_fibers_.push_back(mine);
    }
    if (thread.fiber != mine) {
      leave_for(*thread.fiber, for_good);
      return;  // wait() of whoever comes back resumes its thread
    }
    return;
  }
  if (done_ == threads_.size()) {
    free_fibers_.push_back(fiber_);
    leave_for(home_, for_good);
    return;
  }
  report_deadlock();
}

void Block::wait() {
  Thread& thread = *self_;
  thread.fiber = fiber_;
  go_elsewhere(false);
  resume(thread, false);
}

void Block::barrier(Where where) {
  Thread& thread = *self_;
  if (at_barrier_ == 0) {
    barrier_ = where;
  } else if (!same_place(barrier_, where)) {
    fail("barrier-divergence", where, "another thread waits at %s:%d", barrier_.file,
         barrier_.line);
  }
  thread.state = State::kAtBarrier;
  thread.where = where;
  ++at_barrier_;
  if (at_barrier_ == threads_.size()) {
    checker::block_barrier();
    at_barrier_ = 0;
    const std::size_t count = threads_.size();
    for (std::size_t i = 0; i < count; ++i) {
      make_ready(threads_[order_ == Order::kReverse ? count - 1 - i : i]);
    }
  }
  wait();
}

void Block::check_collective(const WarpOperation& operation, const Warp& warp, unsigned lane) {
  const unsigned mask = operation.mask;
  const unsigned first = self_->number / kLanes * kLanes;
  const unsigned exist = unsigned(std::min<std::size_t>(kLanes, threads_.size() - first));
  if ((mask >> lane & 1) == 0) {
    fail("warp-mask", operation.where, "lane %u is not in its own mask %08x", lane, mask);
  }
  if (exist < kLanes && mask >> exist != 0) {
    fail("warp-mask", operation.where, "mask %08x names lanes beyond the warp's %u", mask, exist);
  }
  if ((warp.done & mask) != 0) {
    fail("warp-mask", operation.where, "mask %08x names lanes %08x, which have exited", mask,
         warp.done & mask);
  }
}

void Block::collective(WarpOperation& operation) {
  Thread& thread = *self_;
  const unsigned lane = thread.number % kLanes;
  const unsigned first = thread.number - lane;
  Warp& warp = warps_[first / kLanes];
  check_collective(operation, warp, lane);
  thread.operation = &operation;
  thread.where = operation.where;
  thread.state = State::kAtWarp;
  warp.waiting |= 1u << lane;
  if ((warp.waiting & operation.mask) != operation.mask) {
    wait();
    return;
  }
  warp.waiting &= ~operation.mask;
  finish_collective(operation, first);
  if (order_ == Order::kForward) {
    resume(thread, false);  // the last to arrive goes on
  } else {
    make_ready(thread);
    wait();
  }
}

/// The last lane has arrived: does the operation for all, and makes the other lanes ready.
void Block::finish_collective(WarpOperation& operation, unsigned first) {
  WarpOperation* operations[kLanes] = {};
  for (unsigned i = 0; i < kLanes; ++i) {
    if ((operation.mask >> i & 1) == 0) {
      continue;
    }
    const Thread& other = threads_[first + i];
    operations[i] = other.operation;
    if (other.operation->mask != operation.mask || other.operation->execute != operation.execute ||
        !same_place(other.where, operation.where)) {
      fail("warp-divergence", operation.where,
           "lane %u waits at %s:%d with mask %08x, this lane with %08x", i, other.where.file,
           other.where.line, other.operation->mask, operation.mask);
    }
  }
  if (operation.execute != nullptr) {
    operation.execute(operations, operation.mask);
  } else {
    checker::warp_barrier(self_->number, operation.mask);  // only __syncwarp orders memory
  }
  for (unsigned i = 0; i < kLanes; ++i) {
    if ((operation.mask >> i & 1) != 0 && first + i != self_->number) {
      make_ready(threads_[first + i]);
    }
  }
}

void Block::report_deadlock() {
  for (const Thread& thread : threads_) {
    if (thread.state != State::kAtWarp) {
      continue;
    }
    threadIdx = thread.index;
    fail("warp-divergence", thread.where,
         "lane %u waits with mask %08x, but only %08x arrived: others exited or wait elsewhere",
         thread.number % kLanes, thread.operation->mask, warps_[thread.number / kLanes].waiting);
  }
  const auto waiting = std::find_if(threads_.begin(), threads_.end(), [](const Thread& thread) {
    return thread.state == State::kAtBarrier;
  });
  threadIdx = waiting->index;
  fail("barrier-divergence", waiting->where, "%u of %zu threads wait here, %u exited", at_barrier_,
       threads_.size(), done_);
}

void Block::abandon() {
  failed_ = true;
  leave_for(home_, false);
  __builtin_unreachable();
}

// ---- what kernels call ----

void block_barrier(Where where) { current_block->barrier(where); }

void warp_collective(WarpOperation& operation) { current_block->collective(operation); }

void warp_barrier(unsigned mask, Where where) {
  WarpOperation operation{nullptr, mask, where, nullptr, nullptr, 0, 0};
  current_block->collective(operation);
}

unsigned lane() { return current_block->thread() % kLanes; }

void execute_shuffle(WarpOperation* const* lanes, unsigned mask) {
  for (unsigned i = 0; i < kLanes; ++i) {
    if ((mask >> i & 1) == 0) {
      continue;
    }
    const WarpOperation& operation = *lanes[i];
    const int source = operation.source;
    if ((mask >> source & 1) == 0) {
      fail("warp-mask", operation.where, "lane %u reads lane %d, which is not in mask %08x", i,
           source, mask);
    }
    std::memcpy(operation.output, lanes[source]->input, operation.bytes);
  }
}

void* shared_array(const void* key, const char*, std::size_t bytes, std::size_t alignment) {
  return current_block->shared().array(key, bytes, alignment);
}

void* shared_dynamic() { return current_block->shared().dynamic(); }

void check_alignment(const void* address, std::size_t alignment, Where where) {
  if (reinterpret_cast<std::uintptr_t>(address) % alignment != 0) {
    fail("misaligned", where, "address %p is no multiple of %zu", address, alignment);
  }
}

}  // namespace oddity::emulator
