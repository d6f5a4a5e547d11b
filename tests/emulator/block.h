// Runs the threads of one block as fibers on one worker.
#pragma once

#include <memory>
#include <random>
#include <vector>

#include "emulator/fiber.h"
#include "emulator/internal.h"
#include "emulator/shared_memory.h"

namespace oddity::emulator {

/// A thread runs to completion on the current stack. Only one that has to wait keeps that stack,
/// and the loop over the remaining threads goes on upon another: kernels without barriers never
/// switch.
class Block {
 public:
  Block();

  /// Takes the order of threads from settings().
  void start_grid(const Launch& launch);
  /// Runs the block of that index. False if a report ended it.
  bool run(const Launch& launch, uint3 index);

  /// The block that the calling host thread runs; null if none.
  static Block* current();

  void barrier(Where where);
  void collective(WarpOperation& operation);
  unsigned thread() const { return self_->number; }
  SharedMemory& shared() { return shared_; }
  [[noreturn]] void abandon();

 private:
  enum class State { kFresh, kRunning, kReady, kAtBarrier, kAtWarp, kDone };
  struct Thread {
    State state = State::kFresh;
    unsigned number = 0;  // in the block, x fastest
    uint3 index{};
    Fiber* fiber = nullptr;  // while it waits
    Where where;             // it waits there
    WarpOperation* operation = nullptr;
  };
  struct Warp {
    unsigned waiting = 0;
    unsigned done = 0;
  };

  static void enter_fiber();
  void run_fresh_threads();
  void resume(Thread& thread, bool starts);
  void wait();
  void go_elsewhere(bool for_good);
  void leave_for(Fiber& fiber, bool for_good);
  void make_ready(Thread& thread);
  Thread& take_ready();
  Fiber& free_fiber();
  void check_collective(const WarpOperation& operation, const Warp& warp, unsigned lane);
  void finish_collective(WarpOperation& operation, unsigned first);
  [[noreturn]] void report_deadlock();

  Order order_ = Order::kForward;
  std::minstd_rand random_;
  const Launch* launch_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<unsigned> start_order_;
  std::vector<unsigned> ready_;
  std::size_t next_ready_ = 0;
  std::size_t next_fresh_ = 0;
  unsigned done_ = 0;
  unsigned at_barrier_ = 0;
  Where barrier_;
  bool failed_ = false;
  Thread* self_ = nullptr;

  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> free_fibers_;
  Fiber home_;
  Fiber* fiber_ = nullptr;  // the current one
  SharedMemory shared_;
};

}  // namespace oddity::emulator
