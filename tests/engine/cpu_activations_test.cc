// Inside of the CPU engine: the activations a training step leaves, against Keras and the
// reference; and the packed weights.
#include <gtest/gtest.h>

#include "core/thread_pool.h"
#include "engine/cpu/training.h"
#include "reference/network.h"
#include "support/golden_cases.h"
#include "support/near.h"

namespace oddity::test {
namespace {

// What real float32 implementations were measured to differ by in training mode.
constexpr Tolerance kTrainingMode{.absolute = 1.2e-5};

/// One training step of the engine's own classes, and what it left in Keras' layout.
class Step {
 public:
  Step(const Architecture& architecture, const Weights& weights, const TestImages<float>& images)
      : kernels_(cpu::kernels(cpu::Simd::best)),
        plan_(architecture, kernels_.lanes),
        pool_(2),
        training_(plan_, kernels_, pool_, std::ssize(in_order(images.size()))),
        images_(static_cast<int64_t>(images.size())) {
    cpu::Parameters parameters;
    for (cpu::Buffer* buffer :
         {&parameters.weights, &parameters.first_moment, &parameters.second_moment}) {
      *buffer = cpu::Buffer(plan_.parameters);
    }
    parameters.moving = cpu::Buffer(plan_.moving);
    pack(plan_, weights, parameters.weights.get(), parameters.moving.get());
    const ImageView view = images.view();
    training_.forward({view}, images_, parameters);
    activations_ = kept_activations();
    loss_ = training_.step({view}, images_, 1e-3, {}, parameters) / static_cast<double>(images_);
  }

  double loss() const { return loss_; }

  /// Every activation, by the name of its layer, of all images.
  const std::map<std::string, std::vector<float>>& activations() const { return activations_; }

 private:
  std::map<std::string, std::vector<float>> kept_activations() const {
    std::map<std::string, std::vector<float>> result;
    for (size_t s = 0; s < plan_.stages.size(); ++s) {
      const cpu::Stage& stage = plan_.stages[s];
      const std::string lrelu = layer_of(stage, "lrelu");
      for (int64_t image = 0; image < images_; ++image) {
        const float* a = training_.activation(s, image);
        for (int64_t pixel = 0; pixel < stage.out.pixels(); ++pixel, a += stage.out.channels) {
          for (int64_t c = 0; c < stage.out_channels; ++c) {
            result[stage.name].push_back(a[c] > 0 ? a[c] : a[c] / kLeakyReluSlope);
            result[lrelu].push_back(a[c]);
            result[stage.norm_name].push_back(a[c] * training_.scale(s)[c] + training_.shift(s)[c]);
          }
        }
      }
    }
    for (int64_t image = 0; image < images_; ++image) {
      const float* latent = training_.latent(image);
      auto& all = result["encoder.dense1"];
      all.insert(all.end(), latent, latent + plan_.architecture.latent_dim);
    }
    return result;
  }

  /// encoder.conv2 → encoder.lrelu2, decoder.convT1 → decoder.lrelu1.
  static std::string layer_of(const cpu::Stage& stage, const std::string& kind) {
    const std::string& name = stage.name;
    const size_t number = name.find_first_of("0123456789");
    return name.substr(0, name.find('.') + 1) + kind + name.substr(number);
  }

  const cpu::Kernels& kernels_;
  cpu::Plan plan_;
  ThreadPool pool_;
  cpu::Training training_;
  int64_t images_;
  std::map<std::string, std::vector<float>> activations_;
  double loss_ = 0;
};

void expect_activations(const Architecture& architecture, const Weights& weights,
                        const TestImages<float>& images, const std::string& golden_folder) {
  const Step step(architecture, weights, images);
  const reference::Pass truth =
      reference::Network(architecture, weights).run(widen(images), reference::Mode::training);
  EXPECT_NEAR(step.loss(), truth.loss, 1e-6);
  const auto activations = step.activations();
  // Convolution, LeakyReLU and normalisation of each stage, and the latent vector.
  EXPECT_EQ(activations.size(), 6 * architecture.filters.size() + 1);
  for (const auto& [layer, values] : activations) {
    EXPECT_TRUE(all_near(values, truth.outputs.at(layer).values, kTrainingMode)) << layer;
  }
  for (const std::string& layer : golden_names(golden_folder)) {
    if (!activations.contains(layer)) continue;
    const std::vector<float> expected = golden_values(golden_folder + "/" + layer);
    std::vector<float> actual = activations.at(layer);
    ASSERT_GE(actual.size(), expected.size());
    actual.resize(expected.size());  // of the first image only, where it is large
    EXPECT_TRUE(all_near(actual, expected, kTrainingMode)) << golden_folder << "/" << layer;
  }
}

TEST(CpuActivationsTest, TrainingModeOnMnist) {
  const Architecture architecture = mnist_architecture();
  expect_activations(architecture, golden_weights(architecture, "init"), golden_forward_images(),
                     "forward/train");
}

TEST(CpuActivationsTest, TrainingModeOfTheSmallNetworks) {
  for (const SmallCase& c : small_cases()) {
    expect_activations(c.architecture, golden_weights(c.architecture, c.folder + "/init"), c.images,
                       c.folder + "/train");
  }
}

TEST(CpuPlanTest, PackedWeightsComeBackForEveryVectorLength) {
  for (const Architecture& architecture :
       {conv_autoencoder(4, 4, 1, {3, 5}, 3), conv_autoencoder(8, 12, 5, {33, 17}, 33),
        conv_autoencoder(28, 28, 1)}) {
    const Weights weights = initial_weights(architecture, 1);
    for (const int64_t lanes : {4, 8, 16}) {
      const cpu::Plan plan(architecture, lanes);
      cpu::Buffer parameters(plan.parameters);
      cpu::Buffer moving(plan.moving);
      pack(plan, weights, parameters.get(), moving.get());
      Weights back(architecture);
      unpack(plan, parameters.get(), moving.get(), back);
      EXPECT_EQ(back, weights) << lanes << " lanes";
    }
  }
}

}  // namespace
}  // namespace oddity::test
