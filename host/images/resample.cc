#include "images/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace oddity {
namespace {

// So many rows go through the horizontal pass side by side: its sums, each of a number of terms
// that differs from column to column, fill a vector register that way.
constexpr int64_t kLanes = 8;
// Rows of more numbers go one by one: eight of 2^28 would take 8 GiB. The sums are the same.
constexpr int64_t kWideRow = int64_t{1} << 20;

/// Rows [first, first + count) of `in`, as they are, to source [width · channels, lanes]; lanes
/// past `count` are zeros.
template <typename T, int64_t lanes>
void load_rows(const Image& in, int64_t first, int64_t count, float* source) {
  const int64_t numbers = in.shape.width * in.shape.channels;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    if (lane >= count) {
      for (int64_t i = 0; i < numbers; ++i) source[i * lanes + lane] = 0;
      continue;
    }
    const std::byte* row =
        in.pixels.data() + static_cast<size_t>((first + lane) * numbers) * sizeof(T);
    for (int64_t i = 0; i < numbers; ++i) {
      T value;
      std::memcpy(&value, row + static_cast<size_t>(i) * sizeof(T), sizeof value);
      source[i * lanes + lane] = static_cast<float>(value);
    }
  }
}

/// source [in width · channels, lanes] → lines [lanes, out width · channels].
template <int64_t lanes>
void resample_columns(const ResampleTable& table, int64_t channels, const float* source,
                      float* lines) {
  const int64_t stride = table.to * channels;
  for (int64_t x = 0; x < table.to; ++x) {
    const ResampleTable::Window& window = table.windows[static_cast<size_t>(x)];
    const float* weights = table.weights.data() + window.weights;
    for (int64_t c = 0; c < channels; ++c) {
      float sums[lanes] = {};
      const float* from = source + (window.begin * channels + c) * lanes;
      for (int64_t k = 0; k < window.count; ++k) {
        for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += weights[k] * from[lane];
        from += channels * lanes;
      }
      for (int64_t lane = 0; lane < lanes; ++lane) {
        lines[lane * stride + x * channels + c] = sums[lane];
      }
    }
  }
}

template <int64_t lanes>
void resample_rows(const Image& in, int64_t first, int64_t count, const ResampleTable& table,
                   float* source, float* lines) {
  switch (in.type) {
    case PixelType::u8:
      load_rows<uint8_t, lanes>(in, first, count, source);
      break;
    case PixelType::u16:
      load_rows<uint16_t, lanes>(in, first, count, source);
      break;
    case PixelType::f32:
      load_rows<float, lanes>(in, first, count, source);
      break;
  }
  resample_columns<lanes>(table, in.shape.channels, source, lines);
}

template <typename T>
T rounded(float value) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::clamp(value, 0.0F, 1.0F);  // weights add up to 1 but for rounding
  } else {
    constexpr float kLargest = std::numeric_limits<T>::max();
    const float half_above = std::clamp(value, 0.0F, kLargest) + 0.5F;
    return static_cast<T>(half_above);
  }
}

template <typename T>
void store(const float* sums, size_t numbers, std::byte* out) {
  for (size_t i = 0; i < numbers; ++i) {
    const T value = rounded<T>(sums[i]);
    std::memcpy(out + i * sizeof(T), &value, sizeof value);
  }
}

}  // namespace

void ResampleTable::prepare(int64_t from_extent, int64_t to_extent) {
  if (from == from_extent && to == to_extent) return;
  from = to = 0;  // where memory runs short below, it is the table of nothing
  windows.clear();
  weights.clear();
  const double scale = static_cast<double>(from_extent) / static_cast<double>(to_extent);
  const double half_width = std::max(1.0, scale);
  std::vector<double> shares;
  for (int64_t i = 0; i < to_extent; ++i) {
    const double centre = (static_cast<double>(i) + .5) * scale;
    // The first number whose own centre is not left of the triangle, and the first right of it.
    const double first = std::floor(centre - half_width + .5);
    const double last = std::floor(centre + half_width + .5);
    int64_t begin = std::max<int64_t>(0, static_cast<int64_t>(first));
    int64_t end = std::min(from_extent, static_cast<int64_t>(last));
    if (from_extent == to_extent) {
      begin = i;
      end = i + 1;
    }
    shares.clear();
    double sum = 0;
    for (int64_t k = begin; k < end; ++k) {
      const double distance = std::abs(static_cast<double>(k) + .5 - centre) / half_width;
      shares.push_back(std::max(0.0, 1 - distance));
      sum += shares.back();
    }
    windows.push_back({begin, end - begin, weights.size()});
    for (const double share : shares) weights.push_back(static_cast<float>(share / sum));
  }
  from = from_extent;
  to = to_extent;
}

void Resampler::resample(const Image& in, int64_t width, int64_t height, Image& out) {
  const int64_t channels = in.shape.channels;
  columns_.prepare(in.shape.width, width);
  rows_.prepare(in.shape.height, height);
  const int64_t line = width * channels;
  const bool wide = in.shape.width * channels > kWideRow;
  const int64_t lanes = wide ? 1 : kLanes;
  source_.resize(static_cast<size_t>(in.shape.width * channels * lanes));
  lines_.resize(static_cast<size_t>(line * lanes));
  sums_.assign(static_cast<size_t>(height * line), 0.0F);

  // Each row of the source is done once, and added to the rows of the result that it is part of:
  // [first, last), which only move forward.
  int64_t first = 0;
  int64_t last = 0;
  for (int64_t block = 0; block < in.shape.height; block += lanes) {
    const int64_t count = std::min(lanes, in.shape.height - block);
    if (wide) {
      resample_rows<1>(in, block, count, columns_, source_.data(), lines_.data());
    } else {
      resample_rows<kLanes>(in, block, count, columns_, source_.data(), lines_.data());
    }
    for (int64_t lane = 0; lane < count; ++lane) {
      const int64_t y = block + lane;
      const float* from = lines_.data() + lane * line;
      const auto& windows = rows_.windows;
      while (last < height && windows[static_cast<size_t>(last)].begin <= y) ++last;
      while (first < last && windows[static_cast<size_t>(first)].begin +
                                     windows[static_cast<size_t>(first)].count <=
                                 y) {
        ++first;
      }
      for (int64_t i = first; i < last; ++i) {
        const ResampleTable::Window& window = windows[static_cast<size_t>(i)];
        const float weight = rows_.weights[window.weights + static_cast<size_t>(y - window.begin)];
        float* to = sums_.data() + i * line;
        for (int64_t k = 0; k < line; ++k) to[k] += weight * from[k];
      }
    }
  }

  out.reset(in.type, {height, width, channels});
  switch (in.type) {
    case PixelType::u8:
      return store<uint8_t>(sums_.data(), sums_.size(), out.pixels.data());
    case PixelType::u16:
      return store<uint16_t>(sums_.data(), sums_.size(), out.pixels.data());
    case PixelType::f32:
      return store<float>(sums_.data(), sums_.size(), out.pixels.data());
  }
}

}  // namespace oddity
