#include "files/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/system_calls.h"
#include "core/text.h"

namespace oddity {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void throw_cannot_write(const fs::path& path, int code) {
  throw Error("cannot write {}: {}", printable(path), cause_of(code));
}

[[noreturn]] void throw_cannot_read(const fs::path& path, int code) {
  throw Error("cannot read {}: {}", printable(path), std::generic_category().message(code));
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// `path` and, while a name is a symbolic link, the name behind it. By name, so that a link to a
/// file that does not exist yet is written through as well.
std::vector<fs::path> link_chain(const fs::path& path) {
  constexpr size_t kMaxLinks = 40;  // the kernel's own limit
  std::vector<fs::path> names{path};
  for (std::error_code error; names.size() <= kMaxLinks;) {
    const fs::path next = fs::read_symlink(names.back(), error);
    if (error) return names;  // no link
    names.push_back(names.back().parent_path() / next);
  }
  throw_cannot_write(path, ELOOP);
}

/// The open descriptor of this process that `path` stands for: 1 for /dev/stdout; −1 where none.
int own_descriptor(const fs::path& path) {
  const fs::path table = fmt::format("/proc/{}/fd", ::getpid());
  for (const fs::path& name : link_chain(path)) {
    std::error_code error;
    if (fs::canonical(folder_of(name), error) != table) continue;
    const std::string digits = name.filename();
    const char* const end = digits.data() + digits.size();
    int value = -1;
    if (std::from_chars(digits.data(), end, value).ptr == end) return value;
  }
  return -1;
}

void write_all(int descriptor, const char* data, size_t bytes, const fs::path& path) {
  while (bytes > 0) {
    const ssize_t written = retry([&] { return ::write(descriptor, data, bytes); });
    if (written < 0) throw_cannot_write(path, errno);
    data += written;
    bytes -= static_cast<size_t>(written);
  }
}

void check_folder(const fs::path& path, const fs::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      throw Error("cannot write {}: folder {} does not exist: create it first", printable(path),
                  printable(folder));
    }
    throw_cannot_write(path, errno);
  }
  if (!S_ISDIR(status.st_mode)) {
    throw Error("cannot write {}: {} is not a folder: choose another name", printable(path),
                printable(folder));
  }
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  if (path_.empty()) throw Error("cannot write a file without a name: name a file");
  struct stat status {};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if ((exists && S_ISDIR(status.st_mode)) || !path_.has_filename()) {
    throw Error("cannot write {}: it is a folder: name a file", printable(path_));
  }
  if (exists && ::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) {
    throw_cannot_write(path_, errno);
  }
  if (is_stream(path_)) {
    kind_ = Target::stream;
    descriptor_ = ::memfd_create("oddity", MFD_CLOEXEC);
    if (descriptor_ < 0) throw_cannot_write(path_, errno);
    temporary_ = fmt::format("/proc/self/fd/{}", descriptor_);
    return;
  }
  target_ = link_chain(path_).back();
  check_folder(path_, folder_of(target_));
  open_beside_target(exists ? std::optional<mode_t>(status.st_mode & 0777) : std::nullopt);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      kind_(other.kind_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (kind_ == Target::file && !temporary_.empty()) ::unlink(temporary_.c_str());
}

/// Creates the temporary file: never one that exists, never through a link. `mode` are the
/// permissions to take over, if any.
void AtomicFile::open_beside_target(std::optional<mode_t> mode) {
  constexpr int kMaxNames = 10000;
  for (int i = 0; i < kMaxNames; ++i) {
    // Not made from the target's name: that may already be as long as names can be.
    fs::path name = folder_of(target_) / fmt::format(".oddity-{}-{}.tmp", ::getpid(), i);
    descriptor_ = retry([&] {
      return ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode.value_or(0666));
    });
    if (descriptor_ >= 0) {
      temporary_ = std::move(name);
      // Gives back what the umask took. Some file systems keep no permissions: nothing is lost.
      if (mode) static_cast<void>(::fchmod(descriptor_, *mode));
      return;
    }
    if (errno != EEXIST) throw_cannot_write(path_, errno);
  }
  throw Error("cannot write {}: folder {} is full of .oddity-*.tmp files: remove them",
              printable(path_), printable(folder_of(target_)));
}

void AtomicFile::write(std::string_view bytes) { write(bytes.data(), bytes.size()); }

void AtomicFile::write(const void* data, size_t bytes) {
  write_all(descriptor_, static_cast<const char*>(data), bytes, path_);
}

void AtomicFile::commit() {
  if (kind_ == Target::stream) {
    copy_to_stream();
  } else {
    rename_to_target();
  }
  temporary_.clear();
}

void AtomicFile::rename_to_target() {
  // EINVAL: the file system has nothing to sync.
  if (retry([&] { return ::fsync(descriptor_); }) != 0 && errno != EINVAL) {
    throw_cannot_write(path_, errno);
  }
  // Network file systems may only now say that there is no space.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) {
    throw_cannot_write(path_, errno);
  }
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw_cannot_write(path_, errno);
  sync_folder(folder_of(target_));
}

void AtomicFile::copy_to_stream() {
  // An own descriptor is duplicated, not opened anew: a new one would start at the beginning of
  // the file that the shell has redirected it to, over what was printed there.
  const int own = own_descriptor(path_);
  const Descriptor sink(own >= 0 ? ::fcntl(own, F_DUPFD_CLOEXEC, 0) : retry([&] {
    return ::open(path_.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  }));
  if (sink.get() < 0) throw_cannot_write(path_, errno);
  std::string block(1 << 16, '\0');
  for (off_t at = 0;;) {
    const ssize_t got = retry([&] { return ::pread(descriptor_, block.data(), block.size(), at); });
    if (got < 0) throw_cannot_write(path_, errno);
    if (got == 0) break;
    write_all(sink.get(), block.data(), static_cast<size_t>(got), path_);
    at += got;
  }
  ::close(std::exchange(descriptor_, -1));
}

bool is_stream(const fs::path& path) {
  struct stat status {};
  return (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) ||
         own_descriptor(path) >= 0;
}

void write_file(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void check_output(const fs::path& path, Overwrite overwrite) {
  struct stat status {};
  if (overwrite == Overwrite::refuse && ::stat(path.c_str(), &status) == 0 &&
      S_ISREG(status.st_mode) && own_descriptor(path) < 0) {
    throw Error("{} exists: choose another name, or replace it with --force", printable(path));
  }
  // What tells for certain whether a file can be created is creating one.
  const AtomicFile probe(path);
}

std::string read_file(const fs::path& path, size_t limit) {
  const auto check_size = [&](size_t bytes) {
    if (bytes > limit) {
      throw Error("{} holds {} bytes or more, at most {} are read here: is it the right file?",
                  printable(path), with_thousands(static_cast<int64_t>(bytes)),
                  with_thousands(static_cast<int64_t>(limit)));
    }
  };
  const Descriptor file(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (file.get() < 0) throw_cannot_read(path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw_cannot_read(path, errno);
  if (S_ISDIR(status.st_mode)) {
    throw Error("cannot read {}: it is a folder: name a file", printable(path));
  }
  check_size(static_cast<size_t>(std::max<off_t>(status.st_size, 0)));
  // The size a file states is only a hint: pipes and files in /proc state 0.
  constexpr size_t kBlock = 1 << 16;
  std::string bytes(static_cast<size_t>(status.st_size) + kBlock, '\0');
  for (size_t used = 0;;) {
    if (bytes.size() - used < kBlock) bytes.resize(bytes.size() * 2);
    const ssize_t got =
        retry([&] { return ::read(file.get(), bytes.data() + used, bytes.size() - used); });
    if (got < 0) throw_cannot_read(path, errno);
    used += static_cast<size_t>(got);
    check_size(used);
    if (got == 0) {
      bytes.resize(used);
      return bytes;
    }
  }
}

}  // namespace oddity
