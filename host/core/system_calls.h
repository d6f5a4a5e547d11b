// Calls of the operating system: repeated where a signal cut them short, their failures in words.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>

namespace oddity {

/// The system's words for the error `code` and, where a person can do something about it, what.
std::string cause_of(int code);

/// Repeats a system call that a signal cut short. Ctrl-C is the program's business, not ours.
template <typename Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

/// When a file was last changed, to the nanosecond, as text to be compared.
std::string changed_at(const struct stat& status);

/// Owns an open file; negative where there is none.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor();
  int get() const { return value_; }

 private:
  int value_;
};

/// Makes a new or renamed file survive a power cut. Some file systems cannot sync a folder, and
/// some folders may be written but not read; the file is whole and in its place either way.
void sync_folder(const std::filesystem::path& folder);

}  // namespace oddity
