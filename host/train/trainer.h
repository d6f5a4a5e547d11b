// Training: epochs, learning-rate schedule, history.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/unsupervised.h"
#include "engine/engine.h"

namespace oddity {

struct TrainingOptions {
  int64_t epochs = 20;
  int64_t batch_size = 32;
  double learning_rate = 1e-3;
  /// Share of each batch that gives no gradient (Network::train_epoch), from the second epoch on:
  /// before, nobody knows what is odd.
  double trim = 0;
  uint64_t seed =
      42;  // of the epochs' shuffles: epoch e (from 0) draws from Philox(seed, 2^32 + e)
};

struct EpochRecord {
  double loss = 0;             // sample-weighted mean over the epoch, before each step
  double validation_loss = 0;  // inference mode, after the epoch
};
using History = std::vector<EpochRecord>;

/// Told how training goes. Any of these may throw to stop it.
class TrainingObserver : public Progress {
 public:
  virtual void epoch_begins(int64_t epoch, int64_t epochs) = 0;  // from 1
  virtual void epoch_ended(int64_t epoch, const EpochRecord& record, double seconds) = 0;
};

/// Step t (from 0) of the whole run uses learning_rate / (1 + learning_rate / epochs · t): the
/// reference's Adam(lr, decay=lr/epochs).
std::vector<double> learning_rates(const TrainingOptions& options, size_t first_step, size_t steps);

/// Called after each epoch, before it is reported: whatever was reported is kept. May throw.
using EpochKeeper = std::function<void(const Network& network, const History& history)>;

/// Trains, reshuffling split.train each epoch, and evaluates on split.validation after each. A
/// network that stands after the epochs of `done`, with the optimizer's state, goes on from there:
/// the same bits as of a training that was never stopped. Throws Error where a loss stops being
/// finite, naming the epoch.
History train(Network& network, const Images& images, const Split& split,
              const TrainingOptions& options, TrainingObserver& observer, History done = {},
              const EpochKeeper& keep = {});

/// `epoch,loss,val_loss`, floats that round-trip.
void write_history(const std::filesystem::path& path, const History& history);

}  // namespace oddity
