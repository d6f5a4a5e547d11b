#include "train/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "files/atomic_file.h"
#include "files/hdf5_reader.h"
#include "files/hdf5_writer.h"
#include "files/keras_hdf5.h"
#include "files/model_file.h"

namespace oddity {
namespace {

constexpr uint64_t kFormat = 1;
// Weights and two moments of the largest network, 2^31 weights, and some room.
constexpr size_t kMaxFile = size_t{25} << 30;

/// The path of something in the group.
std::string in_group(std::string_view name) {
  return std::string(kTrainingStateGroup).append("/").append(name);
}

/// Of everything in it: a flipped bit of a moment would otherwise be trained on in silence.
std::string hash_of(const Checkpoint& checkpoint) {
  Hash hash;
  for (const auto& [name, value] : checkpoint.identity) {
    // Their ends count: both are followed by a NUL.
    hash.add(name.c_str(), name.size() + 1).add(value.c_str(), value.size() + 1);
  }
  add(hash, checkpoint.weights);
  add(hash, checkpoint.optimizer.first);
  add(hash, checkpoint.optimizer.second);
  hash.add(&checkpoint.optimizer.step, sizeof(int64_t));
  for (const EpochRecord& epoch : checkpoint.history) {
    hash.add(&epoch.loss, sizeof(double)).add(&epoch.validation_loss, sizeof(double));
  }
  return hash.text();
}

void check_history(const History& history) {
  if (history.empty()) throw Error("no epoch is done");
  for (const EpochRecord& epoch : history) {
    if (std::isfinite(epoch.loss) && std::isfinite(epoch.validation_loss)) continue;
    throw Error("epoch {} has loss {} and validation loss {}, numbers were expected",
                &epoch - history.data() + 1, epoch.loss, epoch.validation_loss);
  }
}

void check_optimizer(const Checkpoint& checkpoint) {
  const OptimizerState& optimizer = checkpoint.optimizer;
  check_weights(optimizer.first, checkpoint.architecture);
  check_weights(optimizer.second, checkpoint.architecture);
  for (const Tensor& tensor : optimizer.second.tensors()) {
    const auto bad = std::find_if(tensor.values.begin(), tensor.values.end(),
                                  [](float moment) { return moment < 0; });
    if (bad != tensor.values.end()) {
      throw Error("the second moment of {} is {} at position {}: a mean of squares is not negative",
                  tensor.name, *bad, bad - tensor.values.begin());
    }
  }
  // Every epoch has as many steps.
  const auto epochs = static_cast<int64_t>(checkpoint.history.size());
  if (optimizer.step < epochs || optimizer.step % epochs != 0) {
    throw Error("{} steps are not those of {} epochs", optimizer.step, epochs);
  }
}

void check(const Checkpoint& checkpoint) {
  check_history(checkpoint.history);
  check_weights(checkpoint.weights, checkpoint.architecture);
  check_optimizer(checkpoint);
}

void write_moments(Hdf5Writer& file, const std::string& group, const Weights& moments) {
  file.group(group);
  for (const Tensor& tensor : moments.tensors()) {
    file.array(fmt::format("{}/{}", group, tensor.name), tensor.shape, tensor.values);
  }
}

Weights read_moments(const Hdf5Reader& file, const std::string& group,
                     const Architecture& architecture) {
  Weights moments;
  for (const TensorSpec& spec : tensor_specs(architecture)) {
    moments.tensors().push_back(read_tensor(file, fmt::format("{}/{}", group, spec.name), spec));
  }
  return moments;
}

TrainingIdentity read_identity(const Hdf5Reader& file) {
  std::vector<std::string> names = file.texts(kTrainingStateGroup, "identity_names");
  std::vector<std::string> values = file.texts(kTrainingStateGroup, "identity_values");
  if (names.size() != values.size()) {
    throw Error("{} options have {} values", names.size(), values.size());
  }
  TrainingIdentity identity;
  for (size_t i = 0; i < names.size(); ++i) {
    identity.push_back({std::move(names[i]), std::move(values[i])});
  }
  return identity;
}

History read_history(const Hdf5Reader& file) {
  const auto loss = file.list<double>(in_group("loss"));
  const auto validation_loss = file.list<double>(in_group("validation_loss"));
  if (loss.size() != validation_loss.size()) {
    throw Error("{} losses and {} validation losses", loss.size(), validation_loss.size());
  }
  History history;
  for (size_t i = 0; i < loss.size(); ++i) history.push_back({loss[i], validation_loss[i]});
  return history;
}

Checkpoint read(std::string bytes) {
  if (!Hdf5Reader::recognises(bytes)) throw Error("it is not a checkpoint: not HDF5");
  const Hdf5Reader file(std::move(bytes));
  if (!file.has(kTrainingStateGroup)) throw Error("it is HDF5, but not a checkpoint");
  if (const uint64_t format = file.natural(kTrainingStateGroup, "format_version");
      format != kFormat) {
    throw Error("it has checkpoint format {}, this program reads format {}", format, kFormat);
  }
  Checkpoint checkpoint;
  checkpoint.identity = read_identity(file);
  const KerasConfig config = read_keras_config(file);
  checkpoint.architecture = config.architecture;
  checkpoint.weights = read_keras_weights(file, config);
  checkpoint.optimizer.first = read_moments(file, in_group("first_moment"), config.architecture);
  checkpoint.optimizer.second = read_moments(file, in_group("second_moment"), config.architecture);
  const uint64_t step = file.natural(kTrainingStateGroup, "step");
  if (!std::in_range<int64_t>(step)) throw Error("{} steps are too many", step);
  checkpoint.optimizer.step = static_cast<int64_t>(step);
  checkpoint.history = read_history(file);
  const std::string stated = file.text(kTrainingStateGroup, "hash");
  const std::string found = hash_of(checkpoint);
  if (stated != found) {
    throw Error("it is damaged: it states hash {}, its content has {}", printable(stated), found);
  }
  check(checkpoint);
  return checkpoint;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  check(checkpoint);
  Hdf5Writer file;
  write_keras_model(file, checkpoint.architecture, checkpoint.weights);
  file.group(kTrainingStateGroup);
  file.attribute(kTrainingStateGroup, "format_version", kFormat);
  file.attribute(kTrainingStateGroup, "hash", hash_of(checkpoint));
  std::vector<std::string> names, values;
  for (const auto& [name, value] : checkpoint.identity) {
    names.push_back(name);
    values.push_back(value);
  }
  file.attribute(kTrainingStateGroup, "identity_names", names);
  file.attribute(kTrainingStateGroup, "identity_values", values);
  file.attribute(kTrainingStateGroup, "step", static_cast<uint64_t>(checkpoint.optimizer.step));
  std::vector<double> loss, validation_loss;
  for (const EpochRecord& epoch : checkpoint.history) {
    loss.push_back(epoch.loss);
    validation_loss.push_back(epoch.validation_loss);
  }
  file.array(in_group("loss"), loss);
  file.array(in_group("validation_loss"), validation_loss);
  write_moments(file, in_group("first_moment"), checkpoint.optimizer.first);
  write_moments(file, in_group("second_moment"), checkpoint.optimizer.second);
  write_file(path, file.finish());
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    throw Error("{} is not a regular file: a checkpoint of a training was expected",
                printable(path));
  }
  std::string bytes = read_file(path, kMaxFile);
  try {
    return read(std::move(bytes));
  } catch (const Error& error) {
    throw Error("{} cannot be continued: {}: start anew with --force, without --resume",
                printable(path), error.what());
  }
}

}  // namespace oddity
