#include "images/image_set.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace oddity {
namespace {

/// Packed images of one type, the widest of all that were added.
class Pixels {
 public:
  void add(const ImageBatch& batch) {
    if (batch.images == 0) return;
    if (size_of(batch.type) > size_of(type_)) {
      std::vector<std::byte> wide(count() * size_of(batch.type));
      widen(type_, bytes_.data(), count(), batch.type, wide.data());
      bytes_ = std::move(wide);
      type_ = batch.type;
    }
    const size_t numbers = batch.pixels.size() / size_of(batch.type);
    const size_t before = bytes_.size();
    bytes_.resize(before + numbers * size_of(type_));
    widen(batch.type, batch.pixels.data(), numbers, type_, bytes_.data() + before);
  }

  ImageArray take(const ImageShape& shape, size_t images) {
    return ImageArray(type_, shape, images, std::move(bytes_));
  }

 private:
  size_t count() const { return bytes_.size() / size_of(type_); }

  PixelType type_ = PixelType::u8;
  std::vector<std::byte> bytes_;
};

void add_rows(ImageSet& set, const std::vector<ImageRow>& rows) {
  for (const ImageRow& row : rows) {
    const auto number = static_cast<int64_t>(set.rows());
    const uint64_t alike = ++set.statuses[static_cast<size_t>(row.status)];
    if (row.status != ImageStatus::ok) {
      if (alike <= kKeptBadRows) set.bad.push_back(row);
      continue;
    }
    set.dataset.index.push_back(number);
    set.dataset.label.push_back(row.label);
    set.dataset.path.push_back(row.path);
  }
}

}  // namespace

uint64_t ImageSet::rows() const {
  return std::accumulate(statuses.begin(), statuses.end(), uint64_t{0});
}

ImageSet read_image_set(ImageStream& stream,
                        const std::function<void(const ImageSet&, double)>& watch) {
  ImageSet set;
  Pixels pixels;
  try {
    ImageBatch batch;
    for (;;) {
      const ImageStream::Wait wait = stream.next(batch);
      if (wait == ImageStream::Wait::end) break;
      if (wait == ImageStream::Wait::batch) {
        pixels.add(batch);
        add_rows(set, batch.rows);
        set.left_out += batch.left_out;
      }
      watch(set, batch.fraction);
    }
  } catch (const std::bad_alloc&) {
    throw Error(
        "{} images do not fit into memory: train on fewer of them, or on smaller ones with "
        "--resize",
        set.rows());
  }
  auto& paths = set.dataset.path;
  if (std::all_of(paths.begin(), paths.end(), [](const auto& path) { return path.empty(); })) {
    paths.clear();
  }
  if (!set.dataset.index.empty()) {
    set.dataset.images = pixels.take(stream.shape().value(), set.dataset.index.size());
  }
  return set;
}

}  // namespace oddity
