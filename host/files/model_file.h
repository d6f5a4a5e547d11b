// Model files: Keras' own, in and out, with what Oddity knows besides in a group that Keras
// ignores.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "images/preprocessing.h"
#include "model/architecture.h"
#include "model/score_rule.h"
#include "model/weights.h"

namespace oddity {

/// What our files say besides the network (HDF5 root group `oddity`); files of Keras have none of
/// it.
struct ModelRecord {
  std::string version;       // of the program that wrote it
  std::string input_type;    // "uint8", "uint16" or "float32": what the model was trained on
  double input_scale = 1;    // pixels are multiplied by this: 1/255, 1/65535 or 1
  uint32_t seed = 42;        // of the data set's drawing and split
  uint64_t init_seed = 42;   // of the initial weights and the epochs' shuffles
  std::vector<double> loss;  // per epoch
  std::vector<double> validation_loss;
  std::vector<float> training_scores;  // of the whole training set, sorted ascending (at most 10^6;
                                       // larger sets: 10^4 order statistics)
  double threshold = 0;                // quantile `threshold_quantile` of the training scores
  double threshold_quantile = 0.999;
  Preprocessing preprocessing;  // of the images it was trained on; scoring has to do the same
  ScoreRule score;              // that the training scores are of, and later ones have to be
  double trim = 0;              // share of each batch that it did not learn from
  friend bool operator==(const ModelRecord&, const ModelRecord&) = default;
};

/// A file with this root group is the checkpoint of a training (train/checkpoint.h). Nothing in it
/// says how images were preprocessed, so it is not read as a model.
inline constexpr const char* kTrainingStateGroup = "training_state";

struct ModelFile {
  Architecture architecture;
  Weights weights;
  std::optional<ModelRecord> record;  // absent in files that Keras wrote
  std::string format;  // "Keras HDF5 (tf_keras 2.21.0)", "Keras archive (3.15.1)", …
};

/// Reads a model, recognised by its content, not its name: Keras HDF5 as written by tf_keras and
/// Keras 3 (with or without optimizer state, compiled or not; nested encoder and decoder), the
/// Keras 3 archive (.keras), and ours. Throws Error naming the file and what does not fit: not
/// HDF5, truncated, another architecture (naming the layer and what is supported), shapes,
/// non-finite weights.
ModelFile read_model(const std::filesystem::path& path);

/// What a model is written as: HDF5 that every Keras reads, or the archive of Keras 3.
enum class ModelFormat { keras_hdf5, keras_archive };

/// The bytes of a model file; the same model gives the same bytes: no time stamps. Throws Error
/// where weights or record are not what read_model accepts.
std::string model_bytes(const ModelFile& model, ModelFormat format);

/// Writes HDF5 that keras.models.load_model(path, compile=False) and tf_keras' load_model open and
/// that predicts the same there. The file appears whole or not at all; the same model gives the
/// same bytes: no time stamps.
void write_model(const std::filesystem::path& path, const ModelFile& model);

}  // namespace oddity
