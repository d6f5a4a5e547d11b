#include "against.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "detect/baselines.h"
#include "interrupt.h"

namespace oddity {
namespace {

struct Baseline {
  std::string_view name;
  std::string_view size_name;
  std::string_view meaning;  // of {} components or neighbours
  size_t (*size)(const ImageView& images);
  std::vector<double> (*scores)(const ImageView& images, const BaselineOptions& options);
};

constexpr std::array kBaselines{
    Baseline{"pca", "components", "error of the reconstruction from {} principal components",
             principal_components, pca_errors},
    Baseline{"knn", "neighbours", "mean distance to the {} nearest other images",
             nearest_neighbours, knn_distances},
};

const Baseline* find_baseline(std::string_view name) {
  const auto* const found =
      std::find_if(kBaselines.begin(), kBaselines.end(),
                   [&](const Baseline& baseline) { return baseline.name == name; });
  return found == kBaselines.end() ? nullptr : found;
}

std::string check_name(std::string& name) {
  if (find_baseline(name) != nullptr) return {};
  std::string known;
  for (const Baseline& baseline : kBaselines) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", baseline.name);
  }
  return fmt::format("'{}' is no baseline: there are {}", printable(std::string_view(name)), known);
}

}  // namespace

CLI::Option* add_against(CLI::App& command, std::vector<std::string>& names) {
  return command
      .add_option("--against", names,
                  "Baselines without a network, of the same images: pca (error of the "
                  "reconstruction from 16 principal components), knn (mean distance to the 20 "
                  "nearest other images); both are of all images of --dataset, without labels")
      ->type_name("NAME")
      ->delimiter(',')
      ->check(CLI::Validator(check_name, ""));
}

void check_against(const std::vector<std::string>& names, bool has_dataset) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1) {
      throw ArgumentError("--against names {} twice: name each baseline once", names[i]);
    }
  }
  if (names.empty() || has_dataset) return;
  throw ArgumentError(
      "--against {} is computed from the images: give the data set that was scored with --dataset",
      fmt::join(names, ","));
}

std::vector<BaselineScores> baseline_scores(const Console& console,
                                            const std::vector<std::string>& names,
                                            const Dataset& dataset, int threads) {
  const ImageView images = dataset.images.view();
  std::vector<BaselineScores> all;
  for (const std::string& name : names) {
    const Baseline* const baseline = find_baseline(name);
    if (baseline == nullptr) throw ArgumentError("'{}' is no baseline", name);
    console.info("computing baseline...", name);
    const size_t size = baseline->size(images);
    all.push_back({name, std::string(baseline->size_name), size,
                   fmt::format(fmt::runtime(baseline->meaning), size),
                   baseline->scores(images, {threads, throw_if_interrupted})});
  }
  return all;
}

}  // namespace oddity
