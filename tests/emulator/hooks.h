// What the hooks of instrumented code tell the checker.
#pragma once

#include <cstddef>

namespace oddity::emulator::checker {

enum class Access { kRead, kWrite, kAtomicRead, kAtomicWrite };

/// From here on the accesses of this host thread are a kernel's.
void watch();

/// An access by instrumented code. `place` is the return address of the hook. With `aligned`, the
/// address must be a multiple of `bytes` if that is 2, 4, 8 or 16.
void access(const void* address, std::size_t bytes, Access kind, bool aligned, void* place);

/// A finding of -fsanitize=alignment,bounds in instrumented code.
void report_misuse(const char* kind, const char* file, int line, const char* what);

}  // namespace oddity::emulator::checker
