// What a caller can get wrong: one line that names the thing and both values, before any work.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "engine/engine_test.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

/// An Error on one line that holds every part.
template <typename Kind = Error, typename... Parts>
auto throws(const Parts&... parts) {
  return ThrowsMessage<Kind>(AllOf(HasSubstr(parts)..., Not(HasSubstr("\n"))));
}

class DeviceArgumentsTest : public DeviceTest {
 protected:
  const Architecture architecture_ = conv_autoencoder(8, 4, 1, {3}, 2);
  const Weights weights_ = lively_weights(architecture_, 1);
  const TestImages<uint8_t> pixels_ = random_images<uint8_t>(architecture_.image(), 10, 1);
  const std::unique_ptr<Engine> device_ = engine();
  const std::unique_ptr<Network> network_ = device_->network(architecture_, weights_);
  const std::unique_ptr<Images> images_ = device_->upload(pixels_.view());
  NoProgress nobody_;
};

TEST_P(DeviceArgumentsTest, PixelsThatAreNoNumbersNameTheirImage) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity(), -0.001f, 1.001f}) {
    auto pixels = random_images<float>(architecture_.image(), 10, 2);
    pixels.pixels[7 * 32 + 31] = bad;
    pixels.pixels[9 * 32] = bad;
    EXPECT_THAT([&] { device_->upload(pixels.view(), "holiday.npy"); },
                throws("holiday.npy", "image 7"));
  }
}

TEST_P(DeviceArgumentsTest, EmptySetsCanBeUploadedAndScored) {
  TestImages<uint8_t> none{architecture_.image(), {}};
  const auto images = device_->upload(none.view());
  EXPECT_EQ(images->size(), 0u);
  EXPECT_TRUE(scores(*network_, *images).empty());
}

TEST_P(DeviceArgumentsTest, StagingForNothingAndMoreThanFits) {
  EXPECT_THAT([&] { device_->staging(PixelType::u8, {4, 8, 1}, 0); }, throws("no images"));
  EXPECT_THAT([&] { device_->staging(PixelType::u8, {0, 8, 1}, 3); }, throws("8x0x1"));
  const auto staging = device_->staging(PixelType::f32, architecture_.image(), 3);
  std::memset(staging->data(), 0, 3 * 32 * sizeof(float));
  EXPECT_THAT([&] { staging->send(4); }, throws("4 images", "3"));
  EXPECT_TRUE(scores(*network_, staging->send(0), {0, 0}).empty());
  const float bad = std::nanf("");
  std::memcpy(staging->data() + 2 * 32 * sizeof(float), &bad, sizeof(bad));
  EXPECT_THAT([&] { staging->send(3); }, throws("image 2", "nan"));
  EXPECT_EQ(scores(*network_, staging->send(2), {0, 2}).size(), 2u);
}

TEST_P(DeviceArgumentsTest, ImagesOfAnotherSize) {
  const auto wide = random_images<uint8_t>({4, 12, 1}, 3, 3);
  const auto images = device_->upload(wide.view());
  const auto refused = throws("8x4x1", "12x4x1");
  std::vector<float> out(3 * 48);
  EXPECT_THAT([&] { scores(*network_, *images); }, refused);
  EXPECT_THAT([&] { network_->encode(*images, {0, 3}, std::span(out).first(6)); }, refused);
  EXPECT_THAT([&] { network_->reconstruct(*images, {0, 3}, out); }, refused);
  EXPECT_THAT([&] { network_->evaluate(*images, in_order(3)); }, refused);
  EXPECT_THAT([&] { network_->train_epoch(*images, in_order(3), 3, std::vector{1e-3}, nobody_); },
              refused);
}

TEST_P(DeviceArgumentsTest, RangesAndPositionsOutsideOfTheSet) {
  std::vector<float> codes(22);
  EXPECT_THAT([&] { scores(*network_, *images_, {0, 11}); }, throws("11", "10"));
  EXPECT_THAT([&] { network_->encode(*images_, {0, 11}, codes); }, throws("11", "10"));
  NoProgress nobody;
  EXPECT_THAT([&] { network_->score(*images_, {6, 5}, nobody); }, throws("6", "5"));
  EXPECT_THAT([&] { network_->evaluate(*images_, std::vector<uint32_t>{3, 10}); }, throws("10"));
  EXPECT_THAT(
      [&] {
        network_->train_epoch(*images_, std::vector<uint32_t>{3, 10}, 2, std::vector{1e-3}, nobody);
      },
      throws("10"));
}

TEST_P(DeviceArgumentsTest, NothingToTrainOrEvaluateOn) {
  const std::vector<uint32_t> none;
  EXPECT_THAT([&] { network_->evaluate(*images_, none); }, throws());
  EXPECT_THAT([&] { network_->train_epoch(*images_, none, 2, std::vector<double>{}, nobody_); },
              throws());
}

TEST_P(DeviceArgumentsTest, StepsThatDoNotFit) {
  EXPECT_THAT([&] { network_->train_epoch(*images_, in_order(10), 0, std::vector{1e-3}, nobody_); },
              throws("batch size", "0"));
  // Three steps of four images.
  EXPECT_THAT(
      [&] {
        network_->train_epoch(*images_, in_order(10), 4, std::vector{1e-3, 1e-3}, nobody_);
      },
      throws("3", "2", "learning rate"));
}

TEST_P(DeviceArgumentsTest, ResultsThatDoNotFit) {
  std::vector<float> short_by_one(19);
  EXPECT_THAT([&] { network_->encode(*images_, {0, 10}, short_by_one); }, throws("20", "19"));
  EXPECT_THAT([&] { network_->reconstruct(*images_, {0, 10}, short_by_one); }, throws("320", "19"));
  std::vector<float> image(32);
  EXPECT_THAT([&] { network_->decode(std::vector<float>(4), image); }, throws("64", "32"));
  EXPECT_THAT([&] { network_->decode(std::vector<float>(3), image); }, throws("3", "2"));
  const auto some = network_->score(*images_, {0, 10}, nobody_);
  EXPECT_THAT([&] { some->download(image); }, throws("10", "32"));
}

TEST_P(DeviceArgumentsTest, OrderStatisticsThatDoNotExist) {
  const auto some = network_->score(*images_, {0, 10}, nobody_);
  EXPECT_THAT([&] { some->select(std::vector<uint64_t>{3, 10}); }, throws("10"));
  EXPECT_TRUE(some->select({}).empty());
}

TEST_P(DeviceArgumentsTest, ScoresThatAreNotNumbersHaveNoOrder) {
  // Finite weights whose products are not.
  Weights huge = weights_;
  for (Tensor& tensor : huge.tensors()) {
    if (!tensor.name.ends_with(".kernel")) continue;
    for (size_t i = 0; i < tensor.values.size(); ++i) tensor.values[i] = i % 2 ? 3e38f : -3e38f;
  }
  const auto network = device_->network(architecture_, huge);
  const auto some = network->score(*images_, {0, 10}, nobody_);
  std::vector<float> values(10);
  some->download(values);
  EXPECT_THAT(values, Each(testing::IsNan()));
  EXPECT_THAT([&] { some->select(std::vector<uint64_t>{0}); }, throws("image 0", "not a number"));
}

TEST_P(DeviceArgumentsTest, WeightsOfAnotherModel) {
  const Architecture other = conv_autoencoder(8, 4, 1, {4}, 2);
  EXPECT_THAT([&] { device_->network(other, weights_); }, throws("encoder.conv1.kernel"));
  Weights bad = weights_;
  bad.at("decoder.bn1.gamma").values[1] = std::nanf("");
  EXPECT_THAT([&] { device_->network(architecture_, bad); }, throws("decoder.bn1.gamma", "nan"));
  bad = weights_;
  bad.tensors().pop_back();
  EXPECT_THAT([&] { device_->network(architecture_, bad); }, throws());
}

TEST_P(DeviceArgumentsTest, AnOptimizerStateOfAnotherModel) {
  const Architecture other = conv_autoencoder(8, 4, 1, {4}, 2);
  const OptimizerState state{Weights(architecture_), Weights(other), 1};
  EXPECT_THAT([&] { device_->network(architecture_, weights_, state); },
              throws("encoder.conv1.kernel"));
  const OptimizerState negative{Weights(architecture_), Weights(architecture_), -1};
  EXPECT_THAT([&] { device_->network(architecture_, weights_, negative); }, throws("-1"));
}

TEST_P(DeviceArgumentsTest, AnArchitectureThatDoesNotHalve) {
  // Width 9 has the weights of width 8.
  Architecture odd = architecture_;
  odd.width = 9;
  EXPECT_THAT([&] { device_->network(odd, weights_); }, throws("width", "9", "8 or 10"));
  odd.filters.clear();
  EXPECT_THAT([&] { device_->network(odd, weights_); }, throws("filters"));
}

TEST_P(DeviceArgumentsTest, NetworksLiveOnAfterAnError) {
  const std::vector<float> before = scores(*network_, *images_);
  EXPECT_THROW(scores(*network_, *images_, {0, 11}), Error);
  EXPECT_EQ(scores(*network_, *images_), before);
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceArgumentsTest, testing::ValuesIn(device_names()),
                         [](const auto& device) { return device.param; });

}  // namespace
}  // namespace oddity::test
