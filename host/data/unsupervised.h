// The reference program's data set: normal images contaminated with a few of another label.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace oddity {

struct UnsupervisedOptions {
  int32_t valid_label = 1;
  int32_t anomaly_label = 3;
  double contamination = 0.01;  // anomalies drawn, as a share of the valid images; in [0, 1]
  uint32_t seed = 42;
};

/// Draws the data set exactly as the reference's build_unsupervised_dataset does after
/// `random.seed(seed)`: both index lists shuffled by Python's generator, the first
/// int(n_valid · contamination) anomalies kept, stacked, rows shuffled by NumPy's legacy generator.
/// `index` holds each image's row in `labelled`, `label` and `path` are carried along.
/// Throws ArgumentError for a contamination outside [0,1] or equal labels; Error where a label does
/// not occur, or too few anomalies exist.
Dataset build_unsupervised_dataset(const Dataset& labelled, const UnsupervisedOptions& options);

/// Positions of a data set for training and for validation, in the order of the reference's arrays.
struct Split {
  std::vector<uint32_t> train;
  std::vector<uint32_t> validation;
};

/// scikit-learn's train_test_split(random_state=seed): a NumPy legacy permutation of n whose first
/// ceil(fraction · n) positions validate and whose rest trains.
/// Throws ArgumentError unless 0 < fraction < 1, Error where either part would be empty.
Split train_validation_split(size_t n, double fraction, uint32_t seed);

}  // namespace oddity
