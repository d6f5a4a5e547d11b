#include "files/onnx_convolution.h"

#include <algorithm>
#include <utility>

#include "files/onnx_call.h"
#include "model/weights.h"

namespace oddity {
namespace {

struct Extent {
  int64_t height = 0;
  int64_t width = 0;
  int64_t size() const { return height * width; }
};

/// Both kinds connect pixels of a large side (the input of Conv, the output of ConvTranspose) with
/// those of a small one: large = small · stride + tap − before, in each direction, tap 0 to 2.
struct Window {
  int64_t stride = 1;
  int64_t top = 0;
  int64_t left = 0;
  int64_t bottom = 0;
  int64_t right = 0;

  Extent small_of(const Extent& large) const {
    // Below zero: no window fits.
    const int64_t height = large.height + top + bottom - 3;
    const int64_t width = large.width + left + right - 3;
    return {height < 0 ? 0 : height / stride + 1, width < 0 ? 0 : width / stride + 1};
  }
  Extent large_of(const Extent& small) const {
    return {stride * (small.height - 1) + 3 - top - bottom,
            stride * (small.width - 1) + 3 - left - right};
  }
};

Window window(OnnxArguments& in) {
  const std::vector<int64_t> kernel = in.list("kernel_shape");
  const std::vector<int64_t> strides = in.list("strides");
  const std::vector<int64_t> pads = in.list("pads");
  in.done();
  if (kernel != std::vector<int64_t>{3, 3}) {
    in.refuse("kernel_shape is {}, only [3,3] is supported", extents_text(kernel));
  }
  if (strides != std::vector<int64_t>{1, 1} && strides != std::vector<int64_t>{2, 2}) {
    in.refuse("strides are {}, only [1,1] and [2,2] are supported", extents_text(strides));
  }
  const bool small =
      std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0 || pad == 1; });
  if (pads.size() != 4 || !small) {
    in.refuse("pads are {}, only four of 0 or 1 are supported", extents_text(pads));
  }
  return {strides[0], pads[0], pads[1], pads[2], pads[3]};
}

/// Calls visit(large, small, count) for each row of pairs that a tap, 0 to 8, connects: their first
/// pixels and how many there are, the large ones a stride apart.
template <typename Visit>
void for_each_row(const Window& window, int64_t tap, const Extent& large, const Extent& small,
                  Visit visit) {
  const int64_t down = tap / 3 - window.top;
  const int64_t across = tap % 3 - window.left;
  // The columns of the small side whose partner lies inside.
  const int64_t first = across < 0 ? 1 : 0;  // −1 at most, and a stride brings it inside
  const int64_t last = large.width - 1 - across;
  const int64_t end = last < 0 ? 0 : std::min(small.width, last / window.stride + 1);
  if (end <= first) return;
  for (int64_t y = 0; y < small.height; ++y) {
    const int64_t row = y * window.stride + down;
    if (row < 0 || row >= large.height) continue;
    visit(row * large.width + first * window.stride + across, y * small.width + first, end - first);
  }
}

double operations(int64_t images, int64_t in, int64_t out, const Extent& small) {
  return 9.0 * static_cast<double>(images) * static_cast<double>(in) * static_cast<double>(out) *
         static_cast<double>(small.size());
}

/// Fills y [N,out,extent]: `add` adds input channel `from` of image n, times the taps of
/// kernel[from][to], to the sums of a plane.
template <typename Add>
std::vector<float> planes(const OnnxArguments& in, const std::vector<int64_t>& shape,
                          int64_t in_channels, Add add) {
  const auto& bias = in.values<float>(2);
  auto y = in.make<float>(shape);
  std::vector<double> sums(static_cast<size_t>(shape[2] * shape[3]));
  for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
    const int64_t to = plane % shape[1];
    std::fill(sums.begin(), sums.end(), static_cast<double>(bias[to]));
    for (int64_t from = 0; from < in_channels; ++from) add(sums, plane / shape[1], from, to);
    std::transform(sums.begin(), sums.end(), y.begin() + plane * std::ssize(sums),
                   [](double sum) { return static_cast<float>(sum); });
  }
  return y;
}

}  // namespace

OnnxTensor onnx_conv(const OnnxCall& call) {
  OnnxArguments in(call, 3);
  const Window taps = window(in);
  in.expect_shape(0, {-1, -1, -1, -1});
  const std::vector<int64_t>& from = in.shape(0);
  const int64_t channels = from[1];
  in.expect_shape(1, {-1, channels, 3, 3});
  const int64_t filters = in.shape(1)[0];
  in.expect_shape(2, {filters});
  const Extent large{from[2], from[3]};
  const Extent small = taps.small_of(large);
  if (small.size() < 1) in.refuse("no 3x3 window fits {}", extents_text(from));

  const auto& x = in.values<float>(0);
  const auto& kernel = in.values<float>(1);
  in.spend(operations(from[0], channels, filters, small));
  const std::vector<int64_t> shape{from[0], filters, small.height, small.width};
  auto y = planes(in, shape, channels, [&](auto& sums, int64_t n, int64_t c, int64_t filter) {
    const float* const pixels = &x[(n * channels + c) * large.size()];
    for (int64_t tap = 0; tap < 9; ++tap) {
      const auto factor = static_cast<double>(kernel[(filter * channels + c) * 9 + tap]);
      for_each_row(taps, tap, large, small, [&](int64_t l, int64_t s, int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
          sums[s + i] += factor * static_cast<double>(pixels[l + i * taps.stride]);
        }
      });
    }
  });
  return {shape, std::move(y)};
}

OnnxTensor onnx_conv_transpose(const OnnxCall& call) {
  OnnxArguments in(call, 3);
  const Window taps = window(in);
  in.expect_shape(0, {-1, -1, -1, -1});
  const std::vector<int64_t>& from = in.shape(0);
  const int64_t channels = from[1];
  in.expect_shape(1, {channels, -1, 3, 3});
  const int64_t filters = in.shape(1)[1];
  in.expect_shape(2, {filters});
  const Extent small{from[2], from[3]};
  const Extent large = taps.large_of(small);
  if (large.height < 1 || large.width < 1) in.refuse("nothing is left of {}", extents_text(from));

  const auto& x = in.values<float>(0);
  const auto& kernel = in.values<float>(1);
  in.spend(operations(from[0], channels, filters, small));
  const std::vector<int64_t> shape{from[0], filters, large.height, large.width};
  auto y = planes(in, shape, channels, [&](auto& sums, int64_t n, int64_t c, int64_t filter) {
    const float* const pixels = &x[(n * channels + c) * small.size()];
    for (int64_t tap = 0; tap < 9; ++tap) {
      const auto factor = static_cast<double>(kernel[(c * filters + filter) * 9 + tap]);
      for_each_row(taps, tap, large, small, [&](int64_t l, int64_t s, int64_t count) {
        for (int64_t i = 0; i < count; ++i) {
          sums[l + i * taps.stride] += factor * static_cast<double>(pixels[s + i]);
        }
      });
    }
  });
  return {shape, std::move(y)};
}

}  // namespace oddity
