// The convolutions of fused training and inference, forward and backward.
#include <string>
#include <utility>

#include "engine/cuda/selftest.h"
#include "engine/cuda/selftest_map.h"
#include "slices.h"
#include "stage_dense.h"

namespace oddity::cuda {
namespace {

class StageTests {
 public:
  StageTests(cudaStream_t stream, const Plan& plan, int64_t images)
      : stream_(stream), plan_(plan), images_(images) {
    // The second of two batches that take every other image of a set, in the opposite order.
    const int64_t resident = 2 * images + 1;
    std::vector<uint8_t> set;
    for (const float number : random_numbers(resident * plan.image, 32, 0, 256)) {
      set.push_back(static_cast<uint8_t>(number));
    }
    std::vector<uint32_t> order(static_cast<size_t>(images));  // the first batch's: not looked at
    for (int64_t i = 0; i < images; ++i) {
      const int64_t position = resident - 1 - 2 * i;
      order.push_back(static_cast<uint32_t>(position));
      for (int64_t at = position * plan.image; at < (position + 1) * plan.image; ++at) {
        pixels_.push_back(static_cast<double>(set[static_cast<size_t>(at)]) / 255);
      }
    }
    set_ = on_device(set, stream);
    order_ = on_device(order, stream);
    state_ = on_device<kernels::EpochState>({{1}}, stream);
  }

  std::vector<SelfTestResult> run() {
    for (size_t i = 0; i < plan_.stages.size(); ++i) {
      const bool last = i + 1 == plan_.stages.size();  // has a kernel of its own
      if (!last) {
        forward(i);
        infer(i);
      }
      if (i > 0) data_gradient(i);
      weight_gradient(i);
    }
    return std::move(results_);
  }

 private:
  void add(const TestCase& test) { results_.push_back(run_case(test, stream_)); }

  kernels::Conv2dShape shape(size_t i) const { return plan_.stages[i].shape(images_); }
  bool is_transposed(size_t i) const {
    return plan_.stages[i].kind == OperationKind::conv2d_transpose;
  }
  std::vector<float> weights(size_t i) const {
    const kernels::Conv2dShape& of = plan_.stages[i].convolution;
    return random_numbers(of.filters * 9 * of.channels, 30, -0.2f, 0.2f);
  }
  std::vector<float> bias(size_t i) const {
    return random_numbers(plan_.stages[i].out_channels, 31);
  }
  /// The output of the stage before, and of the stage itself.
  RandomMap input_map(size_t i) const { return {plan_.stages[i - 1], images_, 40}; }
  RandomMap output_map(size_t i) const { return {plan_.stages[i], images_, 50}; }

  /// The extents are those of the operation that the kernel computes among others.
  static std::string name(const char* kernel, const OperationSpec& operation) {
    const std::string text = to_string(operation);
    return kernel + text.substr(text.find(' '));
  }

  /// What a stage reads: its numbers, and the operand. The first reads pixels(), the decoder's
  /// first what a dense layer wrote.
  struct Input {
    std::vector<double> numbers;
    MapOf map;
  };
  Input input_of(size_t i, kernels::Normalisation by, Tensors& tensors) const {
    if (i == 0) return {pixels_, [](Pointers) { return kernels::NormalisedMap(); }};
    if (i == plan_.encoder_stages) {
      const std::vector<float> numbers = random_numbers(images_ * plan_.features, 36);
      return {widen(numbers),
              [x = put(tensors, input(numbers)), channels = plan_.stages[i - 1].out_channels](
                  Pointers t) { return as_it_is(t[x], channels); }};
    }
    const RandomMap map = input_map(i);
    return {map.normalised(), by == kernels::Normalisation::moments ? map.by_moments(tensors)
                                                                    : map.by_statistics(tensors)};
  }
  kernels::PixelBatch pixels() const {
    return {kernels::Pixels::u8, set_->data(), order_->data(), state_->data(), images_};
  }

  /// To an ActivationOutput or a PlainOutput.
  template <typename Output>
  void launch(cudaStream_t stream, size_t i, const kernels::NormalisedMap& x, const float* w,
              const Output& y) const {
    if (i == 0) {
      kernels::conv2d_stage(stream, shape(i), pixels(), w, y);
    } else if (is_transposed(i)) {
      kernels::conv2d_transpose_stage(stream, shape(i), x, w, y);
    } else {
      kernels::conv2d_stage(stream, shape(i), x, w, y);
    }
  }

  /// Of training: merges the moments of what it reads, and leaves its own.
  void forward(size_t i) {
    const Stage& stage = plan_.stages[i];
    TestCase test;
    Tensors& tensors = test.tensors;
    Input from = input_of(i, kernels::Normalisation::moments, tensors);
    const size_t w = put(tensors, input(weights(i)));
    const size_t b = put(tensors, input(bias(i)));
    const std::vector<double> result =
        reference(plan_.forward(stage, images_),
                  {std::move(from.numbers), widen(weights(i)), widen(bias(i))});
    const size_t y = put(tensors, output(result));
    const int64_t channels = stage.out_channels;
    const std::vector<float> gamma_values = random_numbers(channels, 33, 0.5f, 1.5f);
    const std::vector<float> beta_values = random_numbers(channels, 34);
    const size_t gamma = put(tensors, input(gamma_values));
    const size_t beta = put(tensors, input(beta_values));
    const size_t statistics =
        put(tensors, output(statistics_of(result, gamma_values, beta_values)));

    const int blocks = is_transposed(i) ? kernels::conv2d_transpose_stage_blocks(shape(i))
                                        : kernels::conv2d_stage_blocks(shape(i));
    const auto moments = [=, rows = images_ * stage.out / channels](void* workspace) {
      auto* const parts = static_cast<float*>(workspace);
      return kernels::Moments{parts, parts + int64_t{2} * blocks * channels, blocks, rows};
    };
    // Behind the moments.
    const int64_t product = (int64_t{2} * channels + 1) * blocks / 4 * 4 + 4;
    test.workspace_bytes = bytes(product + images_);
    test.operation = name(is_transposed(i) ? "conv2d_transpose_stage" : "conv2d_stage",
                          plan_.forward(stage, images_)) +
                     ", moments";
    test.tolerance = kSum;
    test.enqueue = [=, this, map = from.map](cudaStream_t stream, Pointers t, void* workspace) {
      launch(stream, i, map(t), t[w], kernels::ActivationOutput{t[y], t[b], moments(workspace)});
    };
    // The next layer would merge them; here it is one whose product is of no interest.
    test.collect = [=, shape = kernels::DenseShape{images_, stage.out, 1}](
                       cudaStream_t stream, Pointers t, void* workspace) {
      const kernels::NormalisedMap map = {.x = t[y],
                                          .channels = static_cast<int>(channels),
                                          .normalisation = kernels::Normalisation::moments,
                                          .statistics = t[statistics],
                                          .moments = moments(workspace),
                                          .gamma = t[gamma],
                                          .beta = t[beta]};
      kernels::dense_stage(stream, shape, map, t[y], t[gamma],
                           static_cast<float*>(workspace) + product);
    };
    add(test);
  }

  void infer(size_t i) {
    TestCase test;
    Tensors& tensors = test.tensors;
    Input from = input_of(i, kernels::Normalisation::statistics, tensors);
    const size_t w = put(tensors, input(weights(i)));
    const size_t b = put(tensors, input(bias(i)));
    const size_t y = put(
        tensors, output(reference(plan_.forward(plan_.stages[i], images_),
                                  {std::move(from.numbers), widen(weights(i)), widen(bias(i))})));
    test.operation = name(is_transposed(i) ? "conv2d_transpose_stage" : "conv2d_stage",
                          plan_.forward(plan_.stages[i], images_));
    test.tolerance = kSum;
    test.enqueue = [=, this, map = from.map](cudaStream_t stream, Pointers t, void*) {
      launch(stream, i, map(t), t[w], kernels::PlainOutput{t[y], t[b]});
    };
    add(test);
  }

  /// The gradient of a stage's output: its numbers before LeakyReLU and normalisation, and the
  /// operand. That of the last stage are the logits'.
  struct Gradient {
    std::vector<double> numbers;
    GradientOf map;
    MapOf logits;
  };
  Gradient gradient_of(size_t i, Tensors& tensors) const {
    const Stage& stage = plan_.stages[i];
    if (stage.normalized) {
      const RandomMap map = output_map(i);
      return {map.delta(), map.gradient(tensors), {}};
    }
    const std::vector<float> numbers = random_numbers(images_ * stage.out, 35);
    return {widen(numbers),
            {},
            [dy = put(tensors, input(numbers)), channels = stage.out_channels](Pointers t) {
              return as_it_is(t[dy], channels);
            }};
  }

  void data_gradient(size_t i) {
    TestCase test;
    Tensors& tensors = test.tensors;
    Gradient from = gradient_of(i, tensors);
    const size_t w = put(tensors, input(weights(i)));
    const std::vector<double> result = reference(plan_.data_gradient(plan_.stages[i], images_),
                                                 {std::move(from.numbers), widen(weights(i))});
    GradientTarget to;
    if (i == plan_.encoder_stages) {
      to.output = [dx = put(tensors, output(result))](Pointers t, void*) {
        kernels::GradientOutput plain;
        plain.dx = t[dx];
        return plain;
      };
    } else {
      const int blocks = is_transposed(i) ? kernels::conv2d_stage_blocks(shape(i))
                                          : kernels::conv2d_transpose_stage_blocks(shape(i));
      to = input_map(i).gradient_target(result, blocks, tensors);
    }
    test.operation =
        name(is_transposed(i) ? "conv2d_stage_gradient" : "conv2d_transpose_stage_gradient",
             plan_.data_gradient(plan_.stages[i], images_));
    test.tolerance = kSum;
    test.workspace_bytes = to.workspace_bytes;
    test.collect = to.collect;
    test.enqueue = [=, dy = from.map, logits = from.logits, dx = to.output, shape = shape(i),
                    transposed = is_transposed(i)](cudaStream_t stream, Pointers t,
                                                   void* workspace) {
      if (logits) {
        kernels::conv2d_stage_gradient(stream, shape, logits(t), t[w], dx(t, workspace));
      } else if (transposed) {
        kernels::conv2d_stage_gradient(stream, shape, dy(t), t[w], dx(t, workspace));
      } else {
        kernels::conv2d_transpose_stage_gradient(stream, shape, dy(t), t[w], dx(t, workspace));
      }
    };
    add(test);
  }

  void weight_gradient(size_t i) {
    TestCase test;
    Tensors& tensors = test.tensors;
    Input from = input_of(i, kernels::Normalisation::statistics, tensors);
    Gradient of = gradient_of(i, tensors);
    // The large side of a transposed convolution is its output.
    if (is_transposed(i)) std::swap(from.numbers, of.numbers);
    const std::vector<double> result = reference(plan_.weight_gradient(plan_.stages[i], images_),
                                                 {std::move(from.numbers), std::move(of.numbers)});
    const auto size = static_cast<int64_t>(result.size());
    const int slices = kernels::stage_weight_gradient_slices(shape(i));
    const size_t dw = put(tensors, output(result));
    test.operation = name("stage_weight_gradient", plan_.weight_gradient(plan_.stages[i], images_));
    test.tolerance = kSum;
    test.workspace_bytes = bytes(slices * size);
    test.enqueue = [=, this, x = from.map, dy = of.map, logits = of.logits](
                       cudaStream_t stream, Pointers t, void* workspace) {
      auto* const parts = static_cast<float*>(workspace);
      if (logits) {
        kernels::stage_weight_gradient(stream, shape(i), logits(t), x(t), parts);
      } else if (is_transposed(i)) {
        kernels::stage_weight_gradient(stream, shape(i), dy(t), x(t), parts);
      } else if (i == 0) {
        kernels::stage_weight_gradient(stream, shape(i), pixels(), dy(t), parts);
      } else {
        kernels::stage_weight_gradient(stream, shape(i), x(t), dy(t), parts);
      }
    };
    test.collect = [=](cudaStream_t stream, Pointers t, void* workspace) {
      kernels::sum_slices(stream, slices, 1, size, static_cast<float*>(workspace), nullptr, t[dw]);
    };
    add(test);
  }

  cudaStream_t stream_;
  const Plan& plan_;
  int64_t images_;
  std::vector<double> pixels_;  // of the batch
  std::shared_ptr<DeviceBuffer<uint8_t>> set_;
  std::shared_ptr<DeviceBuffer<uint32_t>> order_;
  std::shared_ptr<DeviceBuffer<kernels::EpochState>> state_;
  std::vector<SelfTestResult> results_;
};

}  // namespace

std::vector<SelfTestResult> selftest_stages(cudaStream_t stream, const Plan& plan, int64_t images) {
  return StageTests(stream, plan, images).run();
}

}  // namespace oddity::cuda
