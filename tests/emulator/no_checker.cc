// The fast flavour: nobody watches memory.
#include "emulator/internal.h"

namespace oddity::emulator {

bool has_checker() { return false; }
void kernel_entered() {}

namespace checker {

void launch_begins() {}
void launch_ends() {}
void block_begins(unsigned) {}
void stack_changes(const void*, std::size_t) {}
void thread_resumes(unsigned, bool) {}
void block_barrier() {}
void warp_barrier(unsigned, unsigned) {}
void shared_reset(const char*, std::size_t, std::size_t) {}
void shared_allocated(const void*, std::size_t) {}
void device_allocated(const void*, std::size_t) {}
void device_freed(const void*) {}
void device_written(const void*, std::size_t) {}
void device_copied(const void*, const void*, std::size_t) {}

}  // namespace checker
}  // namespace oddity::emulator
