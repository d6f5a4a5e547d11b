// Images that a test makes, to be uploaded and, widened, given to the reference.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/random.h"
#include "data/pixels.h"
#include "reference/layers.h"

namespace oddity::test {

template <typename Pixel>
struct TestImages {
  ImageShape shape;
  std::vector<Pixel> pixels;

  size_t size() const { return pixels.size() / static_cast<size_t>(shape.size()); }
  ImageView view() const {
    constexpr PixelType kType = std::is_same_v<Pixel, uint8_t>    ? PixelType::u8
                                : std::is_same_v<Pixel, uint16_t> ? PixelType::u16
                                                                  : PixelType::f32;
    static_assert(sizeof(Pixel) == size_of(kType));
    return {reinterpret_cast<const std::byte*>(pixels.data()), kType, shape, size()};
  }
};

/// A pixel as the network sees it: one float32 division, as Keras' users do it.
inline float unit(uint8_t pixel) { return static_cast<float>(pixel) / 255.0f; }
inline float unit(uint16_t pixel) { return static_cast<float>(pixel) / 65535.0f; }
inline float unit(float pixel) { return pixel; }

/// The images at `positions`, for the reference.
template <typename Pixel>
reference::Batch widen(const TestImages<Pixel>& images, const std::vector<uint32_t>& positions) {
  reference::Batch batch(std::ssize(positions), images.shape);
  const size_t size = static_cast<size_t>(images.shape.size());
  for (size_t i = 0; i < positions.size() * size; ++i) {
    batch.values[i] =
        static_cast<double>(unit(images.pixels[positions[i / size] * size + i % size]));
  }
  return batch;
}

/// 0, 1 … n−1.
inline std::vector<uint32_t> in_order(size_t n) {
  std::vector<uint32_t> positions(n);
  for (size_t i = 0; i < n; ++i) positions[i] = static_cast<uint32_t>(i);
  return positions;
}

template <typename Pixel>
reference::Batch widen(const TestImages<Pixel>& images) {
  return widen(images, in_order(images.size()));
}

/// Uniform pixels over the whole range of the type.
template <typename Pixel>
TestImages<Pixel> random_images(const ImageShape& shape, size_t count, uint64_t seed) {
  Philox random(seed, /*stream=*/1000);
  TestImages<Pixel> images{shape, std::vector<Pixel>(count * static_cast<size_t>(shape.size()))};
  for (Pixel& pixel : images.pixels) {
    if constexpr (std::is_same_v<Pixel, float>) {
      pixel = random.uniform();
    } else {
      pixel = static_cast<Pixel>(random());
    }
  }
  return images;
}

}  // namespace oddity::test
