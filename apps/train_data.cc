#include "train_data.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "interrupt.h"
#include "paths.h"

namespace oddity {
namespace {

Dataset read_labelled(const TrainData& data, const Console& console) {
  if (data.images.empty()) {
    console.info("loading MNIST dataset...");
    const std::filesystem::path folder = embedded_mnist();
    return read_labelled_idx(folder / "train-images-idx3-ubyte.gz",
                             folder / "train-labels-idx1-ubyte.gz");
  }
  console.info("loading images...", printable(data.images));
  return data.labels.empty() ? read_dataset(data.images)
                             : read_labelled_idx(data.images, data.labels);
}

int64_t count_label(const Dataset& dataset, int32_t label) {
  return std::count(dataset.label.begin(), dataset.label.end(), label);
}

}  // namespace

void check_train_data(const TrainData& data) {
  if (!data.labels.empty() && data.images.empty()) {
    throw ArgumentError("--labels {}: whose labels are they? Name the images with --images",
                        printable(data.labels));
  }
  if (data.draw.valid_label == data.draw.anomaly_label) {
    throw ArgumentError("--valid-label and --anomaly-label are both {}: name two labels",
                        data.draw.valid_label);
  }
}

Dataset load_train_data(const TrainData& data, const Console& console) {
  Dataset all = read_labelled(data, console);
  throw_if_interrupted();
  const bool labelled = data.images.empty() || !data.labels.empty();
  if (!labelled && !data.draw_asked) {
    console.info("using the whole dataset...",
                 fmt::format("{} images of {}, {}", with_thousands(std::ssize(all.label)),
                             to_string(all.images.shape()), name_of(all.images.type())));
    return all;
  }
  const UnsupervisedOptions& draw = data.draw;
  if (!labelled && count_label(all, kUnknownLabel) == std::ssize(all.label)) {
    throw ArgumentError(
        "{} holds no labels to draw --valid-label {} and --anomaly-label {} by: name them with "
        "--labels",
        printable(data.images), draw.valid_label, draw.anomaly_label);
  }
  Dataset drawn = build_unsupervised_dataset(all, draw);
  console.info("creating unsupervised dataset...",
               fmt::format("{} of label {} + {} of label {}, seed {}",
                           with_thousands(count_label(drawn, draw.valid_label)), draw.valid_label,
                           with_thousands(count_label(drawn, draw.anomaly_label)),
                           draw.anomaly_label, draw.seed));
  return drawn;
}

}  // namespace oddity
