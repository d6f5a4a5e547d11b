// The float64 network of `oddity selftest` against that of the tests.
#include "engine/reference_network.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "engine/engine_test.h"
#include "engine/network_selftest.h"

namespace oddity::test {
namespace {

// Float64 both, but for the constants: epsilon is the decimal there and its float32 here, which
// differ by 5e-8 of it, 5e-11 of a variance near 1.
constexpr Tolerance kSame{.absolute = 1e-9};

class ReferenceNetworkTest : public testing::TestWithParam<Architecture> {};

TEST_P(ReferenceNetworkTest, AgreesWithTheLoopsOfTheTests) {
  constexpr uint64_t kSeed = 61;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  const Weights weights = lively_weights(GetParam(), kSeed);
  const ReferenceNetwork network(GetParam(), weights);
  const reference::Network expected(GetParam(), weights);
  const reference::Batch images = widen(random_images<uint8_t>(GetParam().image(), 3, kSeed));
  const reference::Pass pass = expected.run(images, reference::Mode::inference);
  const std::vector<double>& latent = pass.outputs.at("encoder.dense1").values;
  EXPECT_TRUE(all_near(network.encode(images.values), latent, kSame));
  EXPECT_TRUE(all_near(network.decode(latent), pass.reconstruction.values, kSame));
  EXPECT_TRUE(all_near(network.reconstruct(images.values), pass.reconstruction.values, kSame));
  EXPECT_TRUE(all_near(network.scores(images.values), pass.scores, kSame));
  EXPECT_NEAR(network.training_loss(images.values),
              expected.run(images, reference::Mode::training).loss, kSame.absolute);
}

INSTANTIATE_TEST_SUITE_P(, ReferenceNetworkTest,
                         testing::Values(conv_autoencoder(12, 20, 3, {3, 5}, 7),
                                         conv_autoencoder(2, 2, 1, {1}, 1),
                                         conv_autoencoder(8, 16, 1, {2, 3, 4}, 5)),
                         [](const auto& test) { return fmt::format("Case{}", test.index); });

TEST(ReferenceNetworkTensorsTest, TensorsAreThoseOfTheArchitecture) {
  const Architecture architecture = conv_autoencoder(4, 4, 1, {2}, 3);
  ReferenceNetwork network(architecture, initial_weights(architecture, 1));
  EXPECT_EQ(network.tensor("encoder.bn1.gamma"), (std::vector<double>{1, 1}));
  EXPECT_THROW(network.tensor("encoder.bn2.gamma"), Error);
  EXPECT_THROW(
      ReferenceNetwork(conv_autoencoder(4, 4, 1, {3}, 3), initial_weights(architecture, 1)), Error);
}

/// The CPU, with weights that are not those that were given.
class OtherWeights final : public Engine {
 public:
  explicit OtherWeights(std::string tensor) : tensor_(std::move(tensor)) {}
  DeviceInfo info() const override { return {"other", ""}; }

 private:
  std::unique_ptr<Images> do_upload(const ImageView& images) override {
    return cpu_->upload(images);
  }
  std::unique_ptr<Staging> do_staging(PixelType type, const ImageShape& shape,
                                      size_t capacity) override {
    return cpu_->staging(type, shape, capacity);
  }
  std::unique_ptr<Network> do_network(const Architecture& architecture, const Weights& weights,
                                      const std::optional<OptimizerState>&) override {
    Weights other = weights;
    for (float& value : other.at(tensor_).values) value *= 1.01f;
    return cpu_->network(architecture, other);
  }

  std::string tensor_;
  std::unique_ptr<Engine> cpu_ = make_engine("cpu", {.threads = 2});
};

TEST(NetworkSelftestTest, FindsAHundredthInOneTensor) {
  const Architecture architecture = conv_autoencoder(12, 20, 3, {3, 5}, 7);
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    OtherWeights engine(spec.name);
    size_t failed = 0;
    for (const SelfTestResult& result : selftest_network(engine, architecture)) {
      failed += result.error <= result.tolerance ? 0 : 1;
    }
    EXPECT_GE(failed, 1u) << spec.name;
  }
}

}  // namespace
}  // namespace oddity::test
