// What the options of several commands share: how values are checked, how help looks.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/engine.h"

namespace oddity {

/// Accepts decimal whole numbers in [low, high].
CLI::Validator whole_number(int64_t low, int64_t high);

/// Accepts finite numbers in [low, high], without `low` or `high` themselves where told so.
enum class Ends { closed, open };
CLI::Validator number(double low, double high, Ends ends = Ends::closed);
/// Accepts finite numbers.
CLI::Validator finite_number();
/// Accepts finite numbers above 0.
CLI::Validator positive_number();

/// Accepts anything but an empty text: a file is to be named.
CLI::Validator file_name();

/// An option that names a file.
CLI::Option* add_file(CLI::App& command, const char* name, std::filesystem::path& path,
                      const char* description);

/// Help with defaults in brackets behind the descriptions.
std::shared_ptr<CLI::Formatter> help_formatter();

/// Options of every command that computes.
struct ComputeOptions {
  std::string device = "auto";
  int threads = 0;
  std::string precision = "auto";
  std::string progress = "auto";
  bool force = false;
  std::string config;
};

/// --device, --threads and --precision.
void add_device_options(CLI::App& command, ComputeOptions& options);
/// The same, --progress and --force.
void add_compute_options(CLI::App& command, ComputeOptions& options);

/// What an engine is to be made with.
EngineOptions engine_options(const ComputeOptions& options);

}  // namespace oddity
