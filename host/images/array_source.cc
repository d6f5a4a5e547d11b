#include "images/array_source.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/idx.h"
#include "data/numpy_array.h"
#include "files/zip.h"
#include "images/image_file.h"
#include "images/last_entry.h"

namespace oddity {
namespace {

constexpr size_t kStep = size_t{4} << 20;  // memory for one image is taken in such steps

/// One member of an NPZ file.
class MemberSource final : public ByteSource {
 public:
  /// Goes to the member; where it is missing, nothing can be read.
  MemberSource(const std::filesystem::path& path, std::string_view member)
      : ByteSource(fmt::format("{}: {}", printable(path), member)), zip_(path) {
    while (zip_.next()) {
      if (zip_.name() == member) return;
    }
  }
  size_t read(void* out, size_t size) override { return zip_.read(out, size); }
  uint64_t limit() const override { return zip_.file_size() * kDeflateRatio; }

 private:
  ZipReader zip_;
};

/// The labels of an NPZ file, one after the other.
class LabelColumn {
 public:
  LabelColumn(const std::filesystem::path& path, size_t images)
      : source_(path, "label.npy"), header_(read_npy_header(source_)) {
    check_integers(header_, source_.name());
    if (header_.count() != images) {
      throw Error("{} has {} entries, there are {} images: save one an image", source_.name(),
                  header_.count(), images);
    }
  }

  int32_t next() {
    const auto bytes = read_exactly(source_, header_.item_size(), "the labels");
    const int64_t label = integer_at(bytes.data(), header_, source_.name());
    if (!std::in_range<int32_t>(label)) {
      throw Error("{}: label {} is outside [{}, {}]", source_.name(), label,
                  std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
    }
    return static_cast<int32_t>(label);
  }

  void finish() { expect_end(source_); }

 private:
  MemberSource source_;
  NpyHeader header_;
};

/// How often an NPZ file holds the arrays that are read.
struct NpzMembers {
  size_t images = 0;
  size_t labels = 0;
};

NpzMembers members_of(const std::filesystem::path& path) {
  NpzMembers members;
  ZipReader zip(path);
  while (zip.next()) {
    members.images += zip.name() == "images.npy" ? 1 : 0;
    members.labels += zip.name() == "label.npy" ? 1 : 0;
  }
  return members;
}

class ArraySource final : public ImageSource {
 public:
  ArraySource(const std::filesystem::path& array, ArrayFormat format, std::string row_path)
      : array_(array), row_path_(std::move(row_path)) {
    open(format);
    if (header_.shape.size() > kMaxImageNumbers) {
      throw Error("{}: images of {} are larger than the {} numbers that are read: cut them",
                  images_->name(), to_string(header_.shape), kMaxImageNumbers);
    }
  }

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    batch.clear();
    const size_t row_size = static_cast<size_t>(header_.shape.size()) * size_of(header_.type);
    const size_t most = std::max<size_t>(std::min(limits.entries, limits.bytes / row_size), 1);
    if (row_ < header_.count) read_rows(batch, std::min(most, header_.count - row_));
    give_last(failure_, batch, most);
    return !batch.entries.empty();
  }

  uint64_t skip(uint64_t entries, const std::function<void(const std::string&)>& seen) override {
    const size_t stored = header_.stored_image();
    uint64_t skipped = 0;
    while (skipped < entries && row_ < header_.count) {
      const bool is_whole = attempt([&] {
        if (images_->skip(stored) < stored) fail_truncated();
        next_label();
      });
      pass_rows(is_whole ? 1 : 0);
      if (is_whole) {
        seen(row_path_);
        ++skipped;
      }
    }
    return skip_last(failure_, skipped, entries, seen);
  }

  std::optional<uint64_t> total() const override { return header_.count; }
  double fraction() const override {
    return static_cast<double>(row_) / static_cast<double>(header_.count);
  }

 private:
  void open(ArrayFormat format) {
    switch (format) {
      case ArrayFormat::idx:
      case ArrayFormat::idx_gzip:
        images_ = open_file(array_);
        if (format == ArrayFormat::idx_gzip) images_ = unpack_gzip(std::move(images_));
        header_ = read_idx_image_header(*images_);
        break;
      case ArrayFormat::npy:
        images_ = open_file(array_);
        header_ = image_array_header(read_npy_header(*images_), images_->name());
        break;
      case ArrayFormat::npz: {
        const NpzMembers members = members_of(array_);
        if (members.images > 1 || members.labels > 1) {
          throw Error("{}: {} occurs twice: write the file again", printable(array_),
                      members.images > 1 ? "images.npy" : "label.npy");
        }
        images_ = std::make_unique<MemberSource>(array_, "images.npy");
        header_ = image_array_header(read_npy_header(*images_), images_->name());
        reads_single_rows_ = true;
        if (members.labels > 0) labels_ = std::make_unique<LabelColumn>(array_, header_.count);
      }
    }
  }

  void read_rows(SourceBatch& batch, size_t rows) {
    const size_t stored = header_.stored_image();
    size_t used = 0;
    attempt([&] { read(batch.bytes, rows * stored, used); });
    rows = used / stored;
    attempt([&] {
      for (size_t i = 0; i < rows; ++i) {
        const int32_t label = next_label();
        SourceEntry& entry = batch.entries.emplace_back();
        entry.path = row_path_;
        entry.label = label;
      }
    });
    rows = batch.entries.size();  // fewer where a label is bad
    batch.bytes.resize(rows * stored);
    if (header_.stored_size == sizeof(double)) {
      narrow_to_float32(batch.bytes);
      batch.bytes.resize(batch.bytes.size() / 2);
    }
    for (size_t i = 0; i < rows; ++i) {
      batch.entries[i].size = batch.bytes.size() / rows;
      batch.entries[i].offset = i * batch.entries[i].size;
    }
    if (rows > 0) batch.raw = SourceBatch::Layout{header_.type, header_.shape};
    pass_rows(rows);
  }

  /// Appends `size` bytes of the array; `used` is how many came, whatever is thrown.
  void read(std::vector<std::byte>& bytes, size_t size, size_t& used) {
    const size_t stored = header_.stored_image();
    while (used < size) {
      if (used == bytes.size()) bytes.resize(std::min(size, used + kStep));
      size_t step = bytes.size() - used;
      if (reads_single_rows_) step = std::min(step, stored - used % stored);
      const size_t got = images_->read(bytes.data() + used, step);
      if (got == 0) fail_truncated();
      used += got;
    }
  }

  [[noreturn]] void fail_truncated() const {
    throw TruncatedError("{}: truncated: fewer than the {} images of {} that its header declares",
                         images_->name(), header_.count, to_string(header_.shape));
  }

  int32_t next_label() { return labels_ ? labels_->next() : kUnknownLabel; }

  /// Counts rows that are whole. Where nothing comes after them, the array ends here.
  void pass_rows(size_t rows) {
    row_ += rows;
    if (!failure_ && row_ == header_.count) {
      // Reading to the end verifies the checksums of gzip and zip.
      attempt([&] {
        expect_end(*images_);
        if (labels_) labels_->finish();
      });
    }
    if (failure_) {
      failure_->reason += fmt::format(", after {} images", row_);
      row_ = header_.count;
    }
  }

  /// False where `work` throws Error: the array ends here, with an entry that says so, unless it
  /// has ended before.
  template <typename Work>
  bool attempt(Work&& work) {
    try {
      work();
      return true;
    } catch (const TruncatedError& error) {
      fail(ImageStatus::truncated, error.what());
    } catch (const Error& error) {
      fail(ImageStatus::unreadable, error.what());
    }
    return false;
  }

  void fail(ImageStatus status, std::string_view message) {
    if (failure_) return;
    // The entry says already which file it is.
    const std::string name = printable(array_) + ": ";
    if (message.starts_with(name)) message.remove_prefix(name.size());
    failure_.emplace();
    failure_->path = array_.native();
    failure_->status = status;
    failure_->reason = message;
  }

  std::filesystem::path array_;
  std::string row_path_;
  std::unique_ptr<ByteSource> images_;
  std::unique_ptr<LabelColumn> labels_;
  ImageArrayHeader header_;
  size_t row_ = 0;
  // Where a zip is damaged, libarchive drops all that was asked for at once.
  bool reads_single_rows_ = false;
  std::optional<SourceEntry> failure_;  // comes after the rows before it
};

}  // namespace

std::unique_ptr<ImageSource> open_array(const std::filesystem::path& array, ArrayFormat format,
                                        std::string row_path) {
  return std::make_unique<ArraySource>(array, format, std::move(row_path));
}

bool is_npz(const std::filesystem::path& path, std::string_view start) {
  // The first member's name, behind its local header (PKWARE's APPNOTE, 4.3.7): a large archive of
  // images is told from it, without the directory.
  constexpr size_t kLengthAt = 26;
  constexpr size_t kNameAt = 30;
  if (start.size() < kNameAt) return false;
  const size_t length = static_cast<unsigned char>(start[kLengthAt]) |
                        static_cast<size_t>(static_cast<unsigned char>(start[kLengthAt + 1])) << 8;
  if (!start.substr(kNameAt, length).ends_with(".npy")) return false;
  std::string names;
  constexpr size_t kMaxNames = 500;  // bytes
  ZipReader zip(path);
  while (zip.next()) {
    if (!zip.name().ends_with(".npy")) return false;
    if (zip.name() == "images.npy") return true;
    if (names.size() < kMaxNames) {
      names += (names.empty() ? "" : ", ") + printable(std::string_view(zip.name()));
    }
  }
  throw Error("{}: no array 'images', only {}: save it as np.savez(file, images=...)",
              printable(path), names);
}

}  // namespace oddity
