#include "detect/quantile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "core/error.h"
#include "support/error_text.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Scores that lie in memory.
class HostScores final : public Scores {
 public:
  explicit HostScores(std::vector<float> values)
      : Scores(values.size()), values_(std::move(values)) {}

 private:
  void do_download(std::span<float> out) const override {
    std::copy(values_.begin(), values_.end(), out.begin());
  }
  std::vector<float> do_select(std::span<const uint64_t> ranks) const override {
    std::vector<float> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    std::vector<float> out;
    for (const uint64_t rank : ranks) out.push_back(sorted[rank]);
    return out;
  }
  std::vector<float> values_;
};

/// What streamed_quantile() makes of scores that lie in memory.
double streamed(const std::vector<float>& scores, double q) {
  return streamed_quantile(scores.size(), q, [&](const auto& visit) {
    for (const float score : scores) visit(score);
  });
}

class QuantileGolden : public testing::TestWithParam<const char*> {
 protected:
  std::vector<float> scores() const { return read<float>("_in"); }
  std::vector<double> levels() const {
    return read_npy_file<double>(golden("quantile/q_f64.npy")).values;
  }
  template <typename T>
  std::vector<T> read(const std::string& suffix) const {
    return read_npy_file<T>(golden(std::string("quantile/") + GetParam() + suffix + ".npy")).values;
  }
};

TEST_P(QuantileGolden, EqualsNumPyBitForBit) {
  const auto q = levels();
  const auto expected = read<double>("_out_f64");
  const HostScores on_device(scores());
  for (size_t i = 0; i < q.size(); ++i) {
    EXPECT_EQ(quantile(scores(), q[i]), expected[i]) << "q " << q[i];
    EXPECT_EQ(quantile(on_device, q[i]), expected[i]) << "q " << q[i];
    EXPECT_EQ(streamed(scores(), q[i]), expected[i]) << "q " << q[i];
  }
}

// NumPy interpolates float32 scores in float32: two roundings of at most half a unit each, and one
// of the fraction, away from ours.
TEST_P(QuantileGolden, IsWithinTheRoundingOfNumPysFloat32) {
  const auto q = levels();
  const auto expected = read<float>("_out_f32");
  const auto values = scores();
  const float largest = *std::max_element(values.begin(), values.end());
  const float unit = std::nextafter(largest, std::numeric_limits<float>::infinity()) - largest;
  for (size_t i = 0; i < q.size(); ++i) {
    EXPECT_LE(std::abs(quantile(values, q[i]) - static_cast<double>(expected[i])),
              1.5 * static_cast<double>(unit))
        << "q " << q[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, QuantileGolden, testing::Values("n1", "n2", "n7", "n1000"),
                         [](const auto& golden_case) { return golden_case.param; });

// golden/trained: the scores of Keras' trained model; the reference flags 7 images at .999.
TEST(Quantile, FlagsTheImagesThatTheReferenceFlags) {
  const auto scores = read_npy_file<float>(golden("trained/scores.npy")).values;
  for (const auto& [q, name] : {std::pair{.999, "0.999"}, std::pair{.99, "0.99"}}) {
    const double threshold = quantile(scores, q);
    std::vector<int32_t> flagged;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (static_cast<double>(scores[i]) >= threshold) flagged.push_back(static_cast<int32_t>(i));
    }
    const auto expected =
        read_npy_file<int32_t>(golden(std::string("trained/outliers_q") + name + ".npy"));
    EXPECT_EQ(flagged, expected.values);
  }
}

TEST(Quantile, AgreesWithASort) {
  constexpr unsigned kSeed = 11;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  for (const size_t n : {1u, 2u, 31u, 33u, 257u}) {
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>(random() % 50) / 7;  // with ties
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (size_t k = 0; k + 1 < n; ++k) {
      // (n−1)·q rounds, so the quantile may lie a hair beside the order statistic.
      const double q = static_cast<double>(k) / static_cast<double>(n - 1);
      EXPECT_NEAR(quantile(values, q), static_cast<double>(sorted[k]), 1e-12) << n << " " << k;
    }
    EXPECT_EQ(quantile(values, 0), static_cast<double>(sorted.front()));
    EXPECT_EQ(quantile(values, 1), static_cast<double>(sorted.back()));
  }
}

TEST(QuantilePosition, StaysBelowTheNumberOfScores) {
  EXPECT_EQ(quantile_position(1, 1).upper, 0u);
  EXPECT_EQ(quantile_position(7, 1).lower, 6u);
  EXPECT_EQ(quantile_position(7, 1).upper, 6u);
  EXPECT_EQ(quantile_position(7, .5).lower, 3u);
  EXPECT_EQ(quantile_position(7, .5).fraction, 0);
  const uint64_t many = std::numeric_limits<uint64_t>::max() >> 1;
  EXPECT_EQ(quantile_position(many, 1).lower, many - 1);
  EXPECT_EQ(quantile_position(many, 1).upper, many - 1);
}

TEST(Quantile, RefusesALevelOutsideItsRange) {
  const std::vector<float> scores{1, 2};
  for (const double q : {-1e-9, 1.5, 99.9, std::nan("")}) {
    EXPECT_THAT(error_text<ArgumentError>([&] { quantile(scores, q); }),
                AllOf(HasSubstr("quantile"), HasSubstr("outside 0..1: use .999")));
  }
}

TEST(Quantile, RefusesNoScores) {
  EXPECT_THAT(error_text<Error>([] { quantile(std::span<const float>(), .5); }),
              HasSubstr("no scores"));
}

TEST(Quantile, NamesTheImageWithoutAScore) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> scores{1, 2, bad, 4};
    EXPECT_THAT(error_text<Error>([&] { quantile(scores, .5); }), HasSubstr("score of image 2 is"));
  }
}

/// `count` scores of one kind: all floats, few values, one sign, neighbours, around zero.
std::vector<float> scores_of(int kind, size_t count, std::mt19937& random) {
  const auto any_float = [&] {
    float value;
    do {
      value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    } while (!std::isfinite(value));
    return value;
  };
  std::vector<float> scores(count);
  for (float& score : scores) {
    switch (kind) {
      case 0:
        score = any_float();
        break;
      case 1:
        score = static_cast<float>(random() % 7) - 3;
        break;
      case 2:
        score = std::abs(any_float());
        break;
      case 3:
        score = std::bit_cast<float>(0x3CFFFFF0u + static_cast<uint32_t>(random() % 32));
        break;
      default:  // ±0 and the smallest denormals
        score = std::bit_cast<float>(static_cast<uint32_t>((random() & 1) << 31 | random() % 3));
    }
  }
  return scores;
}

TEST(StreamedQuantile, EqualsTheQuantileInMemory) {
  constexpr unsigned kSeed = 12;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  for (const size_t n : {1u, 2u, 3u, 31u, 33u, 257u, 1000u, 70001u}) {
    for (int kind = 0; kind < 5; ++kind) {
      const auto scores = scores_of(kind, n, random);
      for (const double q : {0.0, 1e-9, .25, .5, 1 / 3.0, .9, .999, 1 - 1e-9, 1.0}) {
        SCOPED_TRACE(testing::Message() << n << " scores of kind " << kind << ", q " << q);
        const double expected = quantile(scores, q);
        const double actual = streamed(scores, q);
        ASSERT_EQ(actual, expected);
        // Where 0 and −0 are equal either may be the order statistic.
        if (expected != 0) {
          ASSERT_EQ(std::bit_cast<uint64_t>(actual), std::bit_cast<uint64_t>(expected));
        }
      }
    }
  }
}

TEST(StreamedQuantile, RefusesWhatHasNone) {
  const std::vector<float> scores{1, 2, 3};
  EXPECT_THAT(error_text<ArgumentError>([&] { streamed(scores, 1.5); }), HasSubstr("use .999"));
  EXPECT_THAT(error_text<Error>([] { streamed({}, .5); }), HasSubstr("no scores"));
  for (const float bad : {std::nanf(""), -std::numeric_limits<float>::infinity()}) {
    EXPECT_THAT(error_text<Error>([&] { streamed({1, bad}, .5); }), HasSubstr("score 1 of 2 is"));
  }
}

TEST(StreamedQuantile, NoticesScoresThatAreNotThere) {
  const auto quantile_of_passes = [](uint64_t count, std::vector<std::vector<float>> passes) {
    return error_text<Error>([&] {
      streamed_quantile(count, .5, [&, next = 0](const auto& visit) mutable {
        for (const float score : passes[static_cast<size_t>(next++)]) visit(score);
      });
    });
  };
  EXPECT_THAT(quantile_of_passes(3, {{1, 2}}), HasSubstr("of 3 scores was asked for, 2 came"));
  EXPECT_THAT(quantile_of_passes(1, {{1, 2}}), HasSubstr("of 1 scores was asked for, 2 came"));
  for (const std::vector<float>& second :
       std::vector<std::vector<float>>{{1, 2}, {1, 2, 3, 4}, {1, 7, 3}, {2, 2, 3}, {}}) {
    EXPECT_THAT(quantile_of_passes(3, {{1, 2, 3}, second}), HasSubstr("changed while"));
  }
}

}  // namespace
}  // namespace oddity::test
