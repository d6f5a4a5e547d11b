#include "images/entry_loader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <system_error>

#include "core/text.h"

namespace oddity {
namespace {

/// Adds the time from its making to its end.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// A file that is read once, from front to back. Throws ImageError.
class File {
 public:
  explicit File(const std::filesystem::path& path) {
    // Non-blocking: a pipe among the images is refused, not waited for.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor_ < 0) {
      const bool gone = errno == ENOENT || errno == ENOTDIR;
      throw ImageError(gone ? ImageStatus::vanished : ImageStatus::unreadable, "{}", cause());
    }
    struct stat status {};
    std::string problem;
    if (::fstat(descriptor_, &status) != 0) {
      problem = cause();
    } else if (!S_ISREG(status.st_mode)) {
      problem = S_ISDIR(status.st_mode) ? "a folder, not a file" : "not a regular file";
    }
    if (!problem.empty()) {
      ::close(descriptor_);
      throw ImageError(ImageStatus::unreadable, "{}", problem);
    }
    size_ = static_cast<size_t>(status.st_size);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(descriptor_); }

  size_t size() const { return size_; }

  /// Up to `size` bytes, fewer only at the end.
  size_t read(char* out, size_t size) {
    size_t used = 0;
    while (used < size) {
      const ssize_t got = ::read(descriptor_, out + used, size - used);
      if (got == 0) break;
      if (got > 0) {
        used += static_cast<size_t>(got);
      } else if (errno != EINTR) {
        throw ImageError(ImageStatus::unreadable, "reading failed: {}", cause());
      }
    }
    return used;
  }

 private:
  static std::string cause() { return std::generic_category().message(errno); }

  int descriptor_ = -1;
  size_t size_ = 0;
};

void check_values(const Image& image) {
  if (image.type != PixelType::f32) return;
  const auto* values = reinterpret_cast<const float*>(image.pixels.data());
  const auto n = static_cast<size_t>(image.shape.size());
  const auto* const bad = std::find_if_not(values, values + n, [](float value) {
    return value >= 0 && value <= 1;  // false for NaN
  });
  if (bad == values + n) return;
  throw ImageError(ImageStatus::not_finite, "holds {}: float images must be in [0,1]",
                   shortest(*bad));
}

void check_shape(const ImageShape& found, const ImageShape& expected) {
  if (found == expected) return;
  std::string cure;
  if (found.width != expected.width || found.height != expected.height) {
    cure = fmt::format(" --resize {}x{}", expected.width, expected.height);
  }
  if (found.channels != expected.channels) {
    // Nothing makes colours of grey.
    cure = expected.channels == 1 ? cure + " --gray" : "";
  }
  throw ImageError(ImageStatus::wrong_size, "{}, expected {}{}{}", to_string(found),
                   to_string(expected), cure.empty() ? "" : ": use", cure);
}

}  // namespace

EntryLoader::EntryLoader(const Preprocessing& preprocessing)
    : preprocessing_(preprocessing),
      hints_(decode_hints(preprocessing)),
      preprocessor_(preprocessing) {}

void EntryLoader::load(const SourceBatch& source, std::optional<ImageShape>& shape,
                       ImageBatch& batch) {
  batch.clear();
  batch.rows.reserve(source.entries.size());
  for (const SourceEntry& entry : source.entries) {
    ImageRow row{entry.path, entry.label, entry.status, entry.reason};
    if (row.status == ImageStatus::ok) {
      try {
        if (entry.left_out || !load_image(source, entry)) {
          ++batch.left_out;
          continue;
        }
        append(shape, batch);
      } catch (const ImageError& error) {
        row.status = error.status();
        row.reason = error.what();
      } catch (const std::bad_alloc&) {
        row.status = ImageStatus::too_large;
        row.reason = "does not fit into memory";
      }
    }
    batch.rows.push_back(std::move(row));
  }
}

/// Leaves the entry's image, preprocessed, in image_; false where the entry is nobody's.
bool EntryLoader::load_image(const SourceBatch& source, const SourceEntry& entry) {
  if (source.raw) {
    const Stopwatch stopwatch(seconds_.decode);
    image_.reset(source.raw->type, source.raw->shape);
    std::memcpy(image_.pixels.data(), source.bytes.data() + entry.offset, entry.size);
    check_values(image_);
  } else {
    std::string_view file(reinterpret_cast<const char*>(source.bytes.data()) + entry.offset,
                          entry.size);
    if (!entry.file.empty()) {
      const Stopwatch stopwatch(seconds_.read);
      if (!read(entry, file)) return false;
    }
    const Stopwatch stopwatch(seconds_.decode);
    decoder_.decode(file, hints_, image_);
  }
  if (!preprocessing_.empty()) {
    const Stopwatch stopwatch(seconds_.preprocess);
    preprocessor_.apply(image_);
  }
  return true;
}

bool EntryLoader::read(const SourceEntry& entry, std::string_view& bytes) {
  File file(entry.file);
  char start[kImageFormatPrefix];
  const size_t start_size = file.read(start, sizeof(start));
  const bool is_image = image_format({start, start_size}).has_value();
  if (!is_image && !has_image_suffix(entry.path)) return false;
  if (file.size() > kMaxImageFile) {
    throw ImageError(ImageStatus::too_large, "a file of {} bytes, at most {} are read", file.size(),
                     kMaxImageFile);
  }
  if (file_.size() < file.size() + 1) file_.resize(file.size() + 1);
  std::copy_n(start, start_size, file_.data());
  size_t used = start_size;
  // One more than it says, to see its end without asking again. What has grown meanwhile is cut off
  // there, and is found truncated or whole as it stood.
  if (used == sizeof(start)) used += file.read(file_.data() + used, file.size() + 1 - used);
  bytes = {file_.data(), used};
  return true;
}

void EntryLoader::append(std::optional<ImageShape>& shape, ImageBatch& batch) {
  if (!shape) shape = image_.shape;
  check_shape(image_.shape, *shape);
  const auto n = static_cast<size_t>(image_.shape.size());
  if (batch.images == 0) batch.type = image_.type;
  if (size_of(image_.type) > size_of(batch.type)) {
    std::vector<std::byte> wide(batch.images * n * size_of(image_.type));
    widen(batch.type, batch.pixels.data(), batch.images * n, image_.type, wide.data());
    batch.pixels = std::move(wide);
    batch.type = image_.type;
  }
  const size_t bytes = n * size_of(batch.type);
  batch.pixels.resize((batch.images + 1) * bytes);
  widen(image_.type, image_.pixels.data(), n, batch.type,
        batch.pixels.data() + batch.images * bytes);
  ++batch.images;
}

}  // namespace oddity
