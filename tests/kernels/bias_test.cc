#include "bias.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/device_array.h"
#include "kernels/kernel_case.h"
#include "support/near.h"

namespace oddity::kernels {
namespace {

struct Matrix {
  int64_t rows;
  int64_t channels;
  int64_t size() const { return rows * channels; }
  friend std::ostream& operator<<(std::ostream& out, const Matrix& m) {
    return out << m.rows << "x" << m.channels;
  }
};

class BiasTest : public testing::TestWithParam<Matrix> {
 protected:
  const Matrix& matrix() const { return GetParam(); }
};

// One row and many, one block of columns and several, lanes that are and are not a power of 2; the
// last rows of a block missing; more than the least number of rows a thread.
INSTANTIATE_TEST_SUITE_P(Shapes, BiasTest,
                         testing::Values(Matrix{1, 1}, Matrix{1, 1000}, Matrix{31, 3},
                                         Matrix{33, 64}, Matrix{257, 33}, Matrix{7, 516},
                                         Matrix{5, 257}, Matrix{32, 3136}, Matrix{1570, 20},
                                         Matrix{140001, 1}, Matrix{30011, 12}),
                         testing::PrintToStringParamName());

TEST_P(BiasTest, Epilogues) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(matrix().size(), 0);
  const auto bias = random_values(matrix().channels, 1);
  const DeviceArray<float> device_x(x), device_bias(bias);
  for (const Epilogue epilogue : {Epilogue::none, Epilogue::bias, Epilogue::bias_leaky_relu}) {
    // Addition and product round on their own, as they do here: equal, not near.
    std::vector<float> expected = x;
    for (size_t i = 0; i < x.size(); ++i) {
      if (epilogue != Epilogue::none) expected[i] += bias[i % bias.size()];
      if (epilogue == Epilogue::bias_leaky_relu && expected[i] <= 0) expected[i] *= kLeakyReluSlope;
    }
    DeviceArray<float> y(matrix().size()), in_place(x);
    const float* const used = epilogue == Epilogue::none ? nullptr : device_bias.data();
    for (int i = 0; i < 2; ++i) {
      bias_epilogue(nullptr, matrix().rows, matrix().channels, device_x.data(), used, epilogue,
                    y.data());
    }
    EXPECT_EQ(y.download(), expected) << static_cast<int>(epilogue);
    bias_epilogue(nullptr, matrix().rows, matrix().channels, in_place.data(), used, epilogue,
                  in_place.data());
    EXPECT_EQ(in_place.download(), expected) << static_cast<int>(epilogue);
  }
}

TEST_P(BiasTest, PointersBetweenAlignedPlaces) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto x = random_values(matrix().size() + 1, 0);
  const auto bias = random_values(matrix().channels + 1, 1);
  const DeviceArray<float> device_bias(bias);
  DeviceArray<float> values(x);
  bias_epilogue(nullptr, matrix().rows, matrix().channels, values.data() + 1,
                device_bias.data() + 1, Epilogue::bias, values.data() + 1);
  auto expected = x;
  for (size_t i = 1; i < x.size(); ++i) expected[i] += bias[1 + (i - 1) % (bias.size() - 1)];
  EXPECT_EQ(values.download(), expected);
}

std::vector<float> run_gradient(const Matrix& matrix, const float* dy) {
  DeviceArray<float> db(matrix.channels);
  DeviceArray<float> workspace(bias_gradient_workspace(matrix.rows, matrix.channels));
  for (int i = 0; i < 2; ++i) {
    bias_gradient(nullptr, matrix.rows, matrix.channels, dy, db.data(), workspace.data());
  }
  return db.download();
}

// A thread and its block add up at most 39 numbers one after the other; those partial sums of
// numbers in [−1, 1] are about sqrt(39) large, each of the roundings is at most 2⁻²⁴ of that, and
// as many as there are rows add up at random: below 6.3·2⁻²⁴·sqrt(rows), and 2.5 times that is
// allowed.
TEST_P(BiasTest, GradientIsTheSum) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto dy = random_values(matrix().size(), 2);
  reference::Values expected(static_cast<size_t>(matrix().channels));
  for (size_t i = 0; i < dy.size(); ++i) {
    expected[i % expected.size()] += static_cast<double>(dy[i]);
  }
  const DeviceArray<float> device_dy(dy);
  EXPECT_TRUE(
      test::all_near(run_gradient(matrix(), device_dy.data()), expected,
                     {.absolute = 16 * 0x1p-24 * std::sqrt(static_cast<double>(matrix().rows))}));
}

TEST_P(BiasTest, GradientHasTheSameBitsWhereverItsInputLies) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  auto dy = random_values(matrix().size(), 2);
  const DeviceArray<float> aligned(dy);
  dy.insert(dy.begin(), 0.0f);
  const DeviceArray<float> shifted(dy);
  EXPECT_EQ(run_gradient(matrix(), aligned.data()), run_gradient(matrix(), shifted.data() + 1));
}

TEST(Bias, NanReachesItsOwnChannelOnly) {
  const Matrix matrix{37, 5};
  std::vector<float> dy(static_cast<size_t>(matrix.size()), 1.0f);
  dy[31 * 5 + 3] = std::nanf("");
  const DeviceArray<float> device_dy(dy);
  const auto db = run_gradient(matrix, device_dy.data());
  for (size_t c = 0; c < db.size(); ++c) {
    EXPECT_EQ(std::isnan(db[c]), c == 3) << c;
    if (c != 3) {
      EXPECT_EQ(db[c], 37.0f) << c;
    }
  }
}

}  // namespace
}  // namespace oddity::kernels
