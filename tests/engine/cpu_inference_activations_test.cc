// Inside of the CPU engine's scoring path, layer by layer: the passes and kernels it uses, each
// layer fed with the one before, against Keras' activations. The engine itself keeps only some of
// these.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "engine/cpu/dense.h"
#include "engine/cpu/inference.h"
#include "support/golden_cases.h"
#include "support/near.h"

namespace oddity::test {
namespace {

// Real float32 implementations were measured to differ by 6e-8 from float64 in inference mode on
// MNIST; another order of summation over 576 terms may double that.
constexpr Tolerance kMnist{.absolute = 1.2e-7, .relative = 2e-7};
// The small networks' inputs are dense, and their sums pass through values of 1 to 4, where one
// rounding is 6e-8 to 2.4e-7: a handful of those.
constexpr Tolerance kSmall{.absolute = 6e-7, .relative = 2e-7};

/// Runs one image through every layer and keeps what each gives, in Keras' layout, by its name.
class Layers {
 public:
  Layers(const Architecture& architecture, const Weights& weights, const float* image)
      : kernels_(cpu::kernels(cpu::Simd::best)),
        plan_(architecture, kernels_.lanes),
        weights_(weights),
        parameters_(plan_.parameters),
        moving_(plan_.moving) {
    pack(plan_, weights, parameters_.get(), moving_.get());
    const cpu::Grid& first = plan_.stages[0].in;
    cpu::Buffer in(first.size());
    cpu::copy_inside(image, first, in.get());
    for (size_t i = 0; i < plan_.encoder_stages; ++i) in = run_stage(i, in);
    in = run_dense(in);
    for (size_t i = plan_.encoder_stages; i < plan_.stages.size(); ++i) in = run_stage(i, in);
    run_last(in, image);
  }

  const std::map<std::string, std::vector<float>>& outputs() const { return outputs_; }

 private:
  std::vector<float> inside(const cpu::Buffer& buffer, const cpu::Grid& grid, int64_t channels) {
    std::vector<float> values;
    for (int64_t y = 0; y < grid.height; ++y) {
      for (int64_t x = 0; x < grid.width; ++x) {
        const float* pixel = buffer.get() + grid.origin() + y * grid.row() + x * grid.channels;
        values.insert(values.end(), pixel, pixel + channels);
      }
    }
    return values;
  }

  /// One stage as the scoring path runs it, with less and with more of the epilogue.
  cpu::Buffer run_stage(size_t index, const cpu::Buffer& in) {
    const cpu::Stage& stage = plan_.stages[index];
    const bool last = index + 1 == plan_.stages.size();
    const cpu::Grid& next = last                                ? plan_.last_in
                            : index + 1 == plan_.encoder_stages ? plan_.encoded
                                                                : plan_.stages[index + 1].in;
    cpu::Buffer out(next.size() + 3 * next.channels);
    cpu::Buffer scale(stage.out.channels);
    cpu::Buffer shift(stage.out.channels);
    for (int64_t c = 0; c < stage.out_channels; ++c) {
      const auto value = [&](const char* tensor) {
        return static_cast<double>(
            weights_.at(stage.norm_name + tensor).values[static_cast<size_t>(c)]);
      };
      const double factor = value(".gamma") / std::sqrt(value(".moving_variance") +
                                                        static_cast<double>(kBatchNormEpsilon));
      scale.get()[c] = static_cast<float>(factor);
      shift.get()[c] = static_cast<float>(value(".beta") - value(".moving_mean") * factor);
    }
    cpu::ConvOperands o;
    o.in = in.get();
    o.in_image = stage.in.size();
    o.out = out.get();
    o.out_image = next.size();
    o.in_channels = stage.in_channels;
    o.out_vectors = stage.out_vectors;
    o.weights = parameters_.get() + stage.kernel;
    o.block_inputs = 9 * stage.in_channels;
    o.bias = parameters_.get() + stage.bias;
    const auto run = [&](const std::string& layer) {
      for (const cpu::ConvPass& pass : stage.inference) kernels_.conv(pass, o);
      outputs_[layer] = inside(out, next, stage.out_channels);
    };
    run(stage.name);
    o.slope = kLeakyReluSlope;
    const std::string number = stage.norm_name.substr(stage.norm_name.find(".bn") + 3);
    run(stage.norm_name.substr(0, stage.norm_name.find('.')) + ".lrelu" + number);
    o.scale = scale.get();
    o.shift = shift.get();
    run(stage.norm_name);
    return out;
  }

  cpu::Buffer run_dense(const cpu::Buffer& features) {
    cpu::Buffer scratch(project_scratch(plan_, 1));
    cpu::Buffer latent(plan_.latent());
    project(plan_, kernels_, features.get(), 1, parameters_.get() + plan_.dense1,
            parameters_.get() + plan_.dense1_bias, scratch.get(), latent.get());
    outputs_["encoder.dense1"].assign(latent.get(), latent.get() + plan_.architecture.latent_dim);
    const cpu::Stage& first = plan_.stages[plan_.encoder_stages];
    cpu::Buffer hidden(first.in.size());
    expand(plan_, kernels_, latent.get(), 1, parameters_.get() + plan_.dense2,
           parameters_.get() + plan_.dense2_bias, first.in, hidden.get());
    outputs_["decoder.dense1"] = inside(hidden, first.in, first.in_channels);
    return hidden;
  }

  void run_last(const cpu::Buffer& in, const float* image) {
    const auto size = static_cast<size_t>(plan_.architecture.image().size());
    std::vector<float> logits(size);
    std::vector<float> reconstruction(size);
    kernels_.conv_to_pixels(inside_of(plan_.last_in, plan_.last_vectors), in.get(),
                            parameters_.get() + plan_.last_kernel,
                            parameters_.get() + plan_.last_bias, plan_.architecture.depth,
                            logits.data());
    kernels_.reconstruction_error(logits.data(), image, std::ssize(logits), reconstruction.data());
    outputs_[fmt::format("decoder.convT{}", plan_.encoder_stages + 1)] = logits;
    outputs_["decoder.sigmoid1"] = reconstruction;
  }

  const cpu::Kernels& kernels_;
  cpu::Plan plan_;
  const Weights& weights_;
  cpu::Buffer parameters_, moving_;
  std::map<std::string, std::vector<float>> outputs_;
};

void expect_activations(const Architecture& architecture, const Weights& weights,
                        const TestImages<float>& images, const std::string& golden_folder,
                        const Tolerance& tolerance) {
  const ImageView view = images.view();
  const Layers layers(architecture, weights, reinterpret_cast<const float*>(view.image(0)));
  const std::vector<std::string> names = golden_names(golden_folder);
  ASSERT_FALSE(names.empty());
  for (const std::string& layer : names) {
    ASSERT_TRUE(layers.outputs().contains(layer)) << layer;
    const std::vector<float>& actual = layers.outputs().at(layer);
    std::vector<float> expected = golden_values(golden_folder + "/" + layer);
    ASSERT_GE(expected.size(), actual.size());
    expected.resize(actual.size());  // small ones are kept of the whole batch
    EXPECT_TRUE(all_near(actual, expected, tolerance)) << golden_folder << "/" << layer;
  }
}

TEST(CpuInferenceActivationsTest, EveryLayerOnMnist) {
  const Architecture architecture = mnist_architecture();
  expect_activations(architecture, golden_weights(architecture, "init"), golden_forward_images(),
                     "forward/infer", kMnist);
}

TEST(CpuInferenceActivationsTest, EveryLayerOfTheSmallNetworks) {
  for (const SmallCase& c : small_cases()) {
    expect_activations(c.architecture, golden_weights(c.architecture, c.folder + "/init"), c.images,
                       c.folder + "/infer", kSmall);
  }
}

}  // namespace
}  // namespace oddity::test
