// `<model>.ckpt`: what is left of a training that was stopped, and how the next one goes on from
// it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "data/dataset.h"
#include "engine/engine.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

namespace oddity {

/// What --resume and --force say about files of an earlier run.
struct ResumeOptions {
  bool resume = false;
  bool force = false;
};

/// The identity of a training but for its device: equal values, equal bits.
TrainingIdentity training_identity(const Dataset& dataset, const Architecture& architecture,
                                   double validation_share, uint32_t seed,
                                   const TrainingOptions& options);
/// What the device adds to it: engines round differently.
void add_device(TrainingIdentity& identity, const DeviceInfo& device);

/// The checkpoint beside a model, in the course of one run of `oddity train`.
class TrainingCheckpoint {
 public:
  /// Reads the checkpoint where there is one and --resume asks for it. Throws Error for one that
  /// neither option says what to do with, ArgumentError for --resume of a model that is no file.
  TrainingCheckpoint(const std::filesystem::path& model, const ResumeOptions& options);

  /// Empty where the model goes to a pipe or device, beside which nothing is kept.
  const std::filesystem::path& path() const { return path_; }
  /// Whether this run goes on from an earlier one.
  bool resumes() const { return start_.has_value(); }
  /// Epochs that are safe in the file.
  int64_t epochs() const { return epochs_; }

  /// What a training of this identity goes on from; nullptr where it starts afresh. Throws Error
  /// where the checkpoint is of another training, naming what differs first and both values. Called
  /// once for each device that is tried.
  const Checkpoint* begin(const TrainingIdentity& identity);
  /// Keeps what an epoch gave.
  void save(const Checkpoint& checkpoint);
  /// The training is done and its files are written.
  void remove();

 private:
  std::filesystem::path path_;
  std::optional<Checkpoint> start_;
  int64_t epochs_ = 0;
};

/// A run that goes on may replace the data set that it wrote itself before it was stopped, and no
/// other. Throws Error where `path` holds anything but `dataset`.
void check_own_dataset(const std::filesystem::path& path, const Dataset& dataset);

}  // namespace oddity
