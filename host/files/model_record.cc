#include "files/model_record.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

constexpr size_t kMaxScores = 1'000'000;

bool finite(double value) { return std::isfinite(value); }

void check(const Preprocessing& preprocessing) {
  constexpr int64_t kLargest = 65535;
  if (const auto& resize = preprocessing.resize; resize) {
    for (const int64_t extent : {resize->width, resize->height}) {
      if (extent >= 1 && extent <= kLargest) continue;
      throw Error("model record: images are resized to {}x{}, 1 to {} was expected", resize->width,
                  resize->height, kLargest);
    }
  }
  if (preprocessing.crop && !preprocessing.resize) {
    throw Error("model record: images are cropped, but not resized: to which aspect ratio?");
  }
}

/// An attribute that is 0 or 1.
bool read_flag(const Hdf5Reader& file, const char* name) {
  const uint64_t value = file.natural("oddity", name);
  if (value > 1) throw Error("model record: {} is {}, 0 or 1 was expected", name, value);
  return value == 1;
}

Preprocessing read_preprocessing(const Hdf5Reader& file) {
  Preprocessing preprocessing;
  preprocessing.crop = read_flag(file, "preprocess_crop");
  preprocessing.gray = read_flag(file, "preprocess_gray");
  const bool width = file.has_attribute("oddity", "preprocess_width");
  if (width || file.has_attribute("oddity", "preprocess_height")) {
    const auto extent = [&](const char* name) {
      // What is beyond int64 is beyond what check() allows, too.
      constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
      return static_cast<int64_t>(std::min(file.natural("oddity", name), kLargest));
    };
    preprocessing.resize = {extent("preprocess_width"), extent("preprocess_height")};
  }
  return preprocessing;
}

void write_preprocessing(Hdf5Writer& file, const Preprocessing& preprocessing) {
  file.attribute("oddity", "preprocess_crop", uint64_t{preprocessing.crop});
  file.attribute("oddity", "preprocess_gray", uint64_t{preprocessing.gray});
  if (!preprocessing.resize) return;
  file.attribute("oddity", "preprocess_width", static_cast<uint64_t>(preprocessing.resize->width));
  file.attribute("oddity", "preprocess_height",
                 static_cast<uint64_t>(preprocessing.resize->height));
}

ScoreRule read_score(const Hdf5Reader& file) {
  const std::string kind = file.text("oddity", "score");
  ScoreRule rule{.kind = ScoreKind::mse, .variation_floor = file.real("oddity", "variation_floor")};
  if (kind == name_of(ScoreKind::robust)) {
    rule.kind = ScoreKind::robust;
  } else if (kind != name_of(ScoreKind::mse)) {
    throw Error("model record: score is {}, mse or robust was expected", printable(kind));
  }
  return rule;
}

// Written as conditions that NaN fails.
void check(const ModelRecord& record) {
  const auto refuse = [](const char* what, const std::string& value, const char* expected) {
    throw Error("model record: {} is {}, {} was expected", what, value, expected);
  };
  const std::string& type = record.input_type;
  if (type != "uint8" && type != "uint16" && type != "float32") {
    refuse("input type", printable(type), "uint8, uint16 or float32");
  }
  if (!(finite(record.input_scale) && record.input_scale > 0)) {
    refuse("input scale", shortest(record.input_scale), "a number above 0");
  }
  if (!finite(record.threshold)) refuse("threshold", shortest(record.threshold), "a number");
  if (!(record.threshold_quantile >= 0 && record.threshold_quantile <= 1)) {
    refuse("threshold quantile", shortest(record.threshold_quantile), "0 to 1");
  }
  if (record.loss.size() != record.validation_loss.size()) {
    throw Error("model record: {} losses and {} validation losses", record.loss.size(),
                record.validation_loss.size());
  }
  if (!std::all_of(record.loss.begin(), record.loss.end(), finite) ||
      !std::all_of(record.validation_loss.begin(), record.validation_loss.end(), finite)) {
    throw Error("model record: a loss is not finite");
  }
  const std::vector<float>& scores = record.training_scores;
  if (scores.size() > kMaxScores) {
    throw Error("model record: {} training scores, at most {} are kept", scores.size(), kMaxScores);
  }
  if (!std::all_of(scores.begin(), scores.end(), [](float x) { return std::isfinite(x); }) ||
      !std::is_sorted(scores.begin(), scores.end())) {
    throw Error("model record: the training scores are not finite and sorted");
  }
  if (!(finite(record.score.variation_floor) && record.score.variation_floor >= 0)) {
    refuse("variation floor", shortest(record.score.variation_floor), "a number from 0 on");
  }
  if (!(record.trim >= 0 && record.trim < 1)) {
    refuse("trim", shortest(record.trim), "0 to below 1");
  }
  check(record.preprocessing);
}

}  // namespace

std::optional<ModelRecord> read_model_record(const Hdf5Reader& file) {
  if (!file.has("oddity")) return std::nullopt;
  const uint64_t version = file.natural("oddity", "format_version");
  if (version < kPlainModelFormat || version > kScoreModelFormat) {
    throw Error(
        "has Oddity's model format {}, this program reads formats {} to {}: use a newer Oddity",
        version, kPlainModelFormat, kScoreModelFormat);
  }
  ModelRecord record;
  record.version = file.text("oddity", "version");
  record.input_type = file.text("oddity", "input_type");
  record.input_scale = file.real("oddity", "input_scale");
  const uint64_t seed = file.natural("oddity", "seed");
  if (seed > std::numeric_limits<uint32_t>::max()) {
    throw Error("model record: seed is {}, at most 2^32-1 was expected", seed);
  }
  record.seed = static_cast<uint32_t>(seed);
  record.init_seed = file.natural("oddity", "init_seed");
  record.loss = file.list<double>("oddity/loss");
  record.validation_loss = file.list<double>("oddity/validation_loss");
  record.training_scores = file.list<float>("oddity/training_scores");
  record.threshold = file.real("oddity", "threshold");
  record.threshold_quantile = file.real("oddity", "threshold_quantile");
  if (version >= kPreprocessingModelFormat) record.preprocessing = read_preprocessing(file);
  if (version >= kScoreModelFormat) {
    record.score = read_score(file);
    record.trim = file.real("oddity", "trim");
  }
  check(record);
  return record;
}

void write_model_record(Hdf5Writer& file, const ModelRecord& record) {
  check(record);
  file.group("oddity");
  // The oldest format that holds it all.
  const bool has_score = record.score != ScoreRule{} || record.trim != 0;
  const uint64_t format = has_score                      ? kScoreModelFormat
                          : record.preprocessing.empty() ? kPlainModelFormat
                                                         : kPreprocessingModelFormat;
  file.attribute("oddity", "format_version", format);
  file.attribute("oddity", "version", record.version);
  file.attribute("oddity", "input_type", record.input_type);
  file.attribute("oddity", "input_scale", record.input_scale);
  file.attribute("oddity", "seed", uint64_t{record.seed});
  file.attribute("oddity", "init_seed", record.init_seed);
  file.attribute("oddity", "threshold", record.threshold);
  file.attribute("oddity", "threshold_quantile", record.threshold_quantile);
  if (format >= kPreprocessingModelFormat) write_preprocessing(file, record.preprocessing);
  if (format >= kScoreModelFormat) {
    file.attribute("oddity", "score", name_of(record.score.kind));
    file.attribute("oddity", "variation_floor", record.score.variation_floor);
    file.attribute("oddity", "trim", record.trim);
  }
  const auto count = static_cast<int64_t>(record.training_scores.size());
  file.array("oddity/loss", record.loss);
  file.array("oddity/validation_loss", record.validation_loss);
  file.array("oddity/training_scores", {&count, 1}, record.training_scores);
}

void check_fit(const ModelRecord& record, const Architecture& architecture) {
  const ImageShape image = architecture.image();
  if (const auto& resize = record.preprocessing.resize;
      resize && *resize != ImageSize{image.width, image.height}) {
    throw Error("model record: images are resized to {}x{}, the network takes {}", resize->width,
                resize->height, to_string(image));
  }
  if (record.preprocessing.gray && image.channels != 1) {
    throw Error("model record: images are made gray, the network takes {}", to_string(image));
  }
}

}  // namespace oddity
