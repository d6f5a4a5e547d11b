#include "train_resume.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "core/error.h"
#include "core/text.h"
#include "files/atomic_file.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;

fs::path beside(const fs::path& model) {
  if (is_stream(model)) return {};
  fs::path path = model;
  return path += ".ckpt";
}

void check_same(const fs::path& path, const TrainingIdentity& kept, const TrainingIdentity& asked) {
  for (const auto& [name, value] : asked) {
    const auto found = std::find_if(
        kept.begin(), kept.end(), [&name = name](const auto& field) { return field.name == name; });
    const std::string before = found == kept.end() ? "(not stated)" : found->value;
    if (before == value) continue;
    throw Error(
        "{} is of a training with {} {}, this one has {} {}: give the same, or start anew with "
        "--force, without --resume",
        printable(path), name, printable(std::string_view(before)), name, value);
  }
}

bool equal(const ImageView& a, const ImageView& b) {
  return a.type == b.type && a.shape == b.shape && a.count == b.count &&
         std::memcmp(a.data, b.data, a.count * a.image_bytes()) == 0;
}

}  // namespace

TrainingIdentity training_identity(const Dataset& dataset, const Architecture& architecture,
                                   double validation_share, uint32_t seed,
                                   const TrainingOptions& options) {
  const ImageView images = dataset.images.view();
  return {{"images", fmt::format("{} of {}, {}, {}", images.count, to_string(images.shape),
                                 name_of(images.type), fingerprint(images))},
          {"--val-split", shortest(validation_share)},
          {"--seed", fmt::format("{}", seed)},
          {"--init-seed", fmt::format("{}", options.seed)},
          {"--filters", fmt::format("{}", fmt::join(architecture.filters, " "))},
          {"--latent-dim", fmt::format("{}", architecture.latent_dim)},
          {"--epochs", fmt::format("{}", options.epochs)},
          {"--batch-size", fmt::format("{}", options.batch_size)},
          {"--trim", shortest(options.trim)},
          {"--lr", shortest(options.learning_rate)}};
}

void add_device(TrainingIdentity& identity, const DeviceInfo& device) {
  identity.push_back({"--device", device.name.substr(0, device.name.find(':'))});
  identity.push_back({"--precision", std::string(name_of(device.precision))});
}

TrainingCheckpoint::TrainingCheckpoint(const fs::path& model, const ResumeOptions& options)
    : path_(beside(model)) {
  if (path_.empty() && options.resume) {
    throw ArgumentError("--resume: {} is not a file, and nothing is kept beside it: leave it out",
                        printable(model));
  }
  std::error_code error;
  if (path_.empty() || !fs::exists(path_, error) || (options.force && !options.resume)) return;
  Checkpoint found = read_checkpoint(path_);
  epochs_ = std::ssize(found.history);
  if (!options.resume) {
    throw Error(
        "{} holds epoch {} of an unfinished training: go on with --resume, or discard it "
        "with --force",
        printable(path_), epochs_);
  }
  start_ = std::move(found);
}

const Checkpoint* TrainingCheckpoint::begin(const TrainingIdentity& identity) {
  if (start_) {
    check_same(path_, start_->identity, identity);
    return &*start_;
  }
  // This run's own, of a device that failed: no other device can go on from it.
  if (epochs_ > 0) remove();
  return nullptr;
}

void TrainingCheckpoint::save(const Checkpoint& checkpoint) {
  if (path_.empty()) return;
  write_checkpoint(path_, checkpoint);
  epochs_ = std::ssize(checkpoint.history);
}

void TrainingCheckpoint::remove() {
  epochs_ = 0;
  if (path_.empty()) return;
  std::error_code error;
  fs::remove(path_, error);
  if (error) {
    throw Error("cannot remove {}: {}: remove it by hand", printable(path_), error.message());
  }
}

void check_own_dataset(const fs::path& path, const Dataset& dataset) {
  std::error_code error;
  if (!fs::exists(path, error) || is_stream(path)) return;
  try {
    const Dataset found = read_dataset(path);
    // .npy keeps the images alone.
    const bool alone = path.extension() == ".npy";
    if (equal(found.images.view(), dataset.images.view()) &&
        (alone || (found.index == dataset.index && found.label == dataset.label &&
                   found.path == dataset.path))) {
      return;
    }
  } catch (const Error&) {
    // Nothing that this program wrote.
  }
  throw Error(
      "{} exists, and is not the data set of this training: choose another name, or replace "
      "it with --force",
      printable(path));
}

}  // namespace oddity
