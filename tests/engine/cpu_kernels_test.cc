// Each loop of the CPU engine, on each instruction set this machine has, against a plain loop in
// double.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "engine/cpu/buffer.h"
#include "engine/cpu/kernels.h"
#include "engine/instruction_sets.h"

namespace oddity::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class CpuKernelsTest : public testing::TestWithParam<test::InstructionSet> {
 protected:
  std::vector<float> random(int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = 2 * random_.uniform() - 1;
    return values;
  }

  // n products of numbers in [−1, 1] added in float32 in any order are off by at most n·2⁻²⁴·n, and
  // in practice, rounding errors being random, by a few sqrt(n)·2⁻²⁴·sqrt(n); 4 of those.
  static double tolerance(int64_t n) { return 4 * static_cast<double>(n) * 0x1p-24 + 1e-7; }

  /// Value of packed weights [block][inputs][lanes] (kernels.h).
  float packed(const std::vector<float>& weights, int64_t vectors, int64_t inputs, int64_t input,
               int64_t channel) const {
    const int64_t lanes = k_->lanes;
    const int64_t first = channel / lanes / 2 * 2;
    const int64_t row = std::min<int64_t>(2, vectors - first) * lanes;
    return weights[static_cast<size_t>(first * lanes * inputs + input * row + channel -
                                       first * lanes)];
  }

  const Kernels* k_ = &kernels(GetParam().simd);
  Philox random_{2026, 11};
};

TEST_P(CpuKernelsTest, ConvWritesItsPositionsAndNothingElse) {
  const int64_t lanes = k_->lanes;
  // Widths around the tile's segments, odd rows, one to three vectors, one to many channels and
  // taps.
  for (const int64_t width : {1, 2, 3, 4, 5, 7, 8, 13, 14, 16, 28}) {
    const int64_t rows = 1 + width % 3, images = 1 + width % 2;
    const int64_t vectors = 1 + width % 3, channels = 1 + width % 5;
    ConvPass pass;
    pass.rows = rows;
    pass.width = width;
    pass.in_offset = 3;
    pass.in_step = 2 * channels + 1;
    pass.in_row = width * pass.in_step + 4 * channels;
    pass.out_offset = 5;
    pass.out_step = vectors * lanes + 2;
    pass.out_row = width * pass.out_step + 1;
    pass.taps = 3;
    pass.tap_offset = {0, channels, 2 * channels};
    pass.tap_input = {2, 2 + channels, 2 + 2 * channels};
    const int64_t inputs = 3 * channels + 4;
    const int64_t in_image = rows * pass.in_row + 7, out_image = rows * pass.out_row + 9;
    const std::vector<float> in = random(3 + images * in_image + 4 * channels);
    const std::vector<float> weights = random(vectors * lanes * inputs);
    const std::vector<float> bias = random(vectors * lanes), scale = random(vectors * lanes),
                             shift = random(vectors * lanes);
    std::vector<float> out(static_cast<size_t>(5 + images * out_image + 16), kNan);
    ConvOperands o;
    o.in = in.data();
    o.in_image = in_image;
    o.out = out.data();
    o.out_image = out_image;
    o.images = images;
    o.in_channels = channels;
    o.out_vectors = vectors;
    o.weights = weights.data();
    o.block_inputs = inputs;
    o.bias = bias.data();
    o.scale = scale.data();
    o.shift = shift.data();
    o.slope = 0.2f;
    k_->conv(pass, o);
    size_t written = 0;
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t y = 0; y < rows; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          for (int64_t c = 0; c < vectors * lanes; ++c) {
            const auto channel = static_cast<size_t>(c);
            double sum = static_cast<double>(bias[channel]);
            for (int64_t i = 0; i < 3 * channels; ++i) {
              const int64_t at = 3 + n * in_image + y * pass.in_row + x * pass.in_step + i;
              sum += static_cast<double>(in[static_cast<size_t>(at)]) *
                     static_cast<double>(packed(weights, vectors, inputs, 2 + i, c));
            }
            const double leaky = sum > 0 ? sum : sum * static_cast<double>(0.2f);
            const double expected =
                leaky * static_cast<double>(scale[channel]) + static_cast<double>(shift[channel]);
            float& value = out[static_cast<size_t>(5 + n * out_image + y * pass.out_row +
                                                   x * pass.out_step + c)];
            ASSERT_NEAR(static_cast<double>(value), expected, tolerance(3 * channels))
                << "width " << width << " at " << n << ' ' << y << ' ' << x << ' ' << c;
            value = kNan;
            ++written;
          }
        }
      }
    }
    ASSERT_GT(written, 0u);
    for (const float value : out) ASSERT_TRUE(std::isnan(value)) << "width " << width;
  }
}

TEST_P(CpuKernelsTest, ProjectAddsUpAllPixelsAndChannels) {
  const int64_t lanes = k_->lanes;
  // Images and outputs around the tile's, pixels around a chunk's, odd numbers of vectors.
  for (const auto& [images, outputs, pixels, vectors] : std::vector<std::array<int64_t, 4>>{
           {1, 1, 1, 1}, {4, 16, 49, 4}, {5, 3, 7, 3}, {9, 6, 33, 1}, {3, 5, 2, 17}}) {
    const int64_t numbers = pixels * vectors * lanes;
    Projection p;
    p.in_image = numbers + 3;
    p.images = images;
    p.pixels = pixels;
    p.vectors = vectors;
    p.outputs = outputs;
    p.out_image = outputs + 2;
    const std::vector<float> in = random(images * p.in_image);
    const std::vector<float> weights = random(outputs * numbers);
    const std::vector<float> bias = random(outputs);
    std::vector<float> out(static_cast<size_t>(images * p.out_image), kNan);
    std::vector<float> scratch(static_cast<size_t>(images * outputs * lanes), kNan);
    p.in = in.data();
    p.weights = weights.data();
    p.out = out.data();
    for (const bool with_bias : {false, true}) {
      p.bias = with_bias ? bias.data() : nullptr;
      k_->project(p, scratch.data());
      for (int64_t i = 0; i < images; ++i) {
        const float* const row = out.data() + i * p.out_image;
        for (int64_t o = 0; o < outputs; ++o) {
          double expected = with_bias ? static_cast<double>(bias[static_cast<size_t>(o)]) : 0;
          for (int64_t pixel = 0; pixel < pixels; ++pixel) {
            const std::vector<float> of_pixel(
                weights.begin() + pixel * outputs * vectors * lanes,
                weights.begin() + (pixel + 1) * outputs * vectors * lanes);
            for (int64_t c = 0; c < vectors * lanes; ++c) {
              expected +=
                  static_cast<double>(packed(of_pixel, vectors, outputs, o, c)) *
                  static_cast<double>(
                      in[static_cast<size_t>(i * p.in_image + pixel * vectors * lanes + c)]);
            }
          }
          ASSERT_NEAR(static_cast<double>(row[o]), expected, tolerance(numbers));
        }
        ASSERT_TRUE(std::isnan(row[outputs]));  // nothing else is written
      }
    }
  }
}

TEST_P(CpuKernelsTest, WeightGradientAddsInputsTimesGradients) {
  const int64_t lanes = k_->lanes;
  for (const int64_t channels : {1, 2, 3, 7, 8, 9, 31, 33}) {
    const int64_t rows = 3, width = 1 + channels % 6, vectors = 1 + channels % 4;
    GradientPass pass;
    pass.rows = rows;
    pass.width = width;
    pass.x_step = channels + 1;
    pass.x_row = width * pass.x_step + 2;
    pass.g_step = vectors * lanes + 3;
    pass.g_row = width * pass.g_step;
    pass.taps = 2;
    pass.x_offset = {0, 5};
    pass.g_offset = {4, 0};
    const int64_t inputs = 2 * channels + 3;
    const std::vector<float> x = random(rows * pass.x_row + 5 + channels);
    const std::vector<float> g = random(rows * pass.g_row + 4);
    pass.rows_left_out = {0, channels % 2};
    const std::vector<float> before = random(vectors * lanes * inputs);
    std::vector<float> dw = before;
    k_->weight_gradient(pass, x.data(), g.data(), channels, vectors, dw.data(), inputs, 1,
                        Begin::from_output);
    for (int64_t input = 0; input < inputs; ++input) {
      for (int64_t c = 0; c < vectors * lanes; ++c) {
        double expected = static_cast<double>(packed(before, vectors, inputs, input, c));
        const int64_t tap = (input - 1) / channels, channel = (input - 1) % channels;
        if (input >= 1 && tap < 2) {
          const auto t = static_cast<size_t>(tap);
          for (int64_t y = 0; y < rows - pass.rows_left_out[t]; ++y) {
            for (int64_t p = 0; p < width; ++p) {
              const int64_t xi = pass.x_offset[t] + y * pass.x_row + p * pass.x_step + channel;
              const int64_t gi = pass.g_offset[t] + y * pass.g_row + p * pass.g_step + c;
              expected += static_cast<double>(x[static_cast<size_t>(xi)]) *
                          static_cast<double>(g[static_cast<size_t>(gi)]);
            }
          }
        }
        ASSERT_NEAR(static_cast<double>(packed(dw, vectors, inputs, input, c)), expected,
                    tolerance(rows * width))
            << channels << " channels, input " << input << ", output " << c;
      }
    }
  }
}

TEST_P(CpuKernelsTest, WindowGradientIsAWeightGradientOfNineTaps) {
  const int64_t lanes = k_->lanes;
  for (const int64_t channels : {1, 2, 3}) {
    for (const int64_t vectors : {1, 2, 3}) {
      GradientPass pass;
      pass.rows = 3;
      pass.width = 5;
      pass.taps = 9;
      const int64_t window_row = (2 * pass.width + 1) * channels;
      pass.x_row = 2 * window_row;
      pass.x_step = 2 * channels;
      pass.g_step = vectors * lanes;
      pass.g_row = pass.width * pass.g_step;
      for (int64_t tap = 0; tap < 9; ++tap) {
        pass.x_offset[static_cast<size_t>(tap)] = tap / 3 * window_row + tap % 3 * channels;
      }
      const std::vector<float> x = random((2 * pass.rows + 1) * window_row);
      const std::vector<float> g = random(pass.rows * pass.g_row);
      std::vector<float> dw = random(9 * channels * vectors * lanes);
      std::vector<float> expected = dw;
      k_->weight_gradient(pass, x.data(), g.data(), channels, vectors, expected.data(),
                          9 * channels, 0, Begin::from_output);
      const std::vector<float> before = dw;
      k_->window_gradient(pass, window_row, x.data(), g.data(), nullptr, channels, vectors,
                          dw.data());
      EXPECT_EQ(dw, expected);  // the same sums in the same order

      const std::vector<float> centre = random(vectors * lanes);
      std::vector<float> centred = g, about_centre = before;
      for (size_t i = 0; i < centred.size(); ++i) {
        centred[i] -= centre[i % static_cast<size_t>(vectors * lanes)];
      }
      dw = before;
      k_->window_gradient(pass, window_row, x.data(), centred.data(), nullptr, channels, vectors,
                          about_centre.data());
      k_->window_gradient(pass, window_row, x.data(), g.data(), centre.data(), channels, vectors,
                          dw.data());
      EXPECT_EQ(dw, about_centre);
    }
  }
}

TEST_P(CpuKernelsTest, TransposeWritesItsNumbersAndNothingElse) {
  for (const int64_t rows : {1, 3, 4, 7, 16}) {
    for (const int64_t columns : {1, 2, 4, 9, 32}) {
      const int64_t in_row = columns + 3, out_row = rows + 5;
      const std::vector<float> in = random(rows * in_row);
      std::vector<float> out(static_cast<size_t>(columns * out_row), kNan);
      k_->transpose(in.data(), in_row, rows, columns, out.data(), out_row);
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t r = 0; r < out_row; ++r) {
          const float value = out[static_cast<size_t>(c * out_row + r)];
          if (r < rows) {
            ASSERT_EQ(value, in[static_cast<size_t>(r * in_row + c)]);
          } else {
            ASSERT_TRUE(std::isnan(value));
          }
        }
      }
    }
  }
}

TEST_P(CpuKernelsTest, ConvToPixelsIsTheTransposedConvolution) {
  for (const int64_t depth : {1, 2, 3}) {
    for (const int64_t width : {2, 3, 4, 6, 9}) {
      const int64_t vectors = 1 + width % 3, channels = vectors * k_->lanes, height = 3;
      const Pixels pixels{height, width, vectors, (width + 2) * channels};
      // The border may hold anything here: the sum is over what stands there.
      const std::vector<float> in = random((height + 2) * pixels.row + 3 * channels);
      const std::vector<float> weights = random(9 * depth * channels), bias = random(depth);
      std::vector<float> logits(static_cast<size_t>(height * width * depth + 4), kNan);
      k_->conv_to_pixels(pixels, in.data(), weights.data(), bias.data(), depth, logits.data());
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          for (int64_t d = 0; d < depth; ++d) {
            double sum = static_cast<double>(bias[static_cast<size_t>(d)]);
            for (int64_t tap = 0; tap < 9; ++tap) {
              // Input pixel (y + 1 − ky, x + 1 − kx), one further in the bordered buffer.
              const int64_t at = (y + 2 - tap / 3) * pixels.row + (x + 2 - tap % 3) * channels;
              for (int64_t c = 0; c < channels; ++c) {
                sum += static_cast<double>(in[static_cast<size_t>(at + c)]) *
                       static_cast<double>(packed(weights, vectors, 9 * depth, tap * depth + d, c));
              }
            }
            const auto at = static_cast<size_t>((y * width + x) * depth + d);
            ASSERT_NEAR(static_cast<double>(logits[at]), sum, tolerance(9 * channels));
          }
        }
      }
      for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(std::isnan(logits[static_cast<size_t>(height * width * depth + i)]));
      }
    }
  }
}

double sigmoid(float x) { return 1 / (1 + std::exp(-static_cast<double>(x))); }

TEST_P(CpuKernelsTest, ReconstructionErrorIsTheMeanSquare) {
  for (const int64_t n : {1, 3, 16, 17, 784, 1023, 2500}) {
    std::vector<float> logits = random(n), x = random(n);
    for (float& logit : logits) logit *= 10;
    std::vector<float> p(static_cast<size_t>(n + 3), kNan);
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = sigmoid(logits[i]) - static_cast<double>(x[i]);
      sum += e * e;
    }
    const double mean = sum / static_cast<double>(n);
    EXPECT_NEAR(static_cast<double>(k_->reconstruction_error(logits.data(), x.data(), n, p.data())),
                mean, 1e-6 * mean);  // a few roundings each, averaged
    EXPECT_EQ(k_->reconstruction_error(logits.data(), x.data(), n, nullptr),
              k_->reconstruction_error(logits.data(), x.data(), n, p.data()));
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(p[i]), sigmoid(logits[i]), 1.5e-7);  // 2 ulp below 1
    }
    for (size_t i = x.size(); i < p.size(); ++i) ASSERT_TRUE(std::isnan(p[i]));
  }
}

TEST_P(CpuKernelsTest, SigmoidHoldsAtTheEnds) {
  const std::vector<float> logits = {-1000, -100, 100, 1000};
  const std::vector<float> x = {0, 0, 1, 1};
  std::vector<float> p(4);
  EXPECT_EQ(k_->reconstruction_error(logits.data(), x.data(), 4, p.data()), 0.0f);
  EXPECT_LT(p[0], 1e-37f);
  EXPECT_EQ(p[3], 1.0f);
}

TEST_P(CpuKernelsTest, ANanReachesTheScore) {
  const std::vector<float> logits = {0, kNan, 0};
  const std::vector<float> x = {0, 0, 0};
  EXPECT_TRUE(std::isnan(k_->reconstruction_error(logits.data(), x.data(), 3, nullptr)));
}

TEST_P(CpuKernelsTest, ReconstructionGradientIsTheDerivative) {
  const int64_t rows = 3, row = 19, out_row = 23;
  const std::vector<float> logits = random(rows * row), x = random(rows * row);
  std::vector<float> dlogits(static_cast<size_t>(rows * out_row), kNan);
  const float loss = k_->reconstruction_gradient(logits.data(), x.data(), rows, row, 0.25f,
                                                 dlogits.data(), out_row);
  // Sums are cut at rows here, not there.
  EXPECT_NEAR(
      static_cast<double>(loss),
      static_cast<double>(k_->reconstruction_error(logits.data(), x.data(), rows * row, nullptr)),
      1e-6 * static_cast<double>(loss));
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t i = 0; i < out_row; ++i) {
      const float value = dlogits[static_cast<size_t>(y * out_row + i)];
      if (i >= row) {
        ASSERT_TRUE(std::isnan(value));
        continue;
      }
      const auto at = static_cast<size_t>(y * row + i);
      const double p = sigmoid(logits[at]);
      const double expected = 0.25 * 2 / static_cast<double>(rows * row) *
                              (p - static_cast<double>(x[at])) * p * (1 - p);
      ASSERT_NEAR(static_cast<double>(value), expected, 1e-6 * std::abs(expected) + 1e-9);
    }
  }
}

TEST_P(CpuKernelsTest, SumsStayAccurateFarFromZero) {
  const int64_t vectors = 3, channels = vectors * k_->lanes;
  for (const int64_t n : {1, 2, 5, 49, 1024, 1025, 3000}) {
    std::vector<float> a = random(n * channels), dy = random(n * channels);
    for (float& value : a)
      value = 100 + 0.01f * value;  // a plain float32 sum would lose the variance
    const std::vector<float> mean(static_cast<size_t>(channels), 100.0f);
    std::vector<double> sum(static_cast<size_t>(channels)), squares = sum, gradients = sum,
                                                            products = sum;
    k_->channel_sums(a.data(), n, vectors, sum.data(), squares.data());
    k_->gradient_sums(dy.data(), a.data(), mean.data(), n, vectors, gradients.data(),
                      products.data());
    for (int64_t c = 0; c < channels; ++c) {
      double s = 0, q = 0, g = 0, p = 0;
      for (int64_t i = 0; i < n; ++i) {
        const auto value = static_cast<double>(a[static_cast<size_t>(i * channels + c)]);
        const auto gradient = static_cast<double>(dy[static_cast<size_t>(i * channels + c)]);
        s += value;
        q += value * value;
        g += gradient;
        p += gradient * (value - 100);
      }
      const auto at = static_cast<size_t>(c);
      const auto count = static_cast<double>(n);
      const double variance = q / count - s / count * (s / count);
      const double ours = squares[at] / count - sum[at] / count * (sum[at] / count);
      ASSERT_NEAR(sum[at] / count, s / count, 1e-7);
      // Within float32 rounding of terms of 1e-4, plus the cancellation of the check itself in
      // float64.
      ASSERT_NEAR(ours, variance, 1e-5 * variance + 1e-10);
      ASSERT_NEAR(gradients[at], g, tolerance(n));
      ASSERT_NEAR(products[at], p, 0.02 * tolerance(n));
    }
  }
}

TEST_P(CpuKernelsTest, AffineAndItsGradientFillTheInside) {
  const int64_t vectors = 2, channels = vectors * k_->lanes, height = 3, width = 5;
  const Pixels pixels{height, width, vectors, (width + 1) * channels};
  const std::vector<float> a = random(height * width * channels),
                           dy = random(height * width * channels);
  const std::vector<float> scale = random(channels), shift = random(channels),
                           k1 = random(channels), k2 = random(channels), k3 = random(channels);
  std::vector<float> out(static_cast<size_t>(height * pixels.row), kNan);
  std::vector<float> delta = out, dbias(static_cast<size_t>(channels), 1.0f);
  k_->affine(pixels, a.data(), scale.data(), shift.data(), out.data());
  k_->batch_norm_gradient(pixels, dy.data(), a.data(),
                          {shift.data(), k1.data(), k2.data(), k3.data()}, 0.2f, delta.data(),
                          dbias.data());
  std::vector<double> bias(static_cast<size_t>(channels), 1.0);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t i = 0; i < pixels.row; ++i) {
      const auto at = static_cast<size_t>(y * pixels.row + i);
      if (i >= width * channels) {
        ASSERT_TRUE(std::isnan(out[at]) && std::isnan(delta[at]));
        continue;
      }
      const auto from = static_cast<size_t>(y * width * channels + i);
      const auto c = static_cast<size_t>(i % channels);
      const auto value = static_cast<double>(a[from]);
      ASSERT_NEAR(static_cast<double>(out[at]),
                  value * static_cast<double>(scale[c]) + static_cast<double>(shift[c]), 3e-7);
      const double norm = static_cast<double>(k1[c]) * static_cast<double>(dy[from]) -
                          static_cast<double>(k2[c]) * (value - static_cast<double>(shift[c])) -
                          static_cast<double>(k3[c]);
      const double expected = value > 0 ? norm : norm * static_cast<double>(0.2f);
      ASSERT_NEAR(static_cast<double>(delta[at]), expected, 5e-7);
      bias[c] += expected;
    }
  }
  for (size_t c = 0; c < bias.size(); ++c) {
    EXPECT_NEAR(static_cast<double>(dbias[c]), bias[c], tolerance(height * width));
  }
}

TEST_P(CpuKernelsTest, AdamAddsThePartsInOrder) {
  const int64_t n = 5 * k_->lanes, parts = 3, stride = n + 7;
  const std::vector<float> w0 = random(n), m0 = random(n);
  std::vector<float> m = m0, v = random(n);
  for (float& value : v) value *= value;
  const std::vector<float> g = random(parts * stride), v0 = v;
  Buffer w(n);
  std::copy(w0.begin(), w0.end(), w.get());
  k_->adam(w.get(), m.data(), v.data(), g.data(), n, parts, stride, 0.01f);
  for (size_t i = 0; i < w0.size(); ++i) {
    double gradient = 0;
    for (int64_t part = 0; part < parts; ++part) {
      gradient += static_cast<double>(g[i + static_cast<size_t>(part * stride)]);
    }
    const double first = 0.9 * static_cast<double>(m0[i]) + 0.1 * gradient;
    const double second = 0.999 * static_cast<double>(v0[i]) + 0.001 * gradient * gradient;
    ASSERT_NEAR(static_cast<double>(m[i]), first, 3e-7);
    ASSERT_NEAR(static_cast<double>(v[i]), second, 3e-7);
    const double expected = static_cast<double>(w0[i]) - 0.01 * first / (std::sqrt(second) + 1e-7);
    ASSERT_NEAR(static_cast<double>(w.get()[i]), expected,
                1e-7 + 1e-6 * std::abs(expected - static_cast<double>(w0[i])) + 0x1p-24);
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, CpuKernelsTest,
                         testing::ValuesIn(test::instruction_sets()),
                         [](const auto& set) { return set.param.name; });

}  // namespace
}  // namespace oddity::cpu
