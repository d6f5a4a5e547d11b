// A training under way, as a file: all it needs to go on with the bits it would have had.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "model/weights.h"
#include "train/trainer.h"

namespace oddity {

/// One thing that determines the result of a training: "--epochs", "20".
struct IdentityField {
  std::string name;
  std::string value;
  friend bool operator==(const IdentityField&, const IdentityField&) = default;
};
/// All of them, data and device included. What changes no bit (threads, names of files) is not
/// among them.
using TrainingIdentity = std::vector<IdentityField>;

struct Checkpoint {
  TrainingIdentity identity;
  Architecture architecture;
  Weights weights;
  OptimizerState optimizer;
  History history;  // of the epochs that are done: one or more
};

/// Writes a Keras HDF5 model that has, besides, a group `training_state`: step and moments of Adam,
/// history, identity, and a hash of all this and the weights. The file appears whole or not at all.
/// Throws Error for what read_checkpoint would refuse.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

/// Throws Error naming the file and what is wrong with it: not a checkpoint, damaged, other shapes
/// than those of its network, numbers that no training has.
Checkpoint read_checkpoint(const std::filesystem::path& path);

}  // namespace oddity
