// Inside of the CUDA engine: every activation of a training step and of inference, emulated,
// against Keras.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "cuda/emulated_devices.h"
#include "engine/cuda/fused_inference.h"
#include "engine/cuda/fused_step.h"
#include "engine/cuda/layered_step.h"
#include "loss.h"

namespace oddity::test {
namespace {

using Outputs = std::map<std::string, std::vector<float>>;

// What real float32 implementations were measured to differ by in training mode.
constexpr Tolerance kTraining{.absolute = 1.2e-5};
// In inference mode by 6e-8 from float64 on MNIST; another order of summation over 576 terms may
// double that.
constexpr Tolerance kInference{.absolute = 1.2e-7, .relative = 2e-7};
// The small networks' inputs are dense, and their sums pass through values of 1 to 4, where one
// rounding is 6e-8 to 2.4e-7: a handful of those.
constexpr Tolerance kSmallInference{.absolute = 6e-7, .relative = 2e-7};

/// encoder.conv2 → encoder.lrelu2, decoder.convT1 → decoder.bn1.
std::string layer_of(const cuda::Stage& stage, const std::string& kind) {
  return stage.name.substr(0, stage.name.find('.') + 1) + kind +
         stage.name.substr(stage.name.find_first_of("0123456789"));
}

/// A network in (emulated) device memory.
class OnDevice {
 public:
  OnDevice(const std::string& planner, const Architecture& architecture, const Weights& weights,
           const TestImages<float>& images)
      : plan_(architecture),
        planner_(emulated(planner).make_planner()),
        state_(plan_),
        count_(static_cast<int64_t>(images.size())),
        pixels_(count_ * plan_.image, "test") {
    std::vector<float> parameters(static_cast<size_t>(plan_.parameters));
    std::vector<float> moving(static_cast<size_t>(plan_.moving));
    pack(plan_, weights, parameters, moving);
    state_.parameters.upload(parameters, stream_.get());
    state_.moving.upload(moving, stream_.get());
    state_.first_moment.clear(stream_.get());
    state_.second_moment.clear(stream_.get());
    pixels_.upload(images.pixels, stream_.get());
    stream_.synchronize();
  }

  /// Of one step in training mode, by operations.
  Outputs train() {
    cuda::LayeredStep step(plan_, *planner_, state_, count_, stream_.get());
    run(step);
    Outputs outputs;
    for (size_t i = 0; i < plan_.stages.size(); ++i) {
      const cuda::Stage& stage = plan_.stages[i];
      keep_stage(stage, step.activation(i), outputs);
      if (stage.normalized) {
        outputs[layer_of(stage, "bn")] = download(step.output(i), stage.out);
      }
    }
    outputs["encoder.dense1"] = download(step.latent(), plan_.latent);
    outputs["decoder.dense1"] = download(step.hidden(), plan_.features);
    cuda::DeviceBuffer<float> y(count_ * plan_.image, "test");
    kernels::sigmoid(stream_.get(), y.size(), step.activation(plan_.stages.size() - 1), y.data());
    outputs["decoder.sigmoid1"] = download(y.data(), plan_.image);
    return outputs;
  }

  /// Of a fused step, which keeps no logits and normalises where a map is read.
  Outputs train_fused() {
    cuda::FusedStep step(plan_, state_, count_, stream_.get());
    run(step);
    Outputs outputs;
    const cuda::FusedMemory& memory = step.memory();
    for (size_t i = 0; i + 1 < plan_.stages.size(); ++i) {
      const cuda::Stage& stage = plan_.stages[i];
      const cuda::FusedStage& made = memory.stages[i];
      keep_stage(stage, made.activation, outputs);
      keep_normalised(stage, made.activation, made.statistics, outputs);
    }
    outputs["encoder.dense1"] = download(memory.latent, plan_.latent);
    outputs["decoder.dense1"] = download(memory.hidden, plan_.features);
    return outputs;
  }

  /// Of inference, by the same operations and kernels as LayeredInference enqueues.
  Outputs infer() {
    Outputs outputs;
    cuda::DeviceBuffer<float> x(count_ * plan_.largest_map, "test");
    cuda::DeviceBuffer<float> y(count_ * plan_.largest_map, "test");
    cuda::check(cudaMemcpyAsync(x.data(), pixels_.data(),
                                static_cast<size_t>(pixels_.size()) * sizeof(float),
                                cudaMemcpyDeviceToDevice, stream_.get()));
    for (size_t i = 0; i < plan_.stages.size(); ++i) {
      if (i == plan_.encoder_stages) {
        run(plan_.encode(count_, cuda::OperationKind::dense), x, plan_.dense1, plan_.dense1_bias,
            y);
        outputs["encoder.dense1"] = download(y.data(), plan_.latent);
        run(plan_.decode(count_, cuda::OperationKind::dense), y, plan_.dense2, plan_.dense2_bias,
            x);
        outputs["decoder.dense1"] = download(x.data(), plan_.features);
      }
      const cuda::Stage& stage = plan_.stages[i];
      run(plan_.forward(stage, count_), x, stage.kernel, stage.bias, y);
      keep_stage(stage, y.data(), outputs);
      if (stage.normalized) {
        normalise(stage, y);
        outputs[layer_of(stage, "bn")] = download(y.data(), stage.out);
      }
      std::swap(x, y);
    }
    kernels::sigmoid(stream_.get(), count_ * plan_.image, x.data(), x.data());
    outputs["decoder.sigmoid1"] = download(x.data(), plan_.image);
    return outputs;
  }

  /// Of fused inference, which normalises where a map is read and keeps nothing of the last two
  /// stages but the reconstructions.
  Outputs infer_fused() {
    cuda::FusedInference inference(plan_, stream_.get(), count_);
    inference.load(state_);
    inference.take_images({kernels::Pixels::f32, pixels_.data()}, nullptr, 0, count_);
    Outputs outputs;
    const float* x = nullptr;
    for (size_t i = 0; i + 2 < plan_.stages.size(); ++i) {
      if (i == plan_.encoder_stages) x = inference.hidden(count_);
      const cuda::Stage& stage = plan_.stages[i];
      x = inference.activation(i, count_, x);
      keep_stage(stage, x, outputs);
      keep_normalised(stage, x, inference.statistics(i), outputs);
      if (i + 1 == plan_.encoder_stages) {
        outputs["encoder.dense1"] = download(inference.encode(count_), plan_.latent);
        outputs["decoder.dense1"] = download(inference.hidden(count_), plan_.features);
      }
    }
    outputs["decoder.sigmoid1"] = download(inference.decode(count_), plan_.image);
    return outputs;
  }

 private:
  /// A step whose learning rate is 0.
  void run(cuda::TrainingStep& step) {
    cuda::DeviceBuffer<uint32_t> positions(count_, "test");
    cuda::DeviceBuffer<float> rates(1, "test");
    cuda::DeviceBuffer<kernels::EpochState> epoch(1, "test");
    const cuda::MappedBuffer<double> losses(1);
    const cuda::MappedBuffer<uint64_t> steps_done(1);
    const std::vector<uint32_t> order = in_order(static_cast<size_t>(count_));
    positions.upload(order, stream_.get());
    rates.clear(stream_.get());
    epoch.clear(stream_.get());
    step.enqueue(stream_.get(), {.images = {kernels::Pixels::f32, pixels_.data()},
                                 .positions = positions.data(),
                                 .rates = rates.data(),
                                 .state = epoch.data(),
                                 .progress = {losses.device(), steps_done.device()},
                                 .batch = count_});
    stream_.synchronize();
  }

  std::vector<float> download(const float* from, int64_t size) {
    std::vector<float> values(static_cast<size_t>(count_ * size));
    cuda::check(cudaMemcpyAsync(values.data(), from, values.size() * sizeof(float),
                                cudaMemcpyDeviceToHost, stream_.get()));
    stream_.synchronize();
    return values;
  }

  /// LeakyReLU is part of its convolution's epilogue; what came before it follows from the sign.
  void keep_stage(const cuda::Stage& stage, const float* y, Outputs& outputs) {
    std::vector<float> values = download(y, stage.out);
    if (stage.normalized) {
      outputs[layer_of(stage, "lrelu")] = values;
      for (float& value : values) value = value > 0 ? value : value / kernels::kLeakyReluSlope;
    }
    outputs[stage.name] = values;
  }

  /// The activation y as the next layer of a fused pass reads it.
  void keep_normalised(const cuda::Stage& stage, const float* y, const float* statistics,
                       Outputs& outputs) {
    cuda::DeviceBuffer<float> normalised(count_ * stage.out, "test");
    kernels::batch_norm_inference(stream_.get(), cuda::Plan::map_of(stage, count_), y,
                                  statistics + kernels::kScale * stage.out_channels,
                                  statistics + kernels::kShift * stage.out_channels,
                                  normalised.data());
    outputs[layer_of(stage, "bn")] = download(normalised.data(), stage.out);
  }

  void run(const cuda::OperationSpec& spec, const cuda::DeviceBuffer<float>& x, int64_t kernel,
           int64_t bias, const cuda::DeviceBuffer<float>& y) {
    cuda::Workspace workspace;
    const cuda::Step step(*planner_, spec, workspace);
    workspace.allocate();
    step(stream_.get(),
         {x.data(), state_.parameters.data() + kernel, state_.parameters.data() + bias, y.data()});
    stream_.synchronize();  // before the workspace goes
  }

  void normalise(const cuda::Stage& stage, const cuda::DeviceBuffer<float>& y) {
    const float* const parameters = state_.parameters.data();
    const float* const moving = state_.moving.data();
    cuda::DeviceBuffer<float> scale(stage.out_channels, "test");
    cuda::DeviceBuffer<float> shift(stage.out_channels, "test");
    kernels::batch_norm_fold(stream_.get(), stage.out_channels, parameters + stage.gamma,
                             parameters + stage.beta, moving + stage.moving_mean,
                             moving + stage.moving_variance, scale.data(), shift.data());
    kernels::batch_norm_inference(stream_.get(), cuda::Plan::map_of(stage, count_), y.data(),
                                  scale.data(), shift.data(), y.data());
    stream_.synchronize();
  }

  cuda::Plan plan_;
  std::unique_ptr<cuda::Planner> planner_;
  cuda::Stream stream_;
  cuda::NetworkState state_;
  int64_t count_;
  cuda::DeviceBuffer<float> pixels_;
};

/// Every golden of `folder` but those `missing`; some hold the first images only.
void expect_goldens(const Outputs& outputs, const std::string& folder, const Tolerance& tolerance,
                    const std::set<std::string>& missing = {}) {
  const std::vector<std::string> names = golden_names(folder);
  ASSERT_FALSE(names.empty());
  for (const std::string& layer : names) {
    if (missing.contains(layer)) continue;
    ASSERT_TRUE(outputs.contains(layer)) << layer;
    const std::vector<float> expected = golden_values(folder + "/" + layer);
    std::vector<float> actual = outputs.at(layer);
    ASSERT_GE(actual.size(), expected.size()) << layer;
    actual.resize(expected.size());
    EXPECT_TRUE(all_near(actual, expected, tolerance)) << folder << "/" << layer;
  }
}

class CudaActivations : public testing::TestWithParam<std::string> {};

TEST_P(CudaActivations, TrainingModeOnMnist) {
  const Architecture architecture = mnist_architecture();
  OnDevice network(GetParam(), architecture, golden_weights(architecture, "init"),
                   golden_forward_images());
  expect_goldens(network.train(), "forward/train", kTraining);
}

TEST_P(CudaActivations, InferenceOnMnist) {
  const Architecture architecture = mnist_architecture();
  OnDevice network(GetParam(), architecture, golden_weights(architecture, "init"),
                   golden_forward_images());
  expect_goldens(network.infer(), "forward/infer", kInference);
}

TEST_P(CudaActivations, OfTheSmallNetworks) {
  for (const SmallCase& c : small_cases()) {
    SCOPED_TRACE(c.folder);
    OnDevice network(GetParam(), c.architecture, golden_weights(c.architecture, c.folder + "/init"),
                     c.images);
    expect_goldens(network.infer(), c.folder + "/infer", kSmallInference);
    expect_goldens(network.train(), c.folder + "/train", kTraining);
  }
}

/// What a fused step does not keep: the last stage's logits and reconstructions.
std::set<std::string> last_stage(const Architecture& architecture) {
  return {cuda::Plan(architecture).stages.back().name, "decoder.sigmoid1"};
}

/// And fused inference: the last map and the logits.
std::set<std::string> tail(const Architecture& architecture) {
  const cuda::Plan plan(architecture);
  const cuda::Stage& stage = plan.stages[plan.stages.size() - 2];
  return {stage.name, layer_of(stage, "lrelu"), layer_of(stage, "bn"), plan.stages.back().name};
}

TEST(FusedActivations, TrainingModeOnMnist) {
  const Architecture architecture = mnist_architecture();
  OnDevice network("emulated_kernels", architecture, golden_weights(architecture, "init"),
                   golden_forward_images());
  expect_goldens(network.train_fused(), "forward/train", kTraining, last_stage(architecture));
}

TEST(FusedActivations, InferenceOnMnist) {
  const Architecture architecture = mnist_architecture();
  OnDevice network("emulated_kernels", architecture, golden_weights(architecture, "init"),
                   golden_forward_images());
  expect_goldens(network.infer_fused(), "forward/infer", kInference, tail(architecture));
}

TEST(FusedActivations, OfTheSmallNetworks) {
  for (const SmallCase& c : small_cases()) {
    SCOPED_TRACE(c.folder);
    OnDevice network("emulated_kernels", c.architecture,
                     golden_weights(c.architecture, c.folder + "/init"), c.images);
    expect_goldens(network.infer_fused(), c.folder + "/infer", kSmallInference,
                   tail(c.architecture));
    expect_goldens(network.train_fused(), c.folder + "/train", kTraining,
                   last_stage(c.architecture));
  }
}

INSTANTIATE_TEST_SUITE_P(Emulated, CudaActivations, testing::ValuesIn(engine_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace oddity::test
