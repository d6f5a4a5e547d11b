// --images, and what is done with each image before the network sees it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "files/model_file.h"
#include "images/image_pipeline.h"
#include "images/image_stream.h"
#include "images/preprocessing.h"
#include "images/selected_source.h"
#include "paths.h"

namespace oddity {

class ImageInputs {
 public:
  /// `images` says what they are for; help adds what they may be.
  void add_to(CLI::App& command, const std::string& images);
  /// --cache and --max-bad, where all images are read.
  void add_reading_to(CLI::App& command);

  /// Throws ArgumentError for options that are missing or exclude each other, Error where an input
  /// is not there.
  void check() const;

  const std::vector<std::filesystem::path>& paths() const { return paths_; }
  /// What messages call them: "crops/", "a.tar and 3 more". There is at least one.
  std::string name() const;
  /// Those that are files, for check_paths().
  std::vector<NamedPath> files() const;
  /// As asked for; empty where nothing was.
  Preprocessing preprocessing() const;
  CLI::Option* option() const { return option_; }
  const std::filesystem::path& cache() const { return cache_; }
  /// Images that may be bad; none: any number.
  const std::optional<uint64_t>& max_bad() const { return max_bad_; }

  /// For a model: what its file states, else what was asked for. Throws ArgumentError where these
  /// differ, or do not give images of the model's shape.
  Preprocessing choose(const ModelFile& model, const std::filesystem::path& model_path) const;

  /// What `preprocessing` makes of the images, those of `shape` (none: of the shape of the first
  /// good one) being good: from the cache where there is one of just this, else decoded, and kept
  /// in the cache where one is asked for.
  std::unique_ptr<ImageStream> open(const Console& console, const PipelineOptions& options) const;
  /// Some of them once more, decoded again. A list on standard input is gone by then: where it was
  /// the only input, the paths wanted are its images; beside others, its images are left out.
  std::unique_ptr<ImageStream> open_again(const WantedEntries& wanted,
                                          const PipelineOptions& options) const;

 private:
  std::vector<std::filesystem::path> paths_;
  std::filesystem::path cache_;
  std::optional<uint64_t> max_bad_;
  std::string resize_;
  bool crop_ = false;
  bool gray_ = false;
  CLI::Option* option_ = nullptr;
};

}  // namespace oddity
