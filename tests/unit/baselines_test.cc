// Principal components and nearest neighbours, against small cases by hand and plain loops in
// float64.
#include "detect/baselines.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "support/near.h"

namespace oddity::test {
namespace {

constexpr uint64_t kSeed = 20;

/// Images of a few patterns and some noise, as real ones are: of full rank, some directions
/// leading.
ImageArray patterned(PixelType type, ImageShape shape, size_t count) {
  Philox random(kSeed, count * 1000 + static_cast<uint64_t>(shape.size()));
  const auto numbers = static_cast<size_t>(shape.size());
  std::vector<float> patterns(5 * numbers);
  for (float& value : patterns) value = random.uniform();
  ImageArray images(type, shape, count);
  for (size_t i = 0; i < count; ++i) {
    float weights[5];
    for (float& weight : weights) weight = random.uniform() / 5;
    for (size_t k = 0; k < numbers; ++k) {
      float value = random.uniform() * 0.2f;
      for (size_t p = 0; p < 5; ++p) value += 0.8f * weights[p] * patterns[p * numbers + k];
      std::byte* const out = images.data() + (i * numbers + k) * size_of(type);
      const auto byte = static_cast<uint8_t>(value * 255);
      const auto word = static_cast<uint16_t>(value * 65535);
      if (type == PixelType::u8) std::memcpy(out, &byte, sizeof(byte));
      if (type == PixelType::u16) std::memcpy(out, &word, sizeof(word));
      if (type == PixelType::f32) std::memcpy(out, &value, sizeof(value));
    }
  }
  return images;
}

ImageArray bytes(ImageShape shape, const std::vector<uint8_t>& values) {
  ImageArray images(PixelType::u8, shape, values.size() / static_cast<size_t>(shape.size()));
  std::memcpy(images.data(), values.data(), values.size());
  return images;
}

/// [images, numbers] in [0,1].
Eigen::MatrixXd matrix_of(const ImageView& images) {
  Eigen::MatrixXd matrix(images.count, images.shape.size());
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    for (Eigen::Index k = 0; k < matrix.cols(); ++k) {
      const std::byte* const at =
          images.image(static_cast<size_t>(i)) + static_cast<size_t>(k) * size_of(images.type);
      if (images.type == PixelType::u8) {
        matrix(i, k) = std::to_integer<int>(*at) / 255.0;
      } else if (images.type == PixelType::u16) {
        uint16_t value;
        std::memcpy(&value, at, sizeof(value));
        matrix(i, k) = value / 65535.0;
      } else {
        float value;
        std::memcpy(&value, at, sizeof(value));
        matrix(i, k) = static_cast<double>(value);
      }
    }
  }
  return matrix;
}

std::vector<double> plain_distances(const ImageView& images) {
  const Eigen::MatrixXd x = matrix_of(images);
  std::vector<double> means;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    std::vector<double> distances;
    for (Eigen::Index j = 0; j < x.rows(); ++j) {
      if (i != j) distances.push_back((x.row(i) - x.row(j)).norm());
    }
    std::sort(distances.begin(), distances.end());
    distances.resize(std::min<size_t>(distances.size(), 20));
    double sum = 0;
    for (const double distance : distances) sum += distance;
    means.push_back(sum / static_cast<double>(distances.size()));
  }
  return means;
}

/// From all eigenvectors of the whole covariance.
std::vector<double> plain_errors(const ImageView& images) {
  Eigen::MatrixXd x = matrix_of(images);
  x.rowwise() -= x.colwise().mean().eval();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(x.transpose() * x);
  const Eigen::Index count = std::min<Eigen::Index>({16, x.rows() - 1, x.cols()});
  const Eigen::MatrixXd v = solver.eigenvectors().rightCols(count);
  const Eigen::MatrixXd misses = x - x * v * v.transpose();
  std::vector<double> errors;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    errors.push_back(misses.row(i).squaredNorm() / static_cast<double>(x.cols()));
  }
  return errors;
}

void expect_near(const std::vector<double>& found, const std::vector<double>& expected,
                 double absolute, double relative) {
  EXPECT_TRUE(all_near(found, expected, {absolute, relative})) << "seed " << kSeed;
}

struct Case {
  ImageShape shape;
  size_t count;
};
// Below, at and beyond the blocks of images and numbers; more images than numbers and fewer.
const Case kCases[] = {{{1, 1, 1}, 2},    {{1, 1, 1}, 33},   {{5, 7, 3}, 3},   {{5, 7, 3}, 31},
                       {{5, 7, 3}, 21},   {{8, 8, 1}, 65},   {{3, 3, 1}, 257}, {{32, 32, 1}, 40},
                       {{33, 32, 1}, 70}, {{16, 33, 1}, 530}};

TEST(NearestNeighbours, ByHand) {
  const ImageArray three = bytes({1, 1, 1}, {0, 51, 255});
  EXPECT_EQ(nearest_neighbours(three.view()), 2u);
  expect_near(knn_distances(three.view(), {}), {(0.2 + 1) / 2, (0.2 + 0.8) / 2, (1 + 0.8) / 2},
              1e-15, 0);
  // 3, 4 and 5: a right angle.
  const ImageArray angle = bytes({1, 2, 1}, {0, 0, 30, 0, 0, 40});
  expect_near(knn_distances(angle.view(), {}), {35 / 255.0, 40 / 255.0, 45 / 255.0}, 1e-15, 0);
}

TEST(NearestNeighbours, TakesTheTwentyNearest) {
  // Image i is i · 5 bright: the nearest to the first are 5, 10 … 100 away.
  std::vector<uint8_t> values;
  for (int i = 0; i < 40; ++i) values.push_back(static_cast<uint8_t>(5 * i));
  const ImageArray images = bytes({1, 1, 1}, values);
  EXPECT_EQ(nearest_neighbours(images.view()), 20u);
  const std::vector<double> means = knn_distances(images.view(), {});
  EXPECT_NEAR(means[0], 52.5 / 255, 1e-15);
  EXPECT_NEAR(means[20], 27.5 / 255, 1e-15) << "ten on either side";
}

TEST(NearestNeighbours, DuplicatesAreNoDistanceApart) {
  for (const PixelType type : {PixelType::u8, PixelType::u16, PixelType::f32}) {
    const ImageShape shape{33, 40, 1};
    const ImageArray one = patterned(type, shape, 2);
    ImageArray many(type, shape, 22);
    const size_t size = one.view().image_bytes();
    for (size_t i = 0; i < 22; ++i) {
      std::memcpy(many.data() + i * size, one.view().image(i == 21 ? 1 : 0), size);
    }
    const std::vector<double> means = knn_distances(many.view(), {});
    for (size_t i = 0; i < 21; ++i) EXPECT_EQ(means[i], 0) << name_of(type);
    EXPECT_GT(means[21], 0) << name_of(type);
  }
}

// 8-bit: exact but for square roots and their sum. Others: float32 sums of up to 1,024 squares,
// 64 a lane and more, whose roundings are of either sign.
TEST(NearestNeighbours, AsPlainLoops) {
  for (const auto& [shape, count] : kCases) {
    for (const PixelType type : {PixelType::u8, PixelType::u16, PixelType::f32}) {
      SCOPED_TRACE(fmt::format("{} of {}, {}", count, to_string(shape), name_of(type)));
      const ImageArray images = patterned(type, shape, count);
      expect_near(knn_distances(images.view(), {}), plain_distances(images.view()), 0,
                  type == PixelType::u8 ? 1e-14 : 2e-6);
    }
  }
}

// Black and white: the largest sums there can be.
TEST(NearestNeighbours, HoldsTheLargestDistances) {
  const ImageShape shape{256, 256, 3};
  ImageArray images(PixelType::u8, shape, 2);
  std::memset(images.data() + images.view().image_bytes(), 255, images.view().image_bytes());
  const double expected = std::sqrt(256 * 256 * 3);
  expect_near(knn_distances(images.view(), {}), {expected, expected}, 0, 1e-15);
}

TEST(PrincipalComponents, ByHand) {
  // The mean is 100 everywhere; images 2k and 2k + 1 differ from it in number k alone, by 60 − k.
  constexpr size_t kNumbers = 20;
  std::vector<uint8_t> values;
  for (size_t i = 0; i < 2 * kNumbers; ++i) {
    for (size_t k = 0; k < kNumbers; ++k) {
      const size_t difference = k == i / 2 ? 60 - k : 0;
      values.push_back(static_cast<uint8_t>(i % 2 == 0 ? 100 + difference : 100 - difference));
    }
  }
  const ImageArray images = bytes({4, 5, 1}, values);
  EXPECT_EQ(principal_components(images.view()), 16u);
  std::vector<double> expected(2 * kNumbers);
  for (size_t i = 32; i < 2 * kNumbers; ++i) {
    expected[i] = std::pow((60 - static_cast<double>(i / 2)) / 255, 2) / kNumbers;
  }
  // float64, and components to 10^-11 of the greatest eigenvalue.
  expect_near(pca_errors(images.view(), {}), expected, 1e-24, 1e-10);
}

TEST(PrincipalComponents, AsManyAsThereCanBe) {
  EXPECT_EQ(principal_components(patterned(PixelType::u8, {5, 7, 3}, 16).view()), 15u);
  EXPECT_EQ(principal_components(patterned(PixelType::u8, {1, 3, 1}, 100).view()), 3u);
  // Then they hold all there is.
  expect_near(pca_errors(patterned(PixelType::u8, {5, 7, 3}, 16).view(), {}),
              std::vector<double>(16), 0, 0);
  expect_near(pca_errors(patterned(PixelType::u8, {1, 3, 1}, 100).view(), {}),
              std::vector<double>(100), 0, 0);
  const ImageArray equal = bytes({1, 2, 1}, {7, 9, 7, 9, 7, 9});
  expect_near(pca_errors(equal.view(), {}), {0, 0, 0}, 0, 0);
}

// Components are eigenvectors up to 10^-11 of the greatest eigenvalue; of two eigenvalues that lie
// a thousandth of it apart, the directions turn into each other by 10^-8. Below 10^-24 is 0.
TEST(PrincipalComponents, AsTheWholeCovariance) {
  for (const auto& [shape, count] : kCases) {
    for (const PixelType type : {PixelType::u8, PixelType::u16, PixelType::f32}) {
      // The whole covariance of these takes a second.
      if (shape.size() > 600 && type != PixelType::u8) continue;
      SCOPED_TRACE(fmt::format("{} of {}, {}", count, to_string(shape), name_of(type)));
      const ImageArray images = patterned(type, shape, count);
      expect_near(pca_errors(images.view(), {}), plain_errors(images.view()), 1e-24, 1e-8);
    }
  }
}

TEST(Baselines, AreTheSameWhateverTheThreads) {
  for (const PixelType type : {PixelType::u8, PixelType::f32}) {
    const ImageArray images = patterned(type, {33, 32, 1}, 130);
    for (const auto& baseline : {pca_errors, knn_distances}) {
      const std::vector<double> one = baseline(images.view(), {});
      for (const int threads : {2, 7}) {
        EXPECT_EQ(baseline(images.view(), {.threads = threads}), one) << threads;
      }
    }
  }
}

TEST(Baselines, StopOnRequest) {
  const ImageArray images = patterned(PixelType::u8, {8, 8, 1}, 40);
  for (const auto& baseline : {pca_errors, knn_distances}) {
    EXPECT_THROW(baseline(images.view(), {.pause = [] { throw Interrupted("interrupted"); }}),
                 Interrupted);
  }
}

TEST(Baselines, TakeTwoImages) {
  const ImageArray images = patterned(PixelType::u8, {8, 8, 1}, 1);
  for (const auto& baseline : {pca_errors, knn_distances}) {
    EXPECT_THROW(baseline(images.view(), {}), Error);
    EXPECT_THROW(baseline(ImageArray(PixelType::u8, {8, 8, 1}, 0).view(), {}), Error);
  }
}

}  // namespace
}  // namespace oddity::test
