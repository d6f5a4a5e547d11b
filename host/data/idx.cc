#include "data/idx.h"

#include <string>
#include <utility>

#include "core/error.h"

namespace oddity {
namespace {

constexpr unsigned char kUint8 = 8;

/// The extents of an array of uint8. What follows are its numbers.
std::vector<int64_t> read_header(ByteSource& source) {
  const std::vector<std::byte> magic = read_exactly(source, 4, "the IDX header");
  const auto type = std::to_integer<unsigned>(magic[2]);
  const auto dimensions = std::to_integer<unsigned>(magic[3]);
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0}) {
    throw Error("{}: not an IDX file", source.name());
  }
  if (type != kUint8) {
    throw Error("{}: IDX numbers of type {:#04x}, only uint8 ({:#04x}) is supported: save NPY",
                source.name(), type, kUint8);
  }
  const std::vector<std::byte> bytes = read_exactly(source, 4 * dimensions, "the IDX header");
  std::vector<int64_t> extents(dimensions);
  for (size_t i = 0; i < bytes.size(); ++i) {
    extents[i / 4] = extents[i / 4] << 8 | std::to_integer<int64_t>(bytes[i]);
  }
  return extents;
}

}  // namespace

bool is_idx(std::string_view start) {
  return start.size() >= 3 && start[0] == 0 && start[1] == 0 && start[2] >= 8 && start[2] <= 14;
}

ImageArrayHeader read_idx_image_header(ByteSource& source) {
  std::vector<int64_t> extents = read_header(source);
  if (extents.size() == 1) {
    throw Error("{}: an IDX file of {} labels, expected images", source.name(), extents[0]);
  }
  if (extents.size() != 3 && extents.size() != 4) {
    throw Error("{}: an IDX array of {} dimensions: images have 3 [N,H,W] or 4 [N,H,W,C]",
                source.name(), extents.size());
  }
  extents.resize(4, 1);
  const ImageShape shape{extents[1], extents[2], extents[3]};
  const auto count = static_cast<size_t>(extents[0]);
  if (count == 0) throw Error("{}: holds no images", source.name());
  checked_bytes(PixelType::u8, shape, count, source.name());
  return {PixelType::u8, shape, count, sizeof(uint8_t)};
}

ImageArray read_idx_images(ByteSource& source) {
  const auto [type, shape, count, size] = read_idx_image_header(source);
  const std::string what = fmt::format("{} images of {}", count, to_string(shape));
  const size_t bytes = checked_bytes(type, shape, count, source.name());
  ImageArray images(type, shape, count, read_exactly(source, bytes, what));
  expect_end(source);
  return images;
}

std::vector<int32_t> read_idx_labels(ByteSource& source) {
  const std::vector<int64_t> extents = read_header(source);
  if (extents.size() != 1) {
    throw Error("{}: an IDX array of {} dimensions, expected labels, which have 1", source.name(),
                extents.size());
  }
  const auto bytes =
      read_exactly(source, static_cast<uint64_t>(extents[0]), fmt::format("{} labels", extents[0]));
  expect_end(source);
  std::vector<int32_t> labels;
  labels.reserve(bytes.size());
  for (const std::byte label : bytes) labels.push_back(std::to_integer<int32_t>(label));
  return labels;
}

}  // namespace oddity
