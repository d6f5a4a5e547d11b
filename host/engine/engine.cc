#include "engine/engine.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace oddity {

void Scores::download(std::span<float> out) const {
  if (out.size() != size()) {
    throw Error("{} scores do not fit a buffer of {}", size(), out.size());
  }
  do_download(out);
}

std::vector<float> Scores::select(std::span<const uint64_t> ranks) const {
  for (const uint64_t rank : ranks) {
    if (rank >= size()) throw Error("rank {} is not below the number of scores, {}", rank, size());
  }
  return do_select(ranks);
}

void Network::check_images(const Images& images) const {
  if (images.shape() != architecture_.image()) {
    throw Error("the model expects {}, the images are {}: train a model for that size",
                to_string(architecture_.image()), to_string(images.shape()));
  }
}

void Network::check_range(const Images& images, Range range) const {
  check_images(images);
  if (range.begin > range.end || range.end > images.size()) {
    throw Error("images {} to {} are not within a set of {}", range.begin, range.end,
                images.size());
  }
}

void Network::check_positions(const Images& images, std::span<const uint32_t> positions) const {
  check_images(images);
  const auto bad = std::find_if(positions.begin(), positions.end(),
                                [&](uint32_t position) { return position >= images.size(); });
  if (bad != positions.end()) {
    throw Error("position {} is not within a set of {} images", *bad, images.size());
  }
}

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::automatic:
      return "auto";
    case Precision::fp32:
      return "fp32";
    case Precision::tf32:
      return "tf32";
    case Precision::fp16:
      return "fp16";
  }
  return "";
}

namespace {

void check_size(const char* what, size_t given, size_t needed) {
  if (given != needed) throw Error("{}: {} numbers given, {} needed", what, given, needed);
}

}  // namespace

EpochStats Network::train_epoch(const Images& images, std::span<const uint32_t> order,
                                size_t batch_size, std::span<const double> learning_rates,
                                Progress& progress, double trim) {
  check_positions(images, order);
  if (batch_size < 1) throw ArgumentError("batch size: at least 1 is needed, not {}", batch_size);
  if (order.empty()) throw Error("an epoch needs at least one image");
  check_size("learning rates, one a step", learning_rates.size(),
             (order.size() + batch_size - 1) / batch_size);
  for (const double rate : learning_rates) {
    if (!std::isfinite(rate) || rate < 0) {
      throw ArgumentError("learning rate: a finite number, not negative, is needed, not {}", rate);
    }
  }
  if (!(trim >= 0 && trim < 1)) {
    throw ArgumentError("trim: a share from 0 to below 1 is needed, not {}", trim);
  }
  return do_train_epoch(images, order, batch_size, learning_rates, progress, trim);
}

void Network::score_by(const ScoreRule& rule) {
  if (!std::isfinite(rule.variation_floor) || rule.variation_floor < 0) {
    throw ArgumentError("variation floor: a finite number, not negative, is needed, not {}",
                        rule.variation_floor);
  }
  do_score_by(rule);
}

double Network::evaluate(const Images& images, std::span<const uint32_t> positions) {
  check_positions(images, positions);
  if (positions.empty()) throw Error("an evaluation needs at least one image");
  return do_evaluate(images, positions);
}

std::unique_ptr<Scores> Network::score(const Images& images, Range range, Progress& progress,
                                       const ExactScores& exact) {
  check_range(images, range);
  if (exact.from == ExactScores::From::rank && exact.rank >= range.size()) {
    throw Error("of {} scores there is no rank {}", range.size(), exact.rank);
  }
  return do_score(images, range, progress, exact);
}

void Network::encode(const Images& images, Range range, std::span<float> out) {
  check_range(images, range);
  check_size("latent vectors", out.size(),
             range.size() * static_cast<size_t>(architecture_.latent_dim));
  do_encode(images, range, out);
}

void Network::decode(std::span<const float> latent, std::span<float> out) {
  const auto length = static_cast<size_t>(architecture_.latent_dim);
  if (latent.size() % length != 0) {
    throw Error("{} numbers are not latent vectors: each has {}", latent.size(), length);
  }
  check_size("reconstructions", out.size(),
             latent.size() / length * static_cast<size_t>(architecture_.image().size()));
  do_decode(latent, out);
}

void Network::reconstruct(const Images& images, Range range, std::span<float> out) {
  check_range(images, range);
  check_size("reconstructions", out.size(),
             range.size() * static_cast<size_t>(architecture_.image().size()));
  do_reconstruct(images, range, out);
}

void Network::pixel_errors(const Images& images, Range range, std::span<float> out) {
  check_range(images, range);
  check_size("pixel errors", out.size(),
             range.size() * static_cast<size_t>(architecture_.image().size()));
  do_pixel_errors(images, range, out);
}

std::vector<SelfTestResult> Engine::selftest(const Architecture&) { return {}; }

std::unique_ptr<Images> Engine::upload(const ImageView& images, std::string_view name) {
  if (images.shape.height < 1 || images.shape.width < 1 || images.shape.channels < 1) {
    throw Error("{}: images of {} have no pixels", name, to_string(images.shape));
  }
  check_finite(images, name);
  return do_upload(images);
}

std::unique_ptr<Staging> Engine::staging(PixelType type, const ImageShape& shape, size_t capacity) {
  if (capacity == 0) throw Error("staging memory for no images: at least 1 is needed");
  checked_bytes(type, shape, capacity, "staging memory");
  return do_staging(type, shape, capacity);
}

const Images& Staging::send(size_t count) {
  if (count > capacity_) throw Error("{} images do not fit into staging for {}", count, capacity_);
  check_finite({do_data(), type_, shape_, count}, "staged images");
  return do_send(count);
}

std::unique_ptr<Network> Engine::network(const Architecture& architecture, const Weights& weights,
                                         const std::optional<OptimizerState>& optimizer) {
  // Extents that do not halve would be rounded down here and overrun there.
  conv_autoencoder(architecture.width, architecture.height, architecture.depth,
                   architecture.filters, architecture.latent_dim);
  check_weights(weights, architecture);
  if (optimizer.has_value()) {
    check_weights(optimizer->first, architecture);
    check_weights(optimizer->second, architecture);
    if (optimizer->step < 0) {
      throw Error("the optimizer's step is {}, which is negative", optimizer->step);
    }
  }
  return do_network(architecture, weights, optimizer);
}

}  // namespace oddity
