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

#include "core/system_calls.h"
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

std::string cause() { return std::generic_category().message(errno); }

/// Opens a file to be read once, from front to back, and finds its size. Throws ImageError.
Descriptor open_image_file(const std::filesystem::path& path, size_t& size) {
  // Non-blocking: a pipe among the images is refused, not waited for.
  Descriptor file(
      retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  struct stat status {};
  if (file.get() < 0) {
    const bool gone = errno == ENOENT || errno == ENOTDIR;
    throw ImageError(gone ? ImageStatus::vanished : ImageStatus::unreadable, "{}", cause());
  }
  if (::fstat(file.get(), &status) != 0) throw ImageError(ImageStatus::unreadable, "{}", cause());
  if (!S_ISREG(status.st_mode)) {
    throw ImageError(ImageStatus::unreadable, "{}",
                     S_ISDIR(status.st_mode) ? "a folder, not a file" : "not a regular file");
  }
  size = static_cast<size_t>(status.st_size);
  return file;
}

/// Up to `size` bytes, fewer only at the end.
size_t read_some(const Descriptor& file, char* out, size_t size) {
  size_t used = 0;
  while (used < size) {
    const ssize_t got = retry([&] { return ::read(file.get(), out + used, size - used); });
    if (got < 0) throw ImageError(ImageStatus::unreadable, "reading failed: {}", cause());
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  return used;
}

/// The memory of a usual image serves the next one; that of a huge one is given back.
template <typename T>
void release_huge(std::vector<T>& memory) {
  constexpr size_t kKept = size_t{128} << 20;
  if (memory.capacity() > kKept) std::vector<T>().swap(memory);
}

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
    release_huge(file_);
    release_huge(image_.pixels);
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
  size_t size = 0;
  const Descriptor file = open_image_file(entry.file, size);
  char start[kImageFormatPrefix];
  size_t used = read_some(file, start, sizeof(start));
  const bool is_image = image_format({start, used}).has_value();
  if (!is_image && !has_image_suffix(entry.path)) return false;
  if (size > kMaxImageFile) {
    throw ImageError(ImageStatus::too_large, "a file of {} bytes, at most {} are read", size,
                     kMaxImageFile);
  }
  // One more than it says, to see its end without asking again. What grows meanwhile is cut off
  // there, and is found truncated or whole as it stood.
  const size_t room = std::max(size + 1, sizeof(start));
  if (file_.size() < room) file_.resize(room);
  std::copy_n(start, used, file_.data());
  if (used == sizeof(start)) used += read_some(file, file_.data() + used, room - used);
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
