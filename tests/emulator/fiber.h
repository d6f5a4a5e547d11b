// A stack that can be left and come back to: x86-64, System V calling convention.
#pragma once

#include <cstddef>

namespace oddity::emulator {

class Fiber {
 public:
  /// An operating-system thread's own stack.
  Fiber() = default;
  /// A stack of its own, with an inaccessible page below: a kernel thread that overflows it faults.
  /// `colour` spreads the tops of the stacks over the cache's sets.
  explicit Fiber(std::size_t colour);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next switch to it calls `entry`, which must not return.
  void prepare(void (*entry)());
  /// First thing to call in an `entry`.
  static void arrived();
  /// Leaves `from`, the current one, for `to`. With `for_good`, `from` is never resumed, only
  /// prepared anew.
  static void switch_between(Fiber& from, Fiber& to, bool for_good);

  /// Forgets what frames abandoned on this stack had marked for AddressSanitizer.
  void unpoison();

  const char* stack() const { return stack_; }
  static std::size_t stack_bytes();

 private:
  void* stack_pointer_ = nullptr;
  char* stack_ = nullptr;
  std::size_t size_ = 0;
  std::size_t colour_ = 0;
};

}  // namespace oddity::emulator
