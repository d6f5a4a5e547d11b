// What is done with each image before the network sees it: nothing that was not asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/shape.h"
#include "images/image_file.h"

namespace oddity {

struct ImageSize {
  int64_t width = 0;
  int64_t height = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

/// In this order: crop, gray, resize. A model file states it, so that scoring does what training
/// did. Done twice it changes nothing more: an image that already has the size, the one channel,
/// the aspect ratio is left as it is.
struct Preprocessing {
  /// Resamples to this size with a triangle filter whose support grows with the reduction (bilinear
  /// with antialiasing; Pillow's Image.Resampling.BILINEAR).
  std::optional<ImageSize> resize;
  /// Cuts the largest centred part of the aspect ratio of `resize`, so that nothing is distorted;
  /// only with `resize`.
  bool crop = false;
  /// One channel: .299 R + .587 G + .114 B (ITU-R BT.601).
  bool gray = false;

  bool empty() const { return !resize && !crop && !gray; }
  friend bool operator==(const Preprocessing&, const Preprocessing&) = default;
};

/// "28x28" → width and height. Throws ArgumentError naming `option` for anything else, or extents
/// outside 1 … 65535.
ImageSize parse_image_size(std::string_view text, std::string_view option);

/// "crop, gray, resize to 28x28"; "none".
std::string describe(const Preprocessing& preprocessing);

/// What a decoder may leave out when this follows.
DecodeHints decode_hints(const Preprocessing& preprocessing);

/// Preprocesses images; one a thread.
class Preprocessor {
 public:
  explicit Preprocessor(const Preprocessing& preprocessing);
  ~Preprocessor();
  Preprocessor(const Preprocessor&) = delete;
  Preprocessor& operator=(const Preprocessor&) = delete;

  /// Changes `image` in place. u8 and u16 stay what they are (rounded to nearest), f32 stays in
  /// [0,1]. Throws ImageError where gray meets an image of neither one nor three channels, or the
  /// result would be larger than kMaxImageNumbers.
  void apply(Image& image);

 private:
  struct State;
  Preprocessing preprocessing_;
  std::unique_ptr<State> state_;
};

}  // namespace oddity
