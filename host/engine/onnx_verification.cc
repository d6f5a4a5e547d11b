#include "engine/onnx_verification.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"
#include "data/variation.h"
#include "files/onnx_evaluator.h"
#include "files/onnx_model.h"

namespace oddity {
namespace {

/// How far reconstructions, which lie in (0,1), may be apart. fp32: trained networks are within
/// 1e-6 of float64, and an operator that computes something else is off by hundredths. Random
/// images drive activations further than those a network was trained on: 1.4e-6 was seen. tf32 and
/// fp16: factors keep 10 bits, as in `oddity selftest`.
double tolerance(const DeviceInfo& device) {
  return needs_cuda(device.precision) || needs_cuda(device.scores) ? 1e-2 : 2e-5;
}

/// How far scores may be apart where reconstructions are off by `of_pixel`: (e + d)² − e² is
/// 2ed + d², and the mean of |e| is the root of the mean square at most, which a robust score
/// divides by the variation; smoothing makes no error larger. The last term: float32 sums.
double score_tolerance(double score, double variation, double of_pixel) {
  const double square = score * variation;
  return (2 * std::sqrt(square) * of_pixel + of_pixel * of_pixel) / variation + 1e-5 * score;
}

/// What a score by the rule divides a mean square by.
double divisor(const ScoreRule& rule, const ImageView& images, size_t image) {
  if (rule.kind == ScoreKind::mse) return 1;
  std::vector<float> x(static_cast<size_t>(images.shape.size()));
  to_float(images, image, x.data());
  return std::max(total_variation(x, images.shape), rule.variation_floor);
}

/// Some for small images, few for large ones: plain loops take a second for a million pixels.
size_t image_count(const ImageShape& shape) {
  return static_cast<size_t>(std::clamp<int64_t>(65536 / shape.size(), 4, 16));
}

/// Images that are run at one time: together where they are small.
size_t step(const ImageShape& shape) {
  return static_cast<size_t>(std::max<int64_t>(1, 65536 / shape.size()));
}

/// A black one, a white one, and noise.
ImageArray test_images(PixelType type, const ImageShape& shape) {
  ImageArray images(type, shape, image_count(shape));
  const size_t bytes = images.view().image_bytes();
  Philox random(/*key=*/42, /*stream=*/0);
  const auto fill = [&](size_t begin, size_t end, auto next) {
    for (size_t at = begin; at < end;) {
      const auto value = next();
      std::memcpy(images.data() + at, &value, sizeof(value));
      at += sizeof(value);
    }
  };
  const size_t all = images.size() * bytes;
  if (type == PixelType::f32) {
    fill(bytes, 2 * bytes, [] { return 1.0f; });
    fill(2 * bytes, all, [&] { return random.uniform(); });
  } else {  // of either width, all ones are white and random bytes are noise
    fill(bytes, 2 * bytes, [] { return uint8_t{255}; });
    fill(2 * bytes, all, [&] { return static_cast<uint8_t>(random()); });
  }
  return images;
}

/// Compares the results for some images; `first` is the position of the first.
class Comparison {
 public:
  Comparison(double tolerance, std::optional<double> threshold)
      : tolerance_(tolerance), threshold_(threshold) {}

  void add(const OnnxResult& file, const std::vector<float>& reconstruction,
           const std::vector<float>& score, const std::vector<double>& variation, size_t first) {
    const size_t count = score.size();
    const size_t size = reconstruction.size() / count;
    for (size_t i = 0; i < reconstruction.size(); ++i) {
      compare("the reconstruction of", first + i / size, file.reconstruction[i], reconstruction[i],
              tolerance_, difference_.reconstruction);
    }
    for (size_t i = 0; i < count; ++i) {
      compare("the score of", first + i, file.score[i], score[i],
              score_tolerance(static_cast<double>(score[i]), variation[i], tolerance_),
              difference_.score);
    }
    if (file.outlier.has_value() != threshold_.has_value()) {
      throw Error("the file {} which images are outliers", threshold_ ? "does not say" : "says");
    }
    for (size_t i = 0; threshold_ && i < count; ++i) {
      const bool outlier = static_cast<double>(file.score[i]) >= *threshold_;
      if ((*file.outlier)[i] != outlier) {
        throw Error("test image {} with score {} is {} outlier in the file, at threshold {}",
                    first + i, shortest(file.score[i]), outlier ? "no" : "an",
                    shortest(*threshold_));
      }
    }
    difference_.images += count;
  }
  const OnnxDifference& difference() const { return difference_; }

 private:
  /// NaN is near nothing.
  static void compare(const char* what, size_t image, float file, float engine, double allowed,
                      double& largest) {
    const double apart = std::abs(static_cast<double>(file) - static_cast<double>(engine));
    if (!(apart <= allowed)) {
      throw Error(
          "the file computes something else than the model: {} test image {} is {} there, {} on "
          "the device, at most {:.2g} apart were expected",
          what, image, shortest(file), shortest(engine), allowed);
    }
    largest = std::max(largest, apart);
  }

  double tolerance_;
  std::optional<double> threshold_;
  OnnxDifference difference_;
};

}  // namespace

OnnxDifference verify_onnx(std::string_view bytes, const ModelFile& model,
                           std::optional<double> threshold, Engine& engine, Progress& progress,
                           const ScoreRule& rule) {
  const OnnxEvaluator file(bytes);
  const ImageShape shape = model.architecture.image();
  const ImageArray pixels = test_images(input_type(model), shape);
  const auto network = engine.network(model.architecture, model.weights);
  network->score_by(rule);
  const auto images = engine.upload(pixels.view(), "test images");
  Comparison comparison(tolerance(engine.info()), threshold);
  for (size_t first = 0; first < pixels.size();) {
    progress.update(first, pixels.size(), 0);
    const Range range{first, std::min(pixels.size(), first + step(shape))};
    std::vector<float> reconstruction(range.size() * static_cast<size_t>(shape.size()));
    std::vector<float> score(range.size());
    network->reconstruct(*images, range, reconstruction);
    NoProgress nobody;
    network->score(*images, range, nobody)->download(score);
    const ImageView view = pixels.view();
    std::vector<double> variation;
    for (size_t i = range.begin; i < range.end; ++i) variation.push_back(divisor(rule, view, i));
    const OnnxResult result = file.run({view.image(first), view.type, shape, range.size()});
    comparison.add(result, reconstruction, score, variation, first);
    first = range.end;
  }
  return comparison.difference();
}

}  // namespace oddity
