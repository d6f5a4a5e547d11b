// The kernels of fused training and inference that are no stage's convolution: dense layers, the
// end of the forward pass, the end of a step.
#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "decoder_tail.h"
#include "engine/cuda/fused_plan.h"
#include "engine/cuda/reference_operation.h"
#include "engine/cuda/selftest.h"
#include "engine/cuda/selftest_map.h"
#include "last_stage.h"
#include "slices.h"
#include "stage_dense.h"

namespace oddity::cuda {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

class FusedTests {
 public:
  FusedTests(cudaStream_t stream, const Plan& plan, int64_t images)
      : stream_(stream), plan_(plan), images_(images) {}

  std::vector<SelfTestResult> run() {
    encode();
    encode_gradient();
    dense_weight_gradients();
    decode();
    last_stage();
    decoder_tail();
    update();
    return std::move(results_);
  }

 private:
  void add(const TestCase& test) { results_.push_back(run_case(test, stream_)); }

  const Stage& encoded() const { return plan_.stages[plan_.encoder_stages - 1]; }
  RandomMap encoded_map() const { return {encoded(), images_, 40}; }
  kernels::DenseShape first() const { return {images_, plan_.features, plan_.latent}; }
  kernels::DenseShape second() const { return {images_, plan_.latent, plan_.features}; }
  static std::string extents(const kernels::DenseShape& shape) {
    return fmt::format("{}x{} -> {}x{}", shape.images, shape.inputs, shape.images, shape.outputs);
  }
  std::vector<float> dense_weights() const {
    return random_numbers(plan_.features * plan_.latent, 30);
  }
  std::vector<float> latent() const { return random_numbers(images_ * plan_.latent, 31); }
  std::vector<float> hidden() const { return random_numbers(images_ * plan_.features, 32); }

  /// The encoder's dense layer, of training and of inference.
  void encode() {
    const RandomMap map = encoded_map();
    const std::vector<float> bias = random_numbers(plan_.latent, 33);
    const std::vector<double> result =
        reference(plan_.encode(images_, OperationKind::dense),
                  {map.normalised(), widen(dense_weights()), widen(bias)});
    TestCase training{.operation = "dense_stage " + extents(first()), .tolerance = kSum};
    TestCase inference{.operation = "dense_parts " + extents(first()), .tolerance = kSum};
    const MapOf by_moments = map.by_moments(training.tensors);
    const MapOf by_statistics = map.by_statistics(inference.tensors);
    for (TestCase* const test : {&training, &inference}) {
      put(test->tensors, input(dense_weights()));
      put(test->tensors, input(bias));
      put(test->tensors, output(result));
    }
    training.enqueue = [=, shape = first()](cudaStream_t stream, Pointers t, void*) {
      const Pointers layer = t.last(3);
      kernels::dense_stage(stream, shape, by_moments(t), layer[0], layer[1], layer[2]);
    };
    add(training);
    inference.workspace_bytes = bytes(kernels::dense_workspace(first()));
    const int64_t slices = kernels::dense_slices(first());
    inference.enqueue = [=, shape = first()](cudaStream_t stream, Pointers t, void* workspace) {
      const Pointers layer = t.last(3);
      kernels::dense_parts(stream, shape, by_statistics(t), layer[0], layer[1],
                           slices > 1 ? static_cast<float*>(workspace) : layer[2]);
    };
    inference.collect = [=, shape = first()](cudaStream_t stream, Pointers t, void* workspace) {
      if (slices == 1) return;
      const Pointers layer = t.last(3);
      kernels::sum_slices(stream, slices, shape.images, shape.outputs,
                          static_cast<const float*>(workspace), layer[1], layer[2]);
    };
    add(inference);
  }

  void encode_gradient() {
    TestCase test{.operation = "dense_stage_gradient " + extents(first()), .tolerance = kSum};
    const size_t dy = put(test.tensors, input(latent()));
    const size_t w = put(test.tensors, input(dense_weights()));
    const auto channels = static_cast<int>(encoded().out_channels);
    const GradientTarget to = encoded_map().gradient_target(
        reference(plan_.encode(images_, OperationKind::dense_data_gradient),
                  {widen(latent()), widen(dense_weights())}),
        kernels::dense_stage_blocks(first(), channels), test.tensors);
    test.workspace_bytes = to.workspace_bytes;
    test.collect = to.collect;
    test.enqueue = [=, shape = first(), dx = to.output](cudaStream_t stream, Pointers t,
                                                        void* workspace) {
      kernels::dense_stage_gradient(stream, shape, channels, t[dy], t[w], dx(t, workspace));
    };
    add(test);
  }

  void dense_weight_gradients() {
    TestCase test{.operation = fmt::format("dense_stage_weight_gradients {}, {}", extents(first()),
                                           extents(second())),
                  .tolerance = kSum};
    Tensors& tensors = test.tensors;
    const RandomMap map = encoded_map();
    const std::vector<float> code = random_numbers(images_ * plan_.latent, 34);
    const MapOf x = map.by_statistics(tensors);
    const size_t dy = put(tensors, input(latent()));
    const size_t dw =
        put(tensors, output(reference(plan_.encode(images_, OperationKind::dense_weight_gradient),
                                      {map.normalised(), widen(latent())})));
    const size_t z = put(tensors, input(code));
    const size_t dh = put(tensors, input(hidden()));
    const size_t dv =
        put(tensors, output(reference(plan_.decode(images_, OperationKind::dense_weight_gradient),
                                      {widen(code), widen(hidden())})));
    test.enqueue = [=, encoder = first(), decoder = second()](cudaStream_t stream, Pointers t,
                                                              void*) {
      constexpr int64_t kAnyChannels = 4;  // as fused_plan.cc has it
      kernels::dense_stage_weight_gradients(stream, {encoder, x(t), t[dy], t[dw]},
                                            {decoder, as_it_is(t[z], kAnyChannels), t[dh], t[dv]});
    };
    add(test);
  }

  void decode() {
    TestCase test{.operation = "dense_whole " + extents(second()), .tolerance = kSum};
    const std::vector<float> bias = random_numbers(plan_.features, 35);
    test.tensors = {input(latent()), input(dense_weights()), input(bias),
                    output(reference(plan_.decode(images_, OperationKind::dense),
                                     {widen(latent()), widen(dense_weights()), widen(bias)}))};
    test.enqueue = [shape = second()](cudaStream_t stream, Pointers t, void*) {
      kernels::dense_whole(stream, shape, t[0], t[1], t[2], t[3]);
    };
    add(test);
  }

  const Stage& last() const { return plan_.stages.back(); }
  static std::string extents(const kernels::Conv2dShape& shape) {
    return fmt::format("{}x{}x{}x{}", shape.images, shape.height, shape.width, shape.channels);
  }
  std::vector<float> pixels() const { return random_numbers(images_ * plan_.image, 36, 0, 1); }
  /// Small ones, so that logits are a few at most: elsewhere the sigmoid's slope is nothing.
  std::vector<float> last_weights() const {
    const kernels::Conv2dShape& shape = last().convolution;
    return random_numbers(shape.filters * 9 * shape.channels, 37, -0.05f, 0.05f);
  }
  std::vector<float> last_bias() const { return random_numbers(last().out_channels, 38); }
  /// Of the decoder's last map.
  std::vector<double> reconstructions(std::vector<double> map) const {
    std::vector<double> y = reference(plan_.forward(last(), images_),
                                      {std::move(map), widen(last_weights()), widen(last_bias())});
    for (double& number : y) number = sigmoid(number);
    return y;
  }

  void last_stage() {
    const RandomMap map(plan_.stages[plan_.stages.size() - 2], images_, 40);
    const std::vector<double> y = reconstructions(map.normalised());
    const std::vector<float> x = pixels();
    const auto channels = static_cast<size_t>(last().out_channels);
    std::vector<double> dx(y.size()), squares(channels), sums(channels);
    for (size_t i = 0; i < y.size(); ++i) {
      const double difference = y[i] - static_cast<double>(x[i]);
      dx[i] = 2 / static_cast<double>(y.size()) * difference * y[i] * (1 - y[i]);
      squares[i % channels] += difference * difference;
      sums[i % channels] += dx[i];
    }
    TestCase test{.operation = "last_stage " + extents(last().shape(images_)), .tolerance = kSum};
    const MapOf from = map.by_moments(test.tensors);
    const size_t begin = test.tensors.size();
    test.tensors.push_back(input(last_weights()));
    test.tensors.push_back(input(last_bias()));
    test.tensors.push_back(input(x));
    for (std::vector<double>* const result : {&dx, &squares, &sums}) {
      test.tensors.push_back(output(std::move(*result)));
    }
    // The step, an int64, as two floats: that of step 1 has bits, and they are compared exactly.
    constexpr int64_t kStep = 1;
    const auto step = std::bit_cast<std::array<float, 2>>(kStep);
    test.tensors.push_back(output({step.begin(), step.end()}));
    const auto state = on_device<kernels::EpochState>({{kStep}}, stream_);

    const kernels::Conv2dShape shape = last().shape(images_);
    const int64_t blocks = images_ * kernels::last_stage_blocks(shape);
    const auto parts = [=](void* workspace, int64_t which) {
      return static_cast<float*>(workspace) + which * blocks * shape.channels;
    };
    test.workspace_bytes = bytes(2 * blocks * shape.channels);
    test.enqueue = [=](cudaStream_t stream, Pointers all, void* workspace) {
      const Pointers t = all.subspan(begin);
      kernels::last_stage(
          stream, shape, from(all), t[0], t[1],
          {.type = kernels::Pixels::f32, .pixels = t[2], .state = state->data()},
          {t[3], parts(workspace, 0), parts(workspace, 1), reinterpret_cast<int64_t*>(t[6])});
    };
    test.collect = [=](cudaStream_t stream, Pointers all, void* workspace) {
      for (const int64_t which : {0, 1}) {
        kernels::sum_slices(stream, blocks, 1, shape.channels, parts(workspace, which), nullptr,
                            all[begin + 4 + static_cast<size_t>(which)]);
      }
    };
    add(test);
  }

  void decoder_tail() {
    const size_t i = plan_.stages.size() - 2;
    const Stage& stage = plan_.stages[i];
    const auto channels = static_cast<size_t>(stage.out_channels);
    const std::vector<float> w =
        random_numbers(stage.convolution.filters * 9 * stage.convolution.channels, 39, -0.2f, 0.2f);
    const std::vector<float> bias = random_numbers(stage.out_channels, 60);
    const std::vector<float> statistics =
        random_numbers(kernels::kStatistics * stage.out_channels, 61);
    Tensors tensors;
    MapOf from;
    std::vector<double> numbers;
    if (i == plan_.encoder_stages) {  // reads what a dense layer wrote
      numbers = widen(hidden());
      from = [x = put(tensors, input(hidden())), of = encoded().out_channels](Pointers t) {
        return as_it_is(t[x], of);
      };
    } else {
      const RandomMap map(plan_.stages[i - 1], images_, 40);
      numbers = map.normalised();
      from = map.by_statistics(tensors);
    }
    const size_t begin = tensors.size();
    for (const std::vector<float>& layer :
         {w, bias, statistics, last_weights(), last_bias(), pixels()}) {
      tensors.push_back(input(layer));
    }
    std::vector<double> map =
        reference(plan_.forward(stage, images_), {std::move(numbers), widen(w), widen(bias)});
    for (size_t n = 0; n < map.size(); ++n) {
      const auto of_channel = [&](kernels::Statistic which) {
        return static_cast<double>(statistics[which * channels + n % channels]);
      };
      map[n] = map[n] * of_channel(kernels::kScale) + of_channel(kernels::kShift);
    }
    const std::vector<double> y = reconstructions(std::move(map));
    const std::vector<float> x = pixels();
    std::vector<double> squares(y.size()), errors(static_cast<size_t>(images_));
    for (size_t n = 0; n < y.size(); ++n) {
      squares[n] = (y[n] - static_cast<double>(x[n])) * (y[n] - static_cast<double>(x[n]));
      errors[n / static_cast<size_t>(plan_.image)] += squares[n] / static_cast<double>(plan_.image);
    }
    const kernels::Conv2dShape shape = stage.shape(images_);
    const int64_t regions = kernels::decoder_tail_regions(shape, last().out_channels);
    const auto run = [=, image_channels = static_cast<int>(last().out_channels)](
                         cudaStream_t stream, Pointers all, kernels::TailResult result, float* to) {
      const Pointers t = all.subspan(begin);
      kernels::decoder_tail(stream,
                            {.stage = shape,
                             .w = t[0],
                             .bias = t[1],
                             .statistics = t[2],
                             .channels = image_channels,
                             .last_w = t[3],
                             .last_bias = t[4]},
                            from(all), {.type = kernels::Pixels::f32, .pixels = t[5]}, result, to);
    };
    const auto add_result = [&](const char* name, kernels::TailResult result,
                                const std::vector<double>& expected) {
      TestCase test{
          .operation = fmt::format("decoder_tail {}, {}", extents(last().shape(images_)), name),
          .tolerance = kSum,
          .tensors = tensors};
      test.tensors.push_back(output(expected));
      if (result != kernels::TailResult::errors) {
        test.enqueue = [=](cudaStream_t stream, Pointers t, void*) {
          run(stream, t, result, t.back());
        };
        return add(test);
      }
      test.workspace_bytes = bytes(regions * images_);
      test.enqueue = [=](cudaStream_t stream, Pointers t, void* workspace) {
        run(stream, t, result, static_cast<float*>(workspace));
      };
      test.collect = [=, images = images_](cudaStream_t stream, Pointers t, void* workspace) {
        kernels::sum_slices(stream, regions, images, 1, static_cast<float*>(workspace), nullptr,
                            t.back());
      };
      add(test);
    };
    add_result("reconstructions", kernels::TailResult::reconstructions, y);
    add_result("squared differences", kernels::TailResult::squared_differences, squares);
    add_result("errors", kernels::TailResult::errors, errors);
  }

  /// Of the third step of an epoch, which has left random numbers everywhere.
  void update() {
    const FusedMemory size(plan_, images_, nullptr);
    const std::vector<float> numbers =
        random_numbers(size.bytes / static_cast<int64_t>(sizeof(float)), 62);
    const auto left = on_device(numbers, stream_);
    const FusedMemory memory(plan_, images_, reinterpret_cast<std::byte*>(left->data()));
    const auto number = [&](const float* at) {
      return static_cast<double>(numbers[static_cast<size_t>(at - left->data())]);
    };
    const std::vector<kernels::UpdatePart> parts = fused_updates(plan_, memory);
    const auto table = on_device(parts, stream_);

    const std::vector<float> rates = {9, 9, 1e-3f, 9};
    constexpr int64_t kStep = 2;
    const std::vector<float> w = random_numbers(plan_.parameters, 63);
    const std::vector<float> m = random_numbers(plan_.parameters, 64);
    const std::vector<float> v = random_numbers(plan_.parameters, 65, 0, 1);
    const std::vector<float> moving = random_numbers(plan_.moving, 66);
    std::vector<double> new_w = widen(w), new_m = widen(m), new_v = widen(v);
    std::vector<double> new_moving = widen(moving);
    for (const kernels::UpdatePart& part : parts) {
      if (part.first > 0) continue;  // the rest of an update that was begun
      for (int64_t i = 0; i < part.update.count; ++i) {
        const auto at = static_cast<size_t>(part.update.target + i);
        if (part.update.kind == kernels::UpdateKind::moving) {
          const auto kept = static_cast<double>(kernels::kBatchNormMomentum);
          new_moving[at] = kept * new_moving[at] + (1 - kept) * number(part.update.source + i);
        } else {
          reference_adam(gradient(part.update, i, number), static_cast<double>(rates[kStep]),
                         new_w[at], new_m[at], new_v[at]);
        }
      }
    }
    const int64_t squares = memory.last_blocks * last().out_channels;
    double loss = 0;
    for (int64_t i = 0; i < squares; ++i) loss += number(memory.last.squares + i);
    loss /= static_cast<double>(plan_.image);

    const auto step = on_device<int64_t>({kStep}, stream_);
    const auto state = on_device<kernels::EpochState>({{kStep}}, stream_);
    const auto on_device_rates = on_device(rates, stream_);
    MappedBuffer<double> losses(kStep + 1);
    MappedBuffer<uint64_t> done(1);
    losses.host()[kStep] = std::numeric_limits<double>::quiet_NaN();
    *done.host() = 0;
    TestCase test{.operation = fmt::format("update {}", plan_.parameters),
                  .tolerance = kSum,
                  .tensors = {{w, new_w}, {m, new_m}, {v, new_v}, {moving, new_moving}}};
    test.enqueue = [&](cudaStream_t stream, Pointers t, void*) {
      kernels::update(
          stream, table->data(), table->size(),
          {step->data(), on_device_rates->data(), memory.last.squares, squares, plan_.image},
          {t[0], t[1], t[2], t[3], state->data(), {losses.device(), done.device()}});
    };
    add(test);
    // What the host watches is not float32: looked at here.
    const bool right = std::abs(losses.host()[kStep] - loss) <= 1e-12 * std::abs(loss) + 1e-12 &&
                       *done.host() == kStep + 1;
    if (!right) results_.back().error = std::numeric_limits<double>::quiet_NaN();
  }

  /// Of number i of an update that moves weights.
  template <typename Number>
  static double gradient(const kernels::Update& update, int64_t i, const Number& number) {
    const auto sum = [&](int64_t offset) {
      double all = 0;
      for (int64_t slice = 0; slice < update.slices; ++slice) {
        all += number(update.source + slice * update.stride + offset + i);
      }
      return all;
    };
    if (update.kind == kernels::UpdateKind::weights) return sum(0);
    const auto of = [&](kernels::GradientSum which) { return sum(which * update.count); };
    const auto rows = static_cast<double>(update.rows);
    const double positive = of(kernels::kPositiveDy) -
                            of(kernels::kPositiveCount) * of(kernels::kDy) / rows -
                            of(kernels::kPositiveZ) * of(kernels::kDyZ) / rows;
    return (1 - static_cast<double>(kernels::kLeakyReluSlope)) *
           number(update.statistics + kernels::kScale * update.count + i) * positive;
  }

  cudaStream_t stream_;
  const Plan& plan_;
  int64_t images_;
  std::vector<SelfTestResult> results_;
};

}  // namespace

std::vector<SelfTestResult> selftest_fused(cudaStream_t stream, const Plan& plan, int64_t images) {
  return FusedTests(stream, plan, images).run();
}

}  // namespace oddity::cuda
