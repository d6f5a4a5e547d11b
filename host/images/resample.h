// Images at another size: separable triangle filter with antialiasing.
#pragma once

#include <cstdint>
#include <vector>

#include "images/image_file.h"

namespace oddity {

/// For each extent along one axis of the result: which numbers of the source it is made of, and how
/// much of each. Weights add up to 1.
struct ResampleTable {
  struct Window {
    int64_t begin = 0;
    int64_t count = 0;
    size_t weights = 0;  // where they begin
  };

  int64_t from = 0;
  int64_t to = 0;
  std::vector<Window> windows;  // both ends rise with the position in the result
  std::vector<float> weights;

  /// Fills it, unless it is that of the two extents already. The filter is a triangle of half-width
  /// max(1, from/to) around (i + ½)·from/to, cut off at the edges. Where the extents are equal
  /// numbers stay as they are.
  void prepare(int64_t from_extent, int64_t to_extent);
};

/// Resamples images; keeps its tables and memory for the next of the same size.
class Resampler {
 public:
  /// `in` at `width`x`height`, in the same type, rounded to nearest (u8, u16) or kept in [0,1]
  /// (f32). Sums in float32, along the rows first, each from the first number of its window to the
  /// last.
  void resample(const Image& in, int64_t width, int64_t height, Image& out);

 private:
  ResampleTable columns_;
  ResampleTable rows_;
  std::vector<float> source_;  // [in width · channels, lanes]
  std::vector<float> lines_;   // [lanes, out width · channels]
  std::vector<float> sums_;    // [out height, out width · channels]
};

}  // namespace oddity
