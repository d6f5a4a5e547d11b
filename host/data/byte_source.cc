#include "data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

constexpr size_t kBlock = 65536;
// read_exactly takes this much at first: MNIST whole.
constexpr uint64_t kFirstAllocation = uint64_t{64} << 20;

std::string cause() { return std::generic_category().message(errno); }

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::filesystem::path& path) : ByteSource(printable(path)) {
    // Non-blocking: a named pipe is refused below instead of waited for.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) {
      if (errno == ENOENT) throw Error("{}: no such file", name());
      throw Error("{}: cannot be opened: {}", name(), cause());
    }
    struct stat status;
    std::string problem;
    if (::fstat(descriptor_, &status) != 0) {
      problem = fmt::format("cannot be opened: {}", cause());
    } else if (S_ISDIR(status.st_mode)) {
      problem = "a folder, expected a file";
    } else if (!S_ISREG(status.st_mode)) {
      problem = "not a regular file: copy its content to one";
    }
    if (!problem.empty()) {
      ::close(descriptor_);
      throw Error("{}: {}", name(), problem);
    }
    size_ = static_cast<uint64_t>(status.st_size);
  }
  ~FileSource() override { ::close(descriptor_); }

  size_t read(void* out, size_t size) override {
    ssize_t got = 0;
    do {
      got = ::read(descriptor_, out, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) throw Error("{}: reading failed: {}", name(), cause());
    position_ += static_cast<uint64_t>(got);
    return static_cast<size_t>(got);
  }
  uint64_t skip(uint64_t size) override {
    const uint64_t step = std::min(size, size_ - std::min(position_, size_));
    if (::lseek(descriptor_, static_cast<off_t>(step), SEEK_CUR) < 0) {
      throw Error("{}: reading failed: {}", name(), cause());
    }
    position_ += step;
    return step;
  }
  uint64_t limit() const override { return size_; }

 private:
  int descriptor_ = -1;
  uint64_t size_ = 0;
  uint64_t position_ = 0;
};

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> packed)
      : ByteSource(packed->name()), packed_(std::move(packed)) {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(void* out, size_t size) override {
    const auto step = static_cast<uInt>(std::min<size_t>(size, uint64_t{1} << 30));
    if (is_damaged_) fail();
    stream_.next_out = static_cast<Bytef*>(out);
    stream_.avail_out = step;
    while (stream_.avail_out == step) {
      if (stream_.avail_in == 0) refill();
      if (between_members_) {
        if (stream_.avail_in == 0) break;  // the end of the file
        between_members_ = false;
        inflateReset(&stream_);
      }
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      // Nothing is left to read, nor of what was read before.
      if (result == Z_BUF_ERROR) {
        throw TruncatedError("{}: truncated: the gzip data end too early: copy the file again",
                             name());
      }
      if (result == Z_STREAM_END) {
        between_members_ = true;
      } else if (result != Z_OK) {
        is_damaged_ = true;
        // What came before is good; how much that is must not depend on how much was asked for.
        if (stream_.avail_out == step) fail();
      }
    }
    return step - stream_.avail_out;
  }
  uint64_t limit() const override { return packed_->limit() * kDeflateRatio; }

 private:
  [[noreturn]] void fail() const {
    throw Error("{}: damaged gzip data ({}): copy the file again", name(),
                stream_.msg ? stream_.msg : "no reason given");
  }

  void refill() {
    stream_.avail_in = static_cast<uInt>(packed_->read(block_.data(), block_.size()));
    stream_.next_in = block_.data();
  }

  std::unique_ptr<ByteSource> packed_;
  std::array<Bytef, kBlock> block_;
  z_stream stream_{};
  bool between_members_ = false;
  bool is_damaged_ = false;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::string_view bytes, std::string name)
      : ByteSource(std::move(name)), bytes_(bytes), size_(bytes.size()) {}

  size_t read(void* out, size_t size) override {
    const size_t step = std::min(size, bytes_.size());
    if (step > 0) std::memcpy(out, bytes_.data(), step);
    bytes_.remove_prefix(step);
    return step;
  }
  uint64_t limit() const override { return size_; }

 private:
  std::string_view bytes_;
  uint64_t size_;
};

class PrependedSource final : public ByteSource {
 public:
  PrependedSource(std::string bytes, std::unique_ptr<ByteSource> rest)
      : ByteSource(rest->name()), bytes_(std::move(bytes)), rest_(std::move(rest)) {}

  size_t read(void* out, size_t size) override {
    if (used_ == bytes_.size()) return rest_->read(out, size);
    const size_t step = std::min(size, bytes_.size() - used_);
    std::memcpy(out, bytes_.data() + used_, step);
    used_ += step;
    return step;
  }
  uint64_t limit() const override { return rest_->limit(); }

 private:
  std::string bytes_;
  size_t used_ = 0;
  std::unique_ptr<ByteSource> rest_;
};

}  // namespace

uint64_t ByteSource::skip(uint64_t size) {
  std::array<std::byte, kBlock> block;
  uint64_t skipped = 0;
  while (skipped < size) {
    const size_t got = read(block.data(), std::min<uint64_t>(block.size(), size - skipped));
    if (got == 0) break;
    skipped += got;
  }
  return skipped;
}

std::unique_ptr<ByteSource> open_file(const std::filesystem::path& path) {
  return std::make_unique<FileSource>(path);
}

bool is_gzip(std::string_view start) { return start.starts_with("\x1f\x8b"); }

std::unique_ptr<ByteSource> unpack_gzip(std::unique_ptr<ByteSource> packed) {
  return std::make_unique<GzipSource>(std::move(packed));
}

std::unique_ptr<ByteSource> view_bytes(std::string_view bytes, std::string name) {
  return std::make_unique<MemorySource>(bytes, std::move(name));
}

std::unique_ptr<ByteSource> prepend(std::string bytes, std::unique_ptr<ByteSource> rest) {
  return std::make_unique<PrependedSource>(std::move(bytes), std::move(rest));
}

std::vector<std::byte> read_exactly(ByteSource& source, uint64_t size, std::string_view what) {
  if (size > source.limit()) {
    throw TruncatedError(
        "{}: truncated: {}: expected {} bytes, the file holds at most {}: copy it again",
        source.name(), what, size, source.limit());
  }
  std::vector<std::byte> bytes;
  size_t used = 0;
  try {
    while (used < size) {
      if (used == bytes.size()) {
        bytes.resize(std::min(size, std::max<uint64_t>(kFirstAllocation, 2 * uint64_t{used})));
      }
      const size_t got = source.read(bytes.data() + used, bytes.size() - used);
      if (got == 0) {
        throw TruncatedError("{}: truncated: {}: expected {} bytes, found {}: copy it again",
                             source.name(), what, size, used);
      }
      used += got;
    }
    return bytes;
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  throw Error("{}: {}: {} bytes do not fit into memory", source.name(), what, size);
}

std::string read_up_to(ByteSource& source, size_t size) {
  std::string bytes(size, '\0');
  size_t used = 0;
  while (used < size) {
    const size_t got = source.read(bytes.data() + used, size - used);
    if (got == 0) break;
    used += got;
  }
  bytes.resize(used);
  return bytes;
}

void expect_end(ByteSource& source) {
  char next;
  if (source.read(&next, 1) != 0) {
    throw Error("{}: more bytes follow than its header declares: write or copy it again",
                source.name());
  }
}

}  // namespace oddity
