#include "files/zip.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <functional>
#include <new>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

constexpr size_t kBlock = 65536;

std::string reason(archive* open) {
  const char* text = archive_error_string(open);
  return text ? printable(std::string_view(text)) : "unknown reason";
}

}  // namespace

bool is_zip(std::string_view start) {
  return start.starts_with("PK\x03\x04") || is_empty_zip(start);
}

bool is_empty_zip(std::string_view start) { return start.starts_with("PK\x05\x06"); }

void ZipReader::Close::operator()(archive* open) const noexcept { archive_read_free(open); }

void ZipReader::fail() const {
  throw Error("{}: damaged zip archive ({}): write or copy it again", file_,
              reason(archive_.get()));
}

ZipReader::ZipReader(const std::filesystem::path& path)
    : file_(printable(path)), archive_(archive_read_new()) {
  if (!archive_) throw std::bad_alloc();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw Error("{}: no such file", file_);
  if (std::filesystem::is_directory(status)) throw Error("{}: a folder, expected a file", file_);
  size_ = std::filesystem::file_size(path, error);
  if (error) throw Error("{}: cannot be read: {}", file_, error.message());
  // Only the reader that starts from the central directory: one that streams would accept the front
  // part of a truncated file.
  if (archive_read_support_format_zip_seekable(archive_.get()) != ARCHIVE_OK ||
      archive_read_open_filename(archive_.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    fail();
  }
}

bool ZipReader::next() {
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) return false;
  // A warning here is about a name in another character set: such a member is nobody's.
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail();
  const char* name = archive_entry_pathname(entry);
  name_ = name ? name : "";
  return true;
}

size_t ZipReader::read(void* out, size_t size) {
  // A checksum that does not match is a mere warning to libarchive: any negative result fails.
  const la_ssize_t got = archive_read_data(archive_.get(), out, size);
  if (got < 0) fail();
  return static_cast<size_t>(got);
}

std::vector<std::pair<std::string, std::string>> read_zip(const std::filesystem::path& path,
                                                          const std::vector<std::string>& wanted,
                                                          size_t limit) {
  std::vector<std::pair<std::string, std::string>> members;
  ZipReader zip(path);
  while (zip.next()) {
    if (std::find(wanted.begin(), wanted.end(), zip.name()) == wanted.end()) continue;
    for (const auto& [name, bytes] : members) {
      if (name == zip.name()) {
        throw Error("{}: {} occurs twice: write the file again", printable(path),
                    printable(std::string_view(name)));
      }
    }
    std::string bytes;
    char block[kBlock];
    while (const size_t got = zip.read(block, sizeof(block))) {
      if (got > limit - bytes.size()) {
        throw Error("{}: {} unpacks to more than {} bytes", printable(path),
                    printable(std::string_view(zip.name())), limit);
      }
      bytes.append(block, got);
    }
    members.emplace_back(zip.name(), std::move(bytes));
  }
  return members;
}

namespace {

/// Makes a zip and hands its bytes on as they come.
class ZipStream {
 public:
  using Sink = std::function<void(const void* data, size_t size)>;

  /// `name` is for messages.
  ZipStream(std::string name, Sink sink)
      : name_(std::move(name)), sink_(std::move(sink)), open_(archive_write_new()) {
    if (!open_) throw std::bad_alloc();
    if (archive_write_set_format_zip(open_.get()) != ARCHIVE_OK ||
        archive_write_zip_set_compression_store(open_.get()) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(open_.get(), 1) != ARCHIVE_OK ||
        archive_write_open(open_.get(), this, nullptr, write_block, nullptr) != ARCHIVE_OK) {
      fail();
    }
  }
  ZipStream(const ZipStream&) = delete;
  ZipStream& operator=(const ZipStream&) = delete;

  void add(const std::string& name, std::initializer_list<std::string_view> parts);
  void close() {
    if (archive_write_close(open_.get()) != ARCHIVE_OK) fail();
  }

 private:
  struct Free {
    void operator()(archive* written) const noexcept { archive_write_free(written); }
  };

  static la_ssize_t write_block(archive* open, void* self, const void* data, size_t size) {
    auto* stream = static_cast<ZipStream*>(self);
    try {
      stream->sink_(data, size);
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      if (!stream->error_) stream->error_ = std::current_exception();
      archive_set_error(open, EIO, "writing failed");
      return -1;
    }
  }

  [[noreturn]] void fail() const {
    if (error_) std::rethrow_exception(error_);
    throw Error("{}: writing the zip archive failed: {}", name_, reason(open_.get()));
  }

  std::string name_;
  Sink sink_;
  std::exception_ptr error_;             // of the sink: exceptions must not cross libarchive
  std::unique_ptr<archive, Free> open_;  // last: closing it writes
};

void ZipStream::add(const std::string& name, std::initializer_list<std::string_view> parts) {
  size_t size = 0;
  for (const std::string_view part : parts) size += part.size();

  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                            archive_entry_free);
  if (!entry) throw std::bad_alloc();
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  // No time is set: libarchive would convert it to local time. An unset one becomes 1980-01-01.
  if (archive_write_header(open_.get(), entry.get()) != ARCHIVE_OK) fail();
  for (const std::string_view part : parts) {
    for (size_t at = 0; at < part.size();) {
      const la_ssize_t written =
          archive_write_data(open_.get(), part.data() + at, part.size() - at);
      if (written <= 0) fail();
      at += static_cast<size_t>(written);
    }
  }
  if (archive_write_finish_entry(open_.get()) != ARCHIVE_OK) fail();
}

}  // namespace

struct ZipWriter::State {
  explicit State(const std::filesystem::path& path)
      : file(path),
        stream(printable(path), [this](const void* data, size_t size) { file.write(data, size); }) {
  }

  AtomicFile file;
  ZipStream stream;  // after `file`: closing it writes
};

ZipWriter::ZipWriter(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {}

ZipWriter::~ZipWriter() = default;

void ZipWriter::add(const std::string& name, std::initializer_list<std::string_view> parts) {
  state_->stream.add(name, parts);
}

void ZipWriter::commit() {
  state_->stream.close();
  state_->file.commit();
}

std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string bytes;
  ZipStream zip("a zip in memory", [&bytes](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  });
  for (const auto& [name, content] : members) zip.add(name, {content});
  zip.close();
  return bytes;
}

void write_zip(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& members) {
  ZipWriter zip(path);
  for (const auto& [name, bytes] : members) zip.add(name, {bytes});
  zip.commit();
}

}  // namespace oddity
