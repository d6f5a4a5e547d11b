#include "emulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#include "emulator/sanitizer.h"

// void oddity_emulator_switch(void** save, void* load): pushes the registers that a callee must
// preserve, stores the stack pointer in *save, and goes on where `load` was stored.
asm(R"(
.pushsection .text
.globl oddity_emulator_switch
.type oddity_emulator_switch,@function
oddity_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size oddity_emulator_switch, .-oddity_emulator_switch
.popsection
)");
extern "C" void oddity_emulator_switch(void** save, void* load);

namespace oddity::emulator {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kStack = EMULATOR_ASAN ? 256 << 10 : 128 << 10;
constexpr int kSavedRegisters = 6;

#if EMULATOR_ASAN
// The thread's own stack, learnt when it is first left.
thread_local const void* own_stack = nullptr;
thread_local std::size_t own_stack_bytes = 0;
#endif

}  // namespace

std::size_t Fiber::stack_bytes() { return kStack; }

Fiber::Fiber(std::size_t colour) : size_(kPage + kStack), colour_(colour / 16 * 16) {
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kPage, PROT_NONE) != 0) {
    throw std::bad_alloc();
  }
  stack_ = static_cast<char*>(memory) + kPage;
}

Fiber::~Fiber() {
  if (stack_ != nullptr) {
    unpoison();
    munmap(stack_ - kPage, size_);
  }
}

void Fiber::unpoison() { ASAN_UNPOISON_MEMORY_REGION(stack_, kStack); }

void Fiber::prepare(void (*entry)()) {
  unpoison();
  auto* top = reinterpret_cast<std::uintptr_t*>(stack_ + kStack - colour_);
  *--top = 0;  // no return address: `entry` does not return, and finds the stack aligned
  *--top = reinterpret_cast<std::uintptr_t>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) {
    *--top = 0;
  }
  stack_pointer_ = top;
}

void Fiber::arrived() {
#if EMULATOR_ASAN
  const void* left = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &left, &bytes);
  if (own_stack == nullptr) {  // the first switch of a thread leaves its own stack
    own_stack = left;
    own_stack_bytes = bytes;
  }
#endif
}

void Fiber::switch_between(Fiber& from, Fiber& to, [[maybe_unused]] bool for_good) {
#if EMULATOR_ASAN
  void* fake_stack = nullptr;
  const bool own = to.stack_ == nullptr;
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack, own ? own_stack : to.stack_,
                                 own ? own_stack_bytes : kStack);
  oddity_emulator_switch(&from.stack_pointer_, to.stack_pointer_);
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#else
  oddity_emulator_switch(&from.stack_pointer_, to.stack_pointer_);
#endif
}

}  // namespace oddity::emulator
