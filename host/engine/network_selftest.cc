#include "engine/network_selftest.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "core/random.h"
#include "engine/reference_network.h"

namespace oddity {
namespace {

// Odd, so that a kernel that takes images in pairs has a last one alone.
constexpr size_t kImages = 3;
constexpr uint64_t kSeed = 42;
constexpr int kRuns = 5;
constexpr auto kTenth = static_cast<double>(0.1f);  // 1 − β₁ as engines compute it

// tf32 keeps 10 bits of factors, fp16 the same and fewer numbers near 0.
constexpr double kFewBits = 1e-2;

struct Tolerances {
  double forward;   // of the largest number of the result
  double gradient;  // of the length of the gradient
};

/// Forward, fp32: products round to 6e-8, and a sum of a few thousand of them, layer after layer,
/// loses some units more; implementations differ by 1e-6 at most. tf32: factors keep 10 bits, so
/// each is off by up to 2⁻¹¹ = 5e-4, each product by twice that; the sums of up to nine layers take
/// that on, which random signs keep near the root of nine.
///
/// Gradients: where an activation lies so near to 0 that rounding turns its sign, LeakyReLU's
/// gradient jumps from 1 to .2 there. One of the few thousand of the smallest layer moves a
/// gradient by about a hundredth of its length; in fp32 it is rare, in tf32 there are always some.
/// Wrong formulas are wrong by the whole length.
Tolerances tolerances(Precision precision) {
  return precision == Precision::tf32 ? Tolerances{kFewBits, 0.15} : Tolerances{1e-5, 1e-2};
}

/// Initial weights, those that start as 0 or 1 moved away from it.
Weights random_weights(const Architecture& architecture) {
  Weights weights = initial_weights(architecture, kSeed);
  Philox random(kSeed, /*stream=*/1000);
  for (Tensor& tensor : weights.tensors()) {
    if (tensor.name.ends_with(".kernel")) continue;
    for (float& value : tensor.values) value += 0.6f * random.uniform() - 0.3f;
  }
  return weights;
}

ImageArray random_images(const ImageShape& shape) {
  ImageArray images(PixelType::u8, shape, kImages);
  Philox random(kSeed, /*stream=*/1001);
  for (size_t i = 0; i < kImages * static_cast<size_t>(shape.size()); ++i) {
    images.data()[i] = static_cast<std::byte>(random());
  }
  return images;
}

std::vector<double> widen(const ImageView& images) {
  std::vector<double> wide;
  std::vector<float> image(static_cast<size_t>(images.shape.size()));
  for (size_t i = 0; i < images.count; ++i) {
    to_float(images, i, image.data());
    wide.insert(wide.end(), image.begin(), image.end());
  }
  return wide;
}

/// The largest difference, of the largest number expected; NaN where anything is.
double error_of(const std::vector<float>& actual, const std::vector<double>& expected) {
  double difference = 0;
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double here = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (!std::isfinite(here)) return std::numeric_limits<double>::quiet_NaN();
    difference = std::max(difference, here);
    largest = std::max(largest, std::abs(expected[i]));
  }
  return difference / largest;
}

/// Microseconds of the median run, as the caller sees it: with all copies.
double median_time(const std::function<void()>& run) {
  std::vector<double> times;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::micro> elapsed =
        std::chrono::steady_clock::now() - start;
    times.push_back(elapsed.count());
  }
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  return times[kRuns / 2];
}

class NetworkTest {
 public:
  NetworkTest(Engine& engine, const Architecture& architecture)
      : architecture_(architecture),
        info_(engine.info()),
        tolerances_(tolerances(info_.precision)),
        weights_(random_weights(architecture)),
        pixels_(random_images(architecture.image())),
        wide_(widen(pixels_.view())),
        reference_(architecture, weights_),
        network_(engine.network(architecture, weights_)),
        images_(engine.upload(pixels_.view())) {}

  std::vector<SelfTestResult> forward() {
    const Range all{0, kImages};
    const std::vector<double> codes = reference_.encode(wide_);
    const std::vector<float> latent(codes.begin(), codes.end());
    const std::vector<double> latent_as_given(latent.begin(), latent.end());
    const double forward = tolerances_.forward;
    std::vector<SelfTestResult> results = {
        compare("encode", codes, forward,
                [&](std::span<float> out) { network_->encode(*images_, all, out); }),
        compare("decode", reference_.decode(latent_as_given), forward,
                [&](std::span<float> out) { network_->decode(latent, out); }),
        compare("reconstruct", reference_.reconstruct(wide_), forward,
                [&](std::span<float> out) { network_->reconstruct(*images_, all, out); })};
    const std::vector<double> scores = reference_.scores(wide_);
    const auto score = [&](const char* what, double tolerance, const ExactScores& exact) {
      NoProgress nobody;
      results.push_back(compare(what, scores, tolerance, [&](std::span<float> out) {
        network_->score(*images_, all, nobody, exact)->download(out);
      }));
    };
    score("score", info_.scores == Precision::fp16 ? kFewBits : forward, {});
    if (info_.scores == Precision::automatic) {
      const auto none = ExactScores::from_threshold(std::numeric_limits<double>::infinity());
      score("score in fp16", kFewBits, none);
    }
    return results;
  }

  /// One step of training: Adam's first moment is then a tenth of the gradients.
  SelfTestResult gradients() {
    const std::vector<uint32_t> order = {0, 1, 2};
    static_assert(kImages == 3);
    const std::vector<double> rates = {1e-3};
    Weights tenths;
    NoProgress nobody;
    const double time = median_time([&] {
      network_->train_epoch(*images_, order, kImages, rates, nobody);
      if (tenths.tensors().empty()) tenths = network_->optimizer().first;
    });
    double longest = 0;
    for (const Tensor& tensor : tenths.tensors()) longest = std::max(longest, length_of(tensor));
    double worst = 0;
    std::string worst_name;
    uint64_t stream = 2000;
    for (const TensorSpec& spec : tensor_specs(architecture_)) {
      if (!spec.trainable) continue;
      const double error = gradient_error(tenths.at(spec.name), longest, stream++);
      if (error <= worst) continue;
      worst = error;
      worst_name = spec.name;
      if (std::isnan(error)) break;
    }
    return {fmt::format("gradients of a step of {} images, the worst {}", kImages, worst_name),
            info_.name, worst, tolerances_.gradient, time};
  }

 private:
  SelfTestResult compare(const char* what, const std::vector<double>& expected, double tolerance,
                         const std::function<void(std::span<float>)>& run) const {
    // What is not written stays NaN, which is no number.
    std::vector<float> actual(expected.size(), std::numeric_limits<float>::quiet_NaN());
    const double time = median_time([&] { run(actual); });
    return {fmt::format("{} {} images", what, kImages), info_.name, error_of(actual, expected),
            tolerance, time};
  }

  /// Of the gradient whose tenths these are.
  static double length_of(const Tensor& tenths) {
    double square = 0;
    for (const float tenth : tenths.values) square += std::pow(static_cast<double>(tenth), 2);
    return std::sqrt(square) / kTenth;
  }

  /// How far the slope of the loss along a random direction of signs is from what the gradient
  /// says: about as far as the gradient itself is, whichever of its numbers is wrong. Of the
  /// gradient's length, but at least of a hundredth of the longest tensor's: the bias before a
  /// batch normalisation may have a gradient that cancels to nothing, and then only its noise would
  /// be seen.
  double gradient_error(const Tensor& tenths, double longest, uint64_t stream) {
    Philox random(kSeed, stream);
    std::vector<double>& values = reference_.tensor(tenths.name);
    const std::vector<double> start = values;
    std::vector<double> direction(values.size());
    double said = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      direction[i] = random() % 2 == 0 ? 1 : -1;
      said += static_cast<double>(tenths.values[i]) / kTenth * direction[i];
    }
    // Short, so that few activations change their sign on the way; long enough that float64 keeps
    // six digits of the difference.
    const double step = 1e-6 / std::sqrt(static_cast<double>(values.size()));
    const auto loss_at = [&](double distance) {
      for (size_t i = 0; i < values.size(); ++i) values[i] = start[i] + distance * direction[i];
      return reference_.training_loss(wide_);
    };
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    values = start;
    return std::abs(said - slope) / std::max(length_of(tenths), longest / 100);
  }

  Architecture architecture_;
  DeviceInfo info_;
  Tolerances tolerances_;
  Weights weights_;
  ImageArray pixels_;
  std::vector<double> wide_;
  ReferenceNetwork reference_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Images> images_;
};

}  // namespace

std::vector<SelfTestResult> selftest_network(Engine& engine, const Architecture& architecture) {
  NetworkTest test(engine, architecture);
  std::vector<SelfTestResult> results = test.forward();
  results.push_back(test.gradients());
  return results;
}

}  // namespace oddity
