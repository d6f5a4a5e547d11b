#include "images/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <new>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/text.h"
#include "data/byte_source.h"

namespace oddity {
namespace {

constexpr size_t kBlock = size_t{1} << 20;

/// The character set that libarchive takes names to be in while one of these lives: never that of
/// the user, so that the same archive gives the same names everywhere. It hands the names of a tar
/// on as they are if it can tell nothing about them ("C"), but those of a zip that are marked as
/// UTF-8 only if the locale is UTF-8 too.
class NameLocale {
 public:
  explicit NameLocale(ArchiveFormat format) {
    static const locale_t kBytes = ::newlocale(LC_CTYPE_MASK, "C", nullptr);
    static const locale_t kUtf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    const locale_t locale = format == ArchiveFormat::zip && kUtf8 != nullptr ? kUtf8 : kBytes;
    before_ = ::uselocale(locale);
  }
  ~NameLocale() { ::uselocale(before_); }
  NameLocale(const NameLocale&) = delete;
  NameLocale& operator=(const NameLocale&) = delete;

 private:
  locale_t before_;
};

/// Enables the one format and filter: others would be so many more parsers for hostile bytes.
/// ARCHIVE_WARN means that libarchive, built without a library, would start a program instead.
bool enable(archive* open, ArchiveFormat format) {
  switch (format) {
    case ArchiveFormat::zip:
      return archive_read_support_format_zip_seekable(open) == ARCHIVE_OK;
    case ArchiveFormat::tar:
      return archive_read_support_format_tar(open) == ARCHIVE_OK;
    case ArchiveFormat::tar_gzip:
      return archive_read_support_format_tar(open) == ARCHIVE_OK &&
             archive_read_support_filter_gzip(open) == ARCHIVE_OK;
    case ArchiveFormat::tar_xz:
      return archive_read_support_format_tar(open) == ARCHIVE_OK &&
             archive_read_support_filter_xz(open) == ARCHIVE_OK;
    case ArchiveFormat::tar_zstd:
      return archive_read_support_format_tar(open) == ARCHIVE_OK &&
             archive_read_support_filter_zstd(open) == ARCHIVE_OK;
  }
  return false;
}

ArchiveReader::Member::Kind kind_of(archive_entry* entry) {
  using Kind = ArchiveReader::Member::Kind;
  if (archive_entry_hardlink(entry) != nullptr) return Kind::link;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return Kind::file;
    case AE_IFLNK:
      return Kind::link;
    default:
      return Kind::other;
  }
}

}  // namespace

void ArchiveReader::Close::operator()(archive* open) const noexcept { archive_read_free(open); }

ArchiveReader::ArchiveReader(const std::filesystem::path& path, ArchiveFormat format)
    : format_(format), archive_(archive_read_new()) {
  if (!archive_) throw std::bad_alloc();
  std::error_code error;
  size_ = std::filesystem::file_size(path, error);
  if (error) throw Error("{}: cannot be read: {}", printable(path), error.message());
  if (!enable(archive_.get(), format)) {
    throw Error("{}: the installed libarchive cannot read such archives: unpack it",
                printable(path));
  }
  if (archive_read_open_filename(archive_.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    try {
      fail();
    } catch (const Error& reason) {
      throw Error("{}: cannot be read as an archive: {}: copy it again", printable(path),
                  reason.what());
    }
  }
}

ArchiveReader::~ArchiveReader() = default;

void ArchiveReader::fail() const {
  const char* text = archive_error_string(archive_.get());
  const std::string reason = text ? printable(std::string_view(text)) : "unknown reason";
  // libarchive has one number for all that is wrong with a file: only the text tells.
  if (reason.find("runcated") != reason.npos) throw TruncatedError("{}", reason);
  throw Error("{}", reason);
}

bool ArchiveReader::next(Member& member) {
  const NameLocale locale(format_);
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) {
    // libarchive does not mind, but a copy cut off between two members looks like this.
    if (format_ == ArchiveFormat::tar &&
        static_cast<uint64_t>(archive_read_header_position(archive_.get())) >= size_) {
      throw TruncatedError("truncated: the mark that ends a tar archive is missing");
    }
    return false;
  }
  // A warning is about a name or an attribute.
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail();
  const char* name = archive_entry_pathname(entry);
  member.name = name ? name : "";
  member.kind = kind_of(entry);
  member.is_encrypted = archive_entry_is_encrypted(entry) != 0;
  member.size.reset();
  if (archive_entry_size_is_set(entry)) {
    member.size = static_cast<uint64_t>(archive_entry_size(entry));
  }
  return true;
}

size_t ArchiveReader::read(void* out, size_t size) {
  // A checksum that does not match is a mere warning to libarchive: any negative result fails.
  const la_ssize_t got = archive_read_data(archive_.get(), out, size);
  if (got < 0) fail();
  return static_cast<size_t>(got);
}

void ArchiveReader::skip() {
  if (archive_read_data_skip(archive_.get()) != ARCHIVE_OK) fail();
  // It seeks over the data of a plain tar, past the end if need be.
  if (format_ == ArchiveFormat::tar &&
      static_cast<uint64_t>(archive_filter_bytes(archive_.get(), 0)) > size_) {
    throw TruncatedError("truncated within a member");
  }
}

double ArchiveReader::fraction() const {
  const la_int64_t read = archive_filter_bytes(archive_.get(), -1);
  if (read <= 0 || size_ == 0) return 0;
  const double fraction = static_cast<double>(read) / static_cast<double>(size_);
  return fraction < 1 ? fraction : 1;
}

}  // namespace oddity
