// Scores as a table: csv, jsonl or npy, chosen by the suffix.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace oddity {

/// Throws ArgumentError unless the suffix is .csv, .jsonl or .npy.
void check_score_suffix(const std::filesystem::path& path);

/// One row an image in the order of the set. csv and jsonl: index, path (empty here), score,
/// is_outlier, status, reason; floats round-trip. npy: the scores alone, float32 [N].
void write_scores(const std::filesystem::path& path, std::span<const int64_t> index,
                  std::span<const float> scores, double threshold);

}  // namespace oddity
