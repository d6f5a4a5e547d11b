#include "data/unsupervised.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "data/numpy_random.h"
#include "data/python_random.h"

namespace oddity {
namespace {

std::vector<uint32_t> rows_of(const Dataset& dataset, int32_t label) {
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < dataset.size(); ++i) {
    if (dataset.label[i] == label) rows.push_back(static_cast<uint32_t>(i));
  }
  return rows;
}

Error absent(const Dataset& dataset, int32_t label) {
  return Error("no image of label {} among {} images: choose a label that occurs", label,
               dataset.size());
}

/// The generators draw 32-bit numbers.
void check_count(size_t n) {
  if (n > std::numeric_limits<uint32_t>::max()) {
    throw Error("{} images are more than the {} a data set may hold", n,
                std::numeric_limits<uint32_t>::max());
  }
}

}  // namespace

Dataset build_unsupervised_dataset(const Dataset& labelled, const UnsupervisedOptions& options) {
  if (!(options.contamination >= 0 && options.contamination <= 1)) {
    throw ArgumentError("contamination {} is not a share: choose one in [0, 1]",
                        shortest(options.contamination));
  }
  if (options.valid_label == options.anomaly_label) {
    throw ArgumentError("valid and anomaly label are both {}: choose two labels",
                        options.valid_label);
  }
  check_count(labelled.size());
  std::vector<uint32_t> rows = rows_of(labelled, options.valid_label);
  std::vector<uint32_t> anomalies = rows_of(labelled, options.anomaly_label);
  if (rows.empty()) throw absent(labelled, options.valid_label);
  if (anomalies.empty() && options.contamination > 0) throw absent(labelled, options.anomaly_label);
  const auto drawn = static_cast<size_t>(static_cast<double>(rows.size()) * options.contamination);
  if (drawn > anomalies.size()) {
    throw Error(
        "contamination {} of {} images of label {} takes {} of label {}, there are {}: lower it",
        shortest(options.contamination), rows.size(), options.valid_label, drawn,
        options.anomaly_label, anomalies.size());
  }

  PythonRandom python(options.seed);
  python.shuffle(std::span(rows));
  python.shuffle(std::span(anomalies));
  rows.insert(rows.end(), anomalies.begin(), anomalies.begin() + static_cast<ptrdiff_t>(drawn));
  NumpyRandom(options.seed).shuffle(std::span(rows));

  const ImageView source = labelled.images.view();
  Dataset dataset;
  dataset.images = ImageArray(source.type, source.shape, rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(dataset.images.data() + i * source.image_bytes(), source.image(rows[i]),
                source.image_bytes());
    dataset.index.push_back(rows[i]);
    dataset.label.push_back(labelled.label[rows[i]]);
    if (!labelled.path.empty()) dataset.path.push_back(labelled.path[rows[i]]);
  }
  return dataset;
}

Split train_validation_split(size_t n, double fraction, uint32_t seed) {
  if (!(fraction > 0 && fraction < 1)) {
    throw ArgumentError("validation share {} is not between 0 and 1: choose one, such as 0.2",
                        shortest(fraction));
  }
  check_count(n);
  const auto validating = static_cast<size_t>(std::ceil(fraction * static_cast<double>(n)));
  if (validating == 0 || validating >= n) {
    throw Error(
        "{} images with validation share {} leave {} to validate and {} to train: both need at "
        "least one",
        n, shortest(fraction), validating, n - validating);
  }
  const std::vector<uint32_t> order = NumpyRandom(seed).permutation(static_cast<uint32_t>(n));
  const auto middle = order.begin() + static_cast<ptrdiff_t>(validating);
  return {.train = {middle, order.end()}, .validation = {order.begin(), middle}};
}

}  // namespace oddity
