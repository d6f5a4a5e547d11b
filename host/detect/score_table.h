// Scores as a table: csv, jsonl or npy, chosen by the suffix.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace oddity {

/// Throws ArgumentError unless the suffix is .csv, .jsonl or .npy.
void check_score_suffix(const std::filesystem::path& path);

/// One row an image in the order of the set; an outlier is score >= threshold. csv and jsonl hold
/// index, path (empty for sets without one), score, is_outlier, status, reason; npy the scores
/// alone, float32 [N]. Scores are written with the digits of their float64 value: whoever reads
/// them as float32 or as float64 gets the very score, and the same outliers from the same
/// threshold. `index` and `scores` are of one length. Throws Error where a score is not finite, or
/// the file cannot be written.
void write_scores(const std::filesystem::path& path, std::span<const int64_t> index,
                  std::span<const float> scores, double threshold);

}  // namespace oddity
