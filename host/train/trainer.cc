#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace oddity {
namespace {

// The first streams belong to the initial weights (model/weights.h).
constexpr uint64_t kFirstShuffleStream = uint64_t{1} << 32;

void check_options(const TrainingOptions& options) {
  if (options.epochs < 1) {
    throw ArgumentError("epochs: at least 1 is needed, not {}", options.epochs);
  }
  if (options.batch_size < 1) {
    throw ArgumentError("batch size: at least 1 is needed, not {}", options.batch_size);
  }
  if (!std::isfinite(options.learning_rate) || options.learning_rate <= 0) {
    throw ArgumentError("learning rate: a number above 0 is needed, not {}", options.learning_rate);
  }
}

void check_finite(const char* what, double loss, int64_t epoch, const TrainingOptions& options) {
  if (std::isfinite(loss)) return;
  throw Error("the {} became {} in epoch {}: use a smaller --lr than {}", what, loss, epoch,
              options.learning_rate);
}

}  // namespace

std::vector<double> learning_rates(const TrainingOptions& options, size_t first_step,
                                   size_t steps) {
  const double decay = options.learning_rate / static_cast<double>(options.epochs);
  std::vector<double> rates(steps);
  for (size_t i = 0; i < steps; ++i) {
    rates[i] = options.learning_rate / (1 + decay * static_cast<double>(first_step + i));
  }
  return rates;
}

History train(Network& network, const Images& images, const Split& split,
              const TrainingOptions& options, TrainingObserver& observer, History done,
              const EpochKeeper& keep) {
  check_options(options);
  if (std::cmp_greater(done.size(), options.epochs)) {
    throw ArgumentError("{} epochs are done, {} were asked for", done.size(), options.epochs);
  }
  const size_t count = split.train.size();
  const auto batch = static_cast<size_t>(options.batch_size);
  const size_t steps = (count + batch - 1) / batch;
  History history = std::move(done);
  for (int64_t epoch = std::ssize(history) + 1; epoch <= options.epochs; ++epoch) {
    observer.epoch_begins(epoch, options.epochs);
    const auto start = std::chrono::steady_clock::now();
    const auto index = static_cast<uint64_t>(epoch - 1);
    Philox random(options.seed, kFirstShuffleStream + index);
    std::vector<uint32_t> order = permutation(static_cast<uint32_t>(count), random);
    for (uint32_t& position : order) position = split.train[position];

    EpochRecord record;
    record.loss =
        network
            .train_epoch(images, order, batch, learning_rates(options, index * steps, steps),
                         observer, epoch > 1 ? options.trim : 0)
            .loss;
    check_finite("loss", record.loss, epoch, options);
    record.validation_loss = network.evaluate(images, split.validation);
    check_finite("validation loss", record.validation_loss, epoch, options);
    history.push_back(record);
    if (keep) keep(network, history);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    observer.epoch_ended(epoch, record, elapsed.count());
  }
  return history;
}

}  // namespace oddity
