// The drawing of the data set and its split, against what Python, NumPy and the reference program
// drew (tests/golden/split).
#include "data/unsupervised.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>
#include <string>

#include "core/error.h"
#include "data/files.h"
#include "data/numpy_random.h"
#include "data/python_random.h"
#include "support/error_text.h"
#include "support/npy_file.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

template <typename T>
std::vector<T> split_golden(const std::string& name) {
  return read_npy_file<T>(golden("split/" + name + ".npy")).values;
}

std::vector<int32_t> counting(int32_t n) {
  std::vector<int32_t> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

/// One image a label, of one pixel that tells its row.
Dataset labelled(const std::vector<int32_t>& labels) {
  Dataset dataset;
  dataset.images = ImageArray(PixelType::u8, {1, 1, 1}, labels.size());
  dataset.label = labels;
  for (size_t i = 0; i < labels.size(); ++i) {
    dataset.images.data()[i] = static_cast<std::byte>(i);
    dataset.index.push_back(static_cast<int64_t>(i));
  }
  return dataset;
}

const Dataset& mnist() {
  static const Dataset kMnist = read_labelled_idx(ODDITY_MNIST_DIR "/train-images-idx3-ubyte.gz",
                                                  ODDITY_MNIST_DIR "/train-labels-idx1-ubyte.gz");
  return kMnist;
}

TEST(PythonRandom, WordsAreThoseOfPython) {
  PythonRandom random(42);
  std::vector<uint32_t> words(16);
  for (uint32_t& word : words) word = random.bits(32);
  EXPECT_EQ(words, split_golden<uint32_t>("pyrandom_u32"));
}

TEST(PythonRandom, ShuffleIsThatOfPython) {
  std::vector<int32_t> values = counting(10);
  PythonRandom(42).shuffle(std::span(values));
  EXPECT_EQ(values, split_golden<int32_t>("pyrandom_shuffle10"));
}

// random.seed(s); [random.getrandbits(32) for _ in range(3)], printed by Python 3.11.
TEST(PythonRandom, SeedsAtTheEndsOfTheRange) {
  PythonRandom zero(0);
  EXPECT_THAT((std::vector{zero.bits(32), zero.bits(32), zero.bits(32)}),
              ElementsAre(3626764237u, 1654615998u, 3255389356u));
  PythonRandom largest(0xffffffff);
  EXPECT_THAT((std::vector{largest.bits(32), largest.bits(32), largest.bits(32)}),
              ElementsAre(2728839433u, 2661025012u, 872737089u));
}

TEST(NumpyRandom, WordsAreThoseOfNumpy) {
  NumpyRandom random(42);
  std::vector<uint32_t> words(16);
  for (uint32_t& word : words) word = random.word();
  EXPECT_EQ(words, split_golden<uint32_t>("np_u32"));
}

TEST(NumpyRandom, ShuffleIsThatOfNumpy) {
  std::vector<int32_t> values = counting(10);
  NumpyRandom(42).shuffle(std::span(values));
  EXPECT_EQ(values, split_golden<int32_t>("np_shuffle10"));
}

TEST(NumpyRandom, ShufflesOfNothingAndOfOneDrawNothing) {
  NumpyRandom random(42);
  std::vector<int32_t> none;
  std::vector<int32_t> one{7};
  random.shuffle(std::span(none));
  random.shuffle(std::span(one));
  EXPECT_EQ(random.word(), split_golden<uint32_t>("np_u32")[0]);
}

TEST(Unsupervised, DrawsTheImagesOfTheReferenceInItsOrder) {
  const Dataset dataset = build_unsupervised_dataset(mnist(), {});
  const auto order = split_golden<int32_t>("order");
  const auto labels = split_golden<uint8_t>("labels");
  EXPECT_THAT(dataset.index, ElementsAreArray(order));
  EXPECT_THAT(dataset.label, ElementsAreArray(labels));
  ASSERT_EQ(dataset.size(), 6809u);
  EXPECT_EQ(dataset.images.shape(), (ImageShape{28, 28, 1}));
  const ImageView from = mnist().images.view();
  const ImageView drawn = dataset.images.view();
  for (size_t i = 0; i < dataset.size(); ++i) {
    ASSERT_EQ(std::memcmp(drawn.image(i), from.image(static_cast<size_t>(order[i])), 784), 0) << i;
  }
}

// The shuffled lists before they are stacked: the draw again without NumPy's shuffle.
TEST(Unsupervised, ShufflesBothListsWithOneGenerator) {
  std::vector<int32_t> valid;
  std::vector<int32_t> anomalies;
  for (size_t i = 0; i < mnist().size(); ++i) {
    if (mnist().label[i] == 1) valid.push_back(static_cast<int32_t>(i));
    if (mnist().label[i] == 3) anomalies.push_back(static_cast<int32_t>(i));
  }
  PythonRandom random(42);
  random.shuffle(std::span(valid));
  random.shuffle(std::span(anomalies));
  anomalies.resize(67);
  EXPECT_EQ(valid, split_golden<int32_t>("valid_shuffled"));
  EXPECT_EQ(anomalies, split_golden<int32_t>("anomaly_sel"));
}

TEST(Unsupervised, PathsStayWithTheirImages) {
  Dataset source = labelled({1, 3, 1, 2, 1, 1, 3});
  for (size_t i = 0; i < source.size(); ++i) source.path.push_back("image " + std::to_string(i));
  const Dataset drawn = build_unsupervised_dataset(source, {.contamination = 0.5});
  ASSERT_EQ(drawn.size(), 6u);
  ASSERT_EQ(drawn.path.size(), 6u);
  for (size_t i = 0; i < drawn.size(); ++i) {
    EXPECT_EQ(drawn.path[i], "image " + std::to_string(drawn.index[i]));
  }
}

TEST(Unsupervised, SplitIsThatOfScikitLearn) {
  const Split split = train_validation_split(6809, 0.2, 42);
  EXPECT_THAT(split.train, ElementsAreArray(split_golden<int32_t>("train")));
  EXPECT_THAT(split.validation, ElementsAreArray(split_golden<int32_t>("val")));
}

TEST(Unsupervised, ContaminationIsRoundedDownLikePythonsInt) {
  std::vector<int32_t> labels(200, 1);
  labels.insert(labels.end(), 200, 3);
  const Dataset from = labelled(labels);
  const auto anomalies = [&](double contamination) {
    const Dataset drawn = build_unsupervised_dataset(from, {.contamination = contamination});
    return std::count(drawn.label.begin(), drawn.label.end(), 3);
  };
  EXPECT_EQ(anomalies(0), 0);
  EXPECT_EQ(anomalies(0.0049), 0);
  EXPECT_EQ(anomalies(0.0099), 1);
  EXPECT_EQ(anomalies(0.29), 57);  // 200 · 0.29 is 57.99… in float64
  EXPECT_EQ(anomalies(1), 200);
}

TEST(Unsupervised, SeedsDrawDifferently) {
  const auto index = [&](uint32_t seed) {
    return build_unsupervised_dataset(mnist(), {.seed = seed}).index;
  };
  EXPECT_EQ(index(7), index(7));
  EXPECT_NE(index(7), index(8));
}

TEST(Unsupervised, NoContaminationNeedsNoAnomalies) {
  EXPECT_EQ(build_unsupervised_dataset(labelled({1, 1, 0}), {.contamination = 0}).size(), 2u);
}

TEST(Unsupervised, LabelsThatDoNotOccurAreNamed) {
  EXPECT_THAT(error_text<Error>([] {
                build_unsupervised_dataset(labelled({3, 3}), {});
              }),
              AllOf(HasSubstr("label 1"), HasSubstr("2 images"), HasSubstr("choose")));
  EXPECT_THAT(error_text<Error>([] {
                build_unsupervised_dataset(labelled({1, 1}), {});
              }),
              AllOf(HasSubstr("label 3"), HasSubstr("2 images")));
}

TEST(Unsupervised, TooFewAnomaliesNameBothCounts) {
  EXPECT_THAT(error_text<Error>([] {
                build_unsupervised_dataset(labelled({1, 1, 1, 1, 3}), {.contamination = 0.5});
              }),
              AllOf(HasSubstr("takes 2 of label 3"), HasSubstr("there are 1"), HasSubstr("lower")));
}

TEST(Unsupervised, OptionsOutOfRangeAreArgumentErrors) {
  const Dataset from = labelled({1, 3});
  for (const double contamination : {-0.01, 1.01, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(error_text<ArgumentError>(
                    [&] { build_unsupervised_dataset(from, {.contamination = contamination}); }),
                AllOf(HasSubstr("contamination"), HasSubstr("[0, 1]")))
        << contamination;
  }
  EXPECT_THAT(error_text<ArgumentError>([&] {
                build_unsupervised_dataset(from, {.valid_label = 3, .anomaly_label = 3});
              }),
              HasSubstr("both 3"));
}

TEST(Unsupervised, SplitRefusesSharesOutOfRange) {
  for (const double share : {0.0, 1.0, -0.5, 2.0, std::nan("")}) {
    EXPECT_THAT(error_text<ArgumentError>([&] { train_validation_split(10, share, 42); }),
                HasSubstr("between 0 and 1"))
        << share;
  }
}

TEST(Unsupervised, SplitLeavesNeitherPartEmpty) {
  EXPECT_THAT(error_text<Error>([] { train_validation_split(1, 0.2, 42); }),
              AllOf(HasSubstr("1 images"), HasSubstr("1 to validate"), HasSubstr("0 to train")));
  EXPECT_THAT(error_text<Error>([] { train_validation_split(0, 0.2, 42); }), HasSubstr("0 images"));
  EXPECT_THAT(error_text<Error>([] { train_validation_split(3, 0.9, 42); }),
              HasSubstr("0 to train"));
  const Split split = train_validation_split(2, 0.2, 42);
  EXPECT_EQ(split.train.size(), 1u);
  EXPECT_EQ(split.validation.size(), 1u);
}

TEST(Unsupervised, MoreImagesThanTheGeneratorsCanDrawAreRefused) {
  EXPECT_THAT(error_text<Error>([] { train_validation_split(size_t{1} << 32, 0.2, 42); }),
              AllOf(HasSubstr("4294967296"), HasSubstr("4294967295")));
}

}  // namespace
}  // namespace oddity::test
