// The kernels that are no operations: what stands between pixels and the first layer, between
// layers, and behind the last.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "activation.h"
#include "adam.h"
#include "bias.h"
#include "engine/cuda/reference_operation.h"
#include "engine/cuda/selftest.h"
#include "engine/cuda/selftest_case.h"
#include "images.h"
#include "loss.h"
#include "select.h"

namespace oddity::cuda {
namespace {

using kernels::Epilogue;

// Selections, and divisions that are rounded once: the very bits.
constexpr double kExact = 0;
// A few roundings of 6e-8 each, and device functions good to two units in the last place.
constexpr double kFewRoundings = 1e-6;
constexpr auto kSlope = static_cast<double>(kernels::kLeakyReluSlope);
constexpr auto kEpsilon = static_cast<double>(kernels::kBatchNormEpsilon);

class KernelTests {
 public:
  KernelTests(cudaStream_t stream, const Plan& plan, int64_t images)
      : stream_(stream), plan_(plan), images_(images) {}

  std::vector<SelfTestResult> run() {
    pixels<uint8_t>(kernels::Pixels::u8, "uint8");
    pixels<uint16_t>(kernels::Pixels::u16, "uint16");
    pixels<float>(kernels::Pixels::f32, "float32");
    for (const Stage& stage : plan_.stages) {
      layer(stage);
      if (stage.normalized) norm(stage);
    }
    loss();
    adam();
    finish_step();
    select();
    return std::move(results_);
  }

 private:
  void add(const TestCase& test) { results_.push_back(run_case(test, stream_)); }

  template <typename Pixel>
  void pixels(kernels::Pixels type, const char* name) {
    const int64_t size = plan_.image;
    const int64_t resident = 2 * images_ + 3;
    std::vector<Pixel> values;
    std::vector<float> units;
    for (const float number : random_numbers(resident * size, 1, 0, 1)) {
      if constexpr (std::is_same_v<Pixel, float>) {
        values.push_back(number);
        units.push_back(number);
      } else {
        constexpr float kMost = std::numeric_limits<Pixel>::max();
        values.push_back(static_cast<Pixel>(number * kMost));
        units.push_back(static_cast<float>(values.back()) / kMost);
      }
    }
    const auto images = on_device(values, stream_);
    const auto expect = [&](const std::vector<uint32_t>& positions) {
      std::vector<double> expected;
      for (const uint32_t position : positions) {
        const auto image = units.begin() + position * size;
        expected.insert(expected.end(), image, image + size);
      }
      return expected;
    };

    constexpr int64_t kFirst = 3;
    std::vector<uint32_t> in_order(static_cast<size_t>(images_));
    for (size_t i = 0; i < in_order.size(); ++i) in_order[i] = static_cast<uint32_t>(kFirst + i);
    add({.operation = fmt::format("load_images {}x{}, {}", images_, size, name),
         .tolerance = kExact,
         .tensors = {output(expect(in_order))},
         .enqueue = [=, n = images_](cudaStream_t stream, Pointers t, void*) {
           kernels::load_images(stream, type, images->data(), size, kFirst, n, t[0]);
         }});

    // The second of two steps of an epoch, without its first image.
    std::vector<uint32_t> order(static_cast<size_t>(2 * images_));
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<uint32_t>((i * 7 + 3) % static_cast<size_t>(resident));
    }
    const auto positions = on_device(order, stream_);
    const auto state = on_device<kernels::EpochState>({{1}}, stream_);
    add({.operation = fmt::format("gather_images {}x{}, {}", images_ - 1, size, name),
         .tolerance = kExact,
         .tensors = {output(expect({order.begin() + images_ + 1, order.end()}))},
         .enqueue = [=, n = images_](cudaStream_t stream, Pointers t, void*) {
           kernels::gather_images(stream, type, images->data(), size, positions->data(),
                                  state->data(), n, 1, n - 1, t[0]);
         }});
  }

  /// LeakyReLU and bias of a convolution's output.
  void layer(const Stage& stage) {
    const int64_t channels = stage.out_channels;
    const int64_t rows = images_ * stage.out / channels;
    const std::vector<float> x = random_numbers(rows * channels, 2);
    const std::vector<float> dy = random_numbers(rows * channels, 3);
    const std::vector<float> bias = random_numbers(channels, 4);
    std::vector<double> activated = widen(x);
    std::vector<double> with_bias = widen(x);
    std::vector<double> dx = widen(dy);
    std::vector<double> db(bias.size());
    for (size_t i = 0; i < x.size(); ++i) {
      if (x[i] <= 0) activated[i] *= kSlope;
      if (x[i] <= 0) dx[i] *= kSlope;
      with_bias[i] += static_cast<double>(bias[i % bias.size()]);
      if (with_bias[i] <= 0) with_bias[i] *= kSlope;
      db[i % bias.size()] += static_cast<double>(dy[i]);
    }
    const std::string extents = fmt::format("{}x{}", rows, channels);
    const int64_t n = rows * channels;
    add({.operation = "leaky_relu " + extents,
         .tolerance = kFewRoundings,
         .tensors = {input(x), output(std::move(activated))},
         .enqueue = [n](cudaStream_t stream, Pointers t, void*) {
           kernels::leaky_relu(stream, n, t[0], kernels::kLeakyReluSlope, t[1]);
         }});
    add({.operation = "leaky_relu_backward " + extents,
         .tolerance = kFewRoundings,
         .tensors = {input(x), input(dy), output(std::move(dx))},
         .enqueue = [n](cudaStream_t stream, Pointers t, void*) {
           kernels::leaky_relu_backward(stream, n, t[0], t[1], kernels::kLeakyReluSlope, t[2]);
         }});
    add({.operation = fmt::format("bias_epilogue {}, bias, leaky_relu", extents),
         .tolerance = kFewRoundings,
         .tensors = {input(x), input(bias), output(std::move(with_bias))},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::bias_epilogue(stream, rows, channels, t[0], t[1], Epilogue::bias_leaky_relu,
                                  t[2]);
         }});
    add({.operation = "bias_gradient " + extents,
         .tolerance = kSum,
         .tensors = {input(dy), output(std::move(db))},
         .workspace_bytes = bytes(kernels::bias_gradient_workspace(rows, channels)),
         .enqueue = [=](cudaStream_t stream, Pointers t, void* workspace) {
           kernels::bias_gradient(stream, rows, channels, t[0], t[1],
                                  static_cast<float*>(workspace));
         }});
  }

  /// What batch normalisation does around its operations.
  void norm(const Stage& stage) {
    const kernels::BatchNormShape shape = Plan::map_of(stage, images_);
    const int64_t channels = shape.channels;
    const std::vector<float> gamma = random_numbers(channels, 5, 0.5f, 1.5f);
    const std::vector<float> beta = random_numbers(channels, 6);
    const std::vector<float> mean = random_numbers(channels, 7);
    const std::vector<float> variance = random_numbers(channels, 8, 0.5f, 1.5f);
    std::vector<double> scale = widen(gamma);
    std::vector<double> shift = widen(beta);
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] /= std::sqrt(static_cast<double>(variance[c]) + kEpsilon);
      shift[c] -= static_cast<double>(mean[c]) * scale[c];
    }
    add({.operation = fmt::format("batch_norm_fold {}", channels),
         .tolerance = kFewRoundings,
         .tensors = {input(gamma), input(beta), input(mean), input(variance), output(scale),
                     output(shift)},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::batch_norm_fold(stream, channels, t[0], t[1], t[2], t[3], t[4], t[5]);
         }});

    const std::vector<float> x = random_numbers(shape.rows * channels, 9);
    std::vector<double> y = widen(x);
    for (size_t i = 0; i < y.size(); ++i) {
      const size_t c = i % gamma.size();
      y[i] = y[i] * static_cast<double>(gamma[c]) + static_cast<double>(beta[c]);
    }
    add({.operation = fmt::format("batch_norm_inference {}x{}", shape.rows, channels),
         .tolerance = kFewRoundings,
         .tensors = {input(x), input(gamma), input(beta), output(std::move(y))},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::batch_norm_inference(stream, shape, t[0], t[1], t[2], t[3]);
         }});

    // Of a deviation near 1, so that the variance behind it is well above epsilon.
    const std::vector<float>& inverse_deviation = gamma;
    std::vector<double> moved_mean = widen(beta);
    std::vector<double> moved_variance = widen(variance);
    const auto kept = static_cast<double>(kernels::kBatchNormMomentum);
    for (size_t c = 0; c < moved_mean.size(); ++c) {
      const double of_batch = 1 / std::pow(static_cast<double>(inverse_deviation[c]), 2) - kEpsilon;
      moved_mean[c] = kept * moved_mean[c] + (1 - kept) * static_cast<double>(mean[c]);
      moved_variance[c] = kept * moved_variance[c] + (1 - kept) * of_batch;
    }
    add({.operation = fmt::format("batch_norm_moving {}", channels),
         .tolerance = kFewRoundings,
         .tensors = {input(mean),
                     input(inverse_deviation),
                     {beta, moved_mean},
                     {variance, moved_variance}},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::batch_norm_moving(stream, channels, t[0], t[1], t[2], t[3]);
         }});
  }

  void loss() {
    const int64_t size = plan_.image;
    const std::vector<float> logits = random_numbers(images_ * size, 10, -4, 4);
    const std::vector<float> x = random_numbers(images_ * size, 11, 0, 1);
    std::vector<double> y = widen(logits);
    std::vector<double> errors(static_cast<size_t>(images_));
    std::vector<double> gradient(y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      y[i] = 1 / (1 + std::exp(-y[i]));
      const double difference = y[i] - static_cast<double>(x[i]);
      errors[i / static_cast<size_t>(size)] += difference * difference / static_cast<double>(size);
      gradient[i] = 2 / static_cast<double>(images_ * size) * difference * y[i] * (1 - y[i]);
    }
    std::vector<double> squares = widen(logits);
    for (size_t i = 0; i < squares.size(); ++i) {
      squares[i] =
          (squares[i] - static_cast<double>(x[i])) * (squares[i] - static_cast<double>(x[i]));
    }
    const std::string extents = fmt::format("{}x{}", images_, size);
    const int64_t n = images_;
    add({.operation = "sigmoid " + extents,
         .tolerance = kFewRoundings,
         .tensors = {input(logits), output(std::move(y))},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::sigmoid(stream, n * size, t[0], t[1]);
         }});
    add({.operation = "squared_difference " + extents,
         .tolerance = kFewRoundings,
         .tensors = {input(logits), input(x), output(std::move(squares))},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::squared_difference(stream, n * size, t[0], t[1], t[2]);
         }});
    add({.operation = "sigmoid_mse " + extents,
         .tolerance = kSum,
         .tensors = {input(logits), input(x), output(errors)},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::sigmoid_mse(stream, n, size, t[0], t[1], t[2]);
         }});
    add({.operation = "sigmoid_mse_backward " + extents,
         .tolerance = kSum,
         .tensors = {input(logits), input(x), output(errors), output(std::move(gradient))},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::sigmoid_mse_backward(stream, n, size, t[0], t[1], t[2], t[3]);
         }});
  }

  /// The third step of an epoch.
  void adam() {
    const int64_t n = plan_.parameters;
    const std::vector<float> rates = {9, 9, 1e-3f, 9};
    const std::vector<float> g = random_numbers(n, 12);
    const std::vector<float> w = random_numbers(n, 13);
    const std::vector<float> m = random_numbers(n, 14);
    const std::vector<float> v = random_numbers(n, 15, 0, 1);
    std::vector<double> new_w = widen(w);
    std::vector<double> new_m = widen(m);
    std::vector<double> new_v = widen(v);
    for (size_t i = 0; i < g.size(); ++i) {
      reference_adam(static_cast<double>(g[i]), static_cast<double>(rates[2]), new_w[i], new_m[i],
                     new_v[i]);
    }
    const auto state = on_device<kernels::EpochState>({{2}}, stream_);
    add({.operation = fmt::format("adam {}", n),
         .tolerance = kFewRoundings,
         .tensors = {input(g), input(rates), {w, new_w}, {m, new_m}, {v, new_v}},
         .enqueue = [=](cudaStream_t stream, Pointers t, void*) {
           kernels::adam(stream, n, t[0], t[1], state->data(), t[2], t[3], t[4]);
         }});
  }

  /// Two steps. What it writes is not float32, so that its results are looked at here.
  void finish_step() {
    // Multiples of 2⁻²⁴: in float64 their sum is exact, in whatever order it is made.
    const std::vector<float> errors = random_numbers(images_, 16, 0, 1);
    double sum = 0;
    for (const float error : errors) sum += static_cast<double>(error);
    constexpr int64_t kMostSteps = 16;  // more than are made below
    const auto device_errors = on_device(errors, stream_);
    const auto state = on_device<kernels::EpochState>({{0}}, stream_);
    MappedBuffer<double> losses(kMostSteps);
    MappedBuffer<uint64_t> done(1);
    std::fill_n(losses.host(), kMostSteps, std::numeric_limits<double>::quiet_NaN());
    *done.host() = 0;
    const auto enqueue = [&] {
      kernels::finish_step(stream_, images_, device_errors->data(), state->data(),
                           {losses.device(), done.device()});
    };
    enqueue();
    enqueue();
    check(cudaStreamSynchronize(stream_));
    SelfTestResult result{fmt::format("finish_step {}", images_), "kernels", 0, kExact, 0};
    const bool right = losses.host()[0] == sum && losses.host()[1] == sum &&
                       std::isnan(losses.host()[2]) && *done.host() == 2;
    if (!right) result.error = std::numeric_limits<double>::quiet_NaN();
    result.microseconds = median_microseconds(stream_, enqueue);
    results_.push_back(result);
  }

  /// Order statistics with ties around them.
  void select() {
    constexpr int64_t kCount = 10007;
    constexpr uint64_t kLower = 9996;
    std::vector<float> x = random_numbers(kCount, 17, 0, 1);
    for (size_t i = 0; i < x.size(); i += 3) x[i] = x[0];
    std::vector<float> sorted = x;
    std::sort(sorted.begin(), sorted.end());
    // Selection: two floats, then a count of NaN, which is 0 here: two floats of zero bits.
    static_assert(offsetof(kernels::Selection, nan_count) == 2 * sizeof(float));
    TestTensor selection{unwritten(sizeof(kernels::Selection) / sizeof(float)), {}};
    selection.expected = {static_cast<double>(sorted[kLower]),
                          static_cast<double>(sorted[kLower + 1]), 0, 0};
    add({.operation = fmt::format("select {}", kCount),
         .tolerance = kExact,
         .tensors = {input(std::move(x)), std::move(selection)},
         .workspace_bytes = kernels::select_workspace(),
         .enqueue = [](cudaStream_t stream, Pointers t, void* workspace) {
           kernels::select(stream, t[0], kCount, kLower, kLower + 1,
                           reinterpret_cast<kernels::Selection*>(t[1]), workspace);
         }});
  }

  cudaStream_t stream_;
  const Plan& plan_;
  int64_t images_;
  std::vector<SelfTestResult> results_;
};

}  // namespace

std::vector<SelfTestResult> selftest_kernels(cudaStream_t stream, const Plan& plan,
                                             int64_t images) {
  return KernelTests(stream, plan, images).run();
}

}  // namespace oddity::cuda
