#include "files/model_record.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

constexpr size_t kMaxScores = 1'000'000;

template <typename T>
std::vector<T> read_list(const Hdf5Reader& file, const std::string& path, const char* type) {
  const Hdf5Reader::Array array = file.array(path);
  if (array.type != type || array.shape.size() != 1) {
    throw Error("array {} has {} dimensions of {}, a list of {} was expected", path,
                array.shape.size(), array.type, type);
  }
  std::vector<T> values(array.bytes.size() / sizeof(T));
  std::copy_n(array.bytes.data(), array.bytes.size(), reinterpret_cast<char*>(values.data()));
  return values;
}

bool finite(double value) { return std::isfinite(value); }

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
}

}  // namespace

std::optional<ModelRecord> read_model_record(const Hdf5Reader& file) {
  if (!file.has("oddity")) return std::nullopt;
  if (const uint64_t version = file.natural("oddity", "format_version");
      version != kModelFormatVersion) {
    throw Error("has Oddity's model format {}, this program reads format {}: use a newer Oddity",
                version, kModelFormatVersion);
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
  record.loss = read_list<double>(file, "oddity/loss", "float64");
  record.validation_loss = read_list<double>(file, "oddity/validation_loss", "float64");
  record.training_scores = read_list<float>(file, "oddity/training_scores", "float32");
  record.threshold = file.real("oddity", "threshold");
  record.threshold_quantile = file.real("oddity", "threshold_quantile");
  check(record);
  return record;
}

void write_model_record(Hdf5Writer& file, const ModelRecord& record) {
  check(record);
  file.group("oddity");
  file.attribute("oddity", "format_version", kModelFormatVersion);
  file.attribute("oddity", "version", record.version);
  file.attribute("oddity", "input_type", record.input_type);
  file.attribute("oddity", "input_scale", record.input_scale);
  file.attribute("oddity", "seed", uint64_t{record.seed});
  file.attribute("oddity", "init_seed", record.init_seed);
  file.attribute("oddity", "threshold", record.threshold);
  file.attribute("oddity", "threshold_quantile", record.threshold_quantile);
  const auto count = static_cast<int64_t>(record.training_scores.size());
  file.array("oddity/loss", record.loss);
  file.array("oddity/validation_loss", record.validation_loss);
  file.array("oddity/training_scores", {&count, 1}, record.training_scores);
}

}  // namespace oddity
