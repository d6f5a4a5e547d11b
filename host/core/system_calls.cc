#include "core/system_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <system_error>

namespace oddity {

std::string cause_of(int code) {
  std::string words = std::generic_category().message(code);
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return words + ": free some space or choose another folder";
    case EFBIG:
      return words + ": raise the limit (ulimit -f) or choose another folder";
    case EACCES:
    case EPERM:
    case EROFS:
      return words + ": choose a place you may write to";
    default:
      return words;
  }
}

std::string changed_at(const struct stat& status) {
  return fmt::format("{}.{:09}", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) ::fsync(descriptor.get());
}

}  // namespace oddity
