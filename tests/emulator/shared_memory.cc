#include "emulator/shared_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "emulator/internal.h"
#include "emulator/sanitizer.h"

namespace oddity::emulator {
namespace {

constexpr std::size_t kArena = 2 * kSharedMaximum;  // arrays and their red zones
constexpr std::size_t kRedZone = 64;
const char dynamic_key = 0;

}  // namespace

SharedMemory::SharedMemory() {
  void* memory = mmap(nullptr, kArena, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::bad_alloc();
  }
  arena_ = static_cast<char*>(memory);
  std::memset(arena_, 0xFF, kArena);
  ASAN_POISON_MEMORY_REGION(arena_, kArena);
}

SharedMemory::~SharedMemory() {
  ASAN_UNPOISON_MEMORY_REGION(arena_, kArena);
  munmap(arena_, kArena);
}

void SharedMemory::reset(std::size_t dynamic) {
  ASAN_UNPOISON_MEMORY_REGION(arena_, used_);
  std::memset(arena_, 0xFF, used_);  // red zones as well: what is read there is NaN
  ASAN_POISON_MEMORY_REGION(arena_, used_);
  checker::shared_reset(arena_, kArena, used_);
  arrays_.clear();
  used_ = 0;
  dynamic_ = dynamic;
}

void* SharedMemory::array(const void* key, std::size_t bytes, std::size_t alignment) {
  std::size_t total = bytes;
  for (const Array& array : arrays_) {
    if (array.key == key) {
      return arena_ + array.offset;
    }
    total += array.bytes;
  }
  if (total > shared_maximum()) {
    fail("shared-limit", {}, "%zu bytes of shared memory", total);
  }
  alignment = std::max<std::size_t>(alignment, 16);
  const std::size_t offset = (used_ + kRedZone + alignment - 1) / alignment * alignment;
  if (offset + bytes + kRedZone > kArena) {
    fail("shared-limit", {}, "too many shared arrays for the emulator");
  }
  arrays_.push_back({key, offset, bytes});
  used_ = offset + bytes + kRedZone;
  ASAN_UNPOISON_MEMORY_REGION(arena_ + offset, bytes);
  checker::shared_allocated(arena_ + offset, bytes);
  return arena_ + offset;
}

void* SharedMemory::dynamic() { return array(&dynamic_key, dynamic_, 16); }

}  // namespace oddity::emulator
