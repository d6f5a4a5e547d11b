// What is written down of a scoring run, beside its table.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "detect/score_stream.h"
#include "engine/engine.h"
#include "files/model_file.h"
#include "images/preprocessing.h"
#include "threshold.h"

namespace oddity {

/// `output` + ".run.json".
std::filesystem::path record_path(const std::filesystem::path& output);

/// The text of a record that is there. Throws Error where it cannot be read or is too long for one.
std::string read_record(const std::filesystem::path& path);

/// The hash of the model whose scores the table `output` holds, as its record states it; empty
/// where it has none beside it, or none that can be made out.
std::string model_of_table(const std::filesystem::path& output);

/// What decides the rows of a run, as JSON text: version, model, images, preprocessing, device kind
/// and precision. What only decides the table made of them (the threshold) is not in it, but where
/// the device scores exactly only what is `exact`.
std::string run_identity(const ModelFile& model, const std::vector<std::filesystem::path>& images,
                         const Preprocessing& preprocessing, const DeviceInfo& device,
                         const ScoreRule& rule, const ExactScores& exact);

/// Throws Error naming the first thing that differs, and both values; `file` is what `before` is
/// of.
void check_identity(const std::string& before, const std::string& now,
                    const std::filesystem::path& file);

/// Throws Error where the threshold of a finished run is not `now`, naming both.
void check_threshold(const nlohmann::ordered_json& record, const Threshold& now,
                     const std::filesystem::path& file);

/// What a run gave.
struct ScoreSummary {
  uint64_t images = 0;                              // rows of the table
  std::array<uint64_t, kImageStatuses> statuses{};  // by ImageStatus
  uint64_t outliers = 0;
  Threshold threshold;
};

/// The record: the command, the identity, device, threshold, counts, timings.
nlohmann::ordered_json score_record(const std::string& identity, const DeviceInfo& device,
                                    const ScoreSummary& summary, const ScoreProgress& progress,
                                    double seconds);

}  // namespace oddity
