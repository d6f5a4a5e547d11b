// The functions that compilers call in code built with -fsanitize=thread,alignment,bounds, in place
// of libtsan's and libubsan's. Names and signatures are the compilers' (GCC's sanitizer.def, LLVM's
// ThreadSanitizer.cpp and ubsan_handlers.h); they are no promise of theirs, but have not changed.
#include "emulator/hooks.h"

#include <cstdint>
#include <cstring>

using oddity::emulator::checker::Access;
using oddity::emulator::checker::access;

#define PLACE __builtin_return_address(0)

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define HOOKS_OF_SIZE(bytes)                                                                      \
  void __tsan_read##bytes(void* p) { access(p, bytes, Access::kRead, true, PLACE); }              \
  void __tsan_write##bytes(void* p) { access(p, bytes, Access::kWrite, true, PLACE); }            \
  void __tsan_unaligned_read##bytes(void* p) { access(p, bytes, Access::kRead, false, PLACE); }   \
  void __tsan_unaligned_write##bytes(void* p) { access(p, bytes, Access::kWrite, false, PLACE); } \
  void __tsan_volatile_read##bytes(void* p) { access(p, bytes, Access::kRead, true, PLACE); }     \
  void __tsan_volatile_write##bytes(void* p) { access(p, bytes, Access::kWrite, true, PLACE); }
HOOKS_OF_SIZE(1)
HOOKS_OF_SIZE(2)
HOOKS_OF_SIZE(4)
HOOKS_OF_SIZE(8)
HOOKS_OF_SIZE(16)

void __tsan_read_range(void* p, std::size_t bytes) {
  access(p, bytes, Access::kRead, false, PLACE);
}
void __tsan_write_range(void* p, std::size_t bytes) {
  access(p, bytes, Access::kWrite, false, PLACE);
}
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
  access(from, bytes, Access::kRead, false, PLACE);
  access(to, bytes, Access::kWrite, false, PLACE);
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
  access(from, bytes, Access::kRead, false, PLACE);
  access(to, bytes, Access::kWrite, false, PLACE);
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, std::size_t bytes) {
  access(to, bytes, Access::kWrite, false, PLACE);
  return std::memset(to, value, bytes);
}

// Atomics: the operation is the hook's to do. They are also called by host code in the kernels'
// files (reference counts), so they are atomic in earnest.
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}

#define NOTE_CHANGE(p, bytes)                         \
  access(p, bytes, Access::kAtomicRead, true, PLACE); \
  access(p, bytes, Access::kAtomicWrite, true, PLACE)
#define HOOK_OF_CHANGE(bits, type, name, builtin)                        \
  type __tsan_atomic##bits##_##name(volatile type* p, type value, int) { \
    auto* const address = const_cast<type*>(p);                          \
    NOTE_CHANGE(address, sizeof(type));                                  \
    return builtin(address, value, __ATOMIC_SEQ_CST);                    \
  }
#define HOOKS_OF_ATOMIC(bits, type)                                                               \
  HOOK_OF_CHANGE(bits, type, fetch_add, __atomic_fetch_add)                                       \
  HOOK_OF_CHANGE(bits, type, fetch_sub, __atomic_fetch_sub)                                       \
  HOOK_OF_CHANGE(bits, type, fetch_and, __atomic_fetch_and)                                       \
  HOOK_OF_CHANGE(bits, type, fetch_or, __atomic_fetch_or)                                         \
  HOOK_OF_CHANGE(bits, type, fetch_xor, __atomic_fetch_xor)                                       \
  HOOK_OF_CHANGE(bits, type, exchange, __atomic_exchange_n)                                       \
  type __tsan_atomic##bits##_load(const volatile type* p, int) {                                  \
    access(const_cast<type*>(p), sizeof(type), Access::kAtomicRead, true, PLACE);                 \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                  \
  }                                                                                               \
  void __tsan_atomic##bits##_store(volatile type* p, type value, int) {                           \
    access(const_cast<type*>(p), sizeof(type), Access::kAtomicWrite, true, PLACE);                \
    __atomic_store_n(p, value, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                               \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* expected, type value, \
                                                    int, int) {                                   \
    NOTE_CHANGE(const_cast<type*>(p), sizeof(type));                                              \
    return __atomic_compare_exchange_n(p, expected, value, false, __ATOMIC_SEQ_CST,               \
                                       __ATOMIC_SEQ_CST);                                         \
  }                                                                                               \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* expected, type value,   \
                                                  int, int) {                                     \
    NOTE_CHANGE(const_cast<type*>(p), sizeof(type));                                              \
    return __atomic_compare_exchange_n(p, expected, value, false, __ATOMIC_SEQ_CST,               \
                                       __ATOMIC_SEQ_CST);                                         \
  }                                                                                               \
  type __tsan_atomic##bits##_compare_exchange_val(volatile type* p, type expected, type value,    \
                                                  int, int) {                                     \
    NOTE_CHANGE(const_cast<type*>(p), sizeof(type));                                              \
    __atomic_compare_exchange_n(p, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
    return expected;                                                                              \
  }
HOOKS_OF_ATOMIC(8, std::uint8_t)
HOOKS_OF_ATOMIC(16, std::uint16_t)
HOOKS_OF_ATOMIC(32, std::uint32_t)
HOOKS_OF_ATOMIC(64, std::uint64_t)

// Every handler's data begins with the place in the sources.
struct UbsanPlace {
  const char* file;
  std::uint32_t line;
  std::uint32_t column;
};
struct UbsanTypeMismatch {
  UbsanPlace place;
  const void* type;
  unsigned char log_alignment;
  unsigned char check;
};
void __ubsan_handle_type_mismatch_v1(UbsanTypeMismatch* data, std::uintptr_t) {
  oddity::emulator::checker::report_misuse("misaligned", data->place.file, int(data->place.line),
                                           "an address is not aligned for its type");
}
void __ubsan_handle_out_of_bounds(UbsanPlace* place, std::uintptr_t) {
  oddity::emulator::checker::report_misuse("out-of-bounds", place->file, int(place->line),
                                           "an index is outside its array");
}
void __ubsan_handle_alignment_assumption(UbsanPlace* place, std::uintptr_t, std::uintptr_t,
                                         std::uintptr_t) {
  oddity::emulator::checker::report_misuse("misaligned", place->file, int(place->line),
                                           "an address is not aligned as assumed");
}

}  // extern "C"
