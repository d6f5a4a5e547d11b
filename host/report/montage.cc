#include "report/montage.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "report/png.h"

namespace oddity {
namespace {

/// Between the images. Neither black nor white, as the borders of most images are one of them; the
/// grey of the loss plot.
constexpr uint8_t kGround = 0xE5;
constexpr uint32_t kEnlargedSide = 96;  // the side, in pixels, that small images are enlarged up to
constexpr size_t kRowsOfOneColumn = 12;  // the reference's layout, as long as it fits a screen
constexpr size_t kMaxImages = 500;
constexpr double kMaxPixels = 16e6;  // of the picture; one image may exceed it

// Gaps, in pixels.
constexpr uint32_t kInPair = 2;
constexpr uint32_t kBetweenRows = 6;
constexpr uint32_t kBetweenColumns = 24;
constexpr uint32_t kMargin = 12;

/// Where everything lies in the picture, in pixels.
struct Layout {
  uint32_t image_width, image_height;
  uint32_t factor;  // one pixel of an image is factor × factor of the picture
  size_t images;
  uint32_t columns, rows;

  uint32_t cell_width() const { return image_width * factor; }
  uint32_t cell_height() const { return image_height * factor; }
  uint32_t pair_width() const { return 2 * cell_width() + kInPair; }
  uint32_t width() const {
    return 2 * kMargin + columns * (pair_width() + kBetweenColumns) - kBetweenColumns;
  }
  uint32_t height() const {
    return 2 * kMargin + rows * (cell_height() + kBetweenRows) - kBetweenRows;
  }
  uint32_t left(size_t image) const {
    return kMargin + static_cast<uint32_t>(image / rows) * (pair_width() + kBetweenColumns);
  }
  uint32_t top(size_t image) const {
    return kMargin + static_cast<uint32_t>(image % rows) * (cell_height() + kBetweenRows);
  }
};

Layout lay_out(const ImageShape& shape, size_t images) {
  // PNG knows no larger sides; two images side by side must fit.
  constexpr int64_t kMaxSide = (int64_t{1} << 30) - 1000;
  if (shape.width > kMaxSide || shape.height > kMaxSide) {
    throw Error("images of {} are too large for a PNG montage", to_string(shape));
  }
  Layout layout{};
  layout.image_width = static_cast<uint32_t>(shape.width);
  layout.image_height = static_cast<uint32_t>(shape.height);
  const uint32_t side = std::max({layout.image_width, layout.image_height, 1u});
  layout.factor = std::max(1u, kEnlargedSide / side);
  const double row_width = layout.pair_width() + kBetweenColumns;
  const double row_height = layout.cell_height() + kBetweenRows;
  const auto fitting = static_cast<size_t>(kMaxPixels / (row_width * row_height));
  layout.images = std::min({images, kMaxImages, std::max<size_t>(fitting, 1)});
  const auto shown = static_cast<uint32_t>(std::max<size_t>(layout.images, 1));
  layout.columns = 1;
  if (shown > kRowsOfOneColumn) {
    // About as wide as high.
    const double square = std::sqrt(shown * row_height / row_width);
    layout.columns = std::max(2u, static_cast<uint32_t>(std::lround(square)));
  }
  layout.rows = (shown + layout.columns - 1) / layout.columns;
  layout.columns = (shown + layout.rows - 1) / layout.rows;
  return layout;
}

/// Draws `image` [H,W,C] in [0,1], enlarged, with its top left corner at (left, top).
void draw(Picture& picture, const Layout& layout, uint32_t left, uint32_t top, const float* image,
          int64_t channels) {
  for (uint32_t y = 0; y < layout.cell_height(); ++y) {
    uint8_t* out = picture.at(left, top + y);
    const float* row = image + int64_t{y / layout.factor} * layout.image_width * channels;
    for (uint32_t x = 0; x < layout.cell_width(); ++x) {
      const float* pixel = row + int64_t{x / layout.factor} * channels;
      for (uint32_t c = 0; c < picture.channels; ++c) *out++ = to_byte(pixel[c]);
    }
  }
}

}  // namespace

size_t write_montage(const std::filesystem::path& path, const ImageView& originals,
                     std::span<const float> reconstructions) {
  const auto size = static_cast<size_t>(originals.shape.size());
  if (reconstructions.size() != originals.count * size) {
    throw Error("{}: {} images of {} do not match {} numbers of reconstructions", printable(path),
                originals.count, to_string(originals.shape), reconstructions.size());
  }
  const int64_t channels = originals.shape.channels;
  const Layout layout = lay_out(originals.shape, originals.count);
  Picture picture(layout.width(), layout.height(), channels == 3 ? 3 : 1, kGround);
  std::vector<float> original(size);
  for (size_t i = 0; i < layout.images; ++i) {
    to_float(originals, i, original.data());
    const uint32_t left = layout.left(i);
    const uint32_t right = left + layout.cell_width() + kInPair;
    draw(picture, layout, left, layout.top(i), original.data(), channels);
    draw(picture, layout, right, layout.top(i), reconstructions.data() + i * size, channels);
  }
  write_png(path, picture);
  return layout.images;
}

}  // namespace oddity
