// What is known of the images of a table of scores: the labels that a ranking is judged by.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/dataset.h"
#include "detect/score_reader.h"

namespace oddity {

/// Where the labels of a table's rows come from; at most one is given.
struct LabelFiles {
  std::filesystem::path scores;   // the table's name, for messages
  std::filesystem::path dataset;  // the data set that was scored
  std::filesystem::path labels;   // CSV or IDX
};

/// One label a row, kUnknownLabel where there is none:
/// - of the data set's image in the same place. Throws Error where there are more or fewer images
///   than rows, or the rows' indices are neither those of the set nor 0, 1 …
/// - of a CSV file with a column `label` and one `path` (as tables write paths) or `index`; a label
///   is a whole number, or empty or −1 where none is known. Throws Error for other columns or
///   values, and an image that is there twice
/// - of an IDX file, plain or gzip, by index; throws Error where an index is beyond it. A table
///   without indices must have as many rows as there are labels
/// - else of the folders that the rows' paths lie in, where these are named by a number
/// Throws Error naming the cure where not a single row has a label.
std::vector<int32_t> labels_of(const ScoreColumns& table, const LabelFiles& files);

/// The same of a data set that has been read: `files.dataset` is its name.
std::vector<int32_t> labels_of(const ScoreColumns& table, const LabelFiles& files,
                               const Dataset& dataset);

}  // namespace oddity
