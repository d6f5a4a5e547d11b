// A file in memory with a path, for tests that write thousands.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace oddity::test {

class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("oddity-test", MFD_CLOEXEC)) { check(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(descriptor_); }

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

  /// Replaces the content.
  void store(std::string_view bytes) {
    check(::ftruncate(descriptor_, 0));
    for (size_t at = 0; at < bytes.size();) {
      const auto rest = bytes.substr(at);
      const ssize_t written =
          ::pwrite(descriptor_, rest.data(), rest.size(), static_cast<off_t>(at));
      check(written);
      at += static_cast<size_t>(written);
    }
  }

 private:
  static void check(ssize_t result) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), "memory file");
  }

  int descriptor_;
};

}  // namespace oddity::test
