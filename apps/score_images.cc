#include "score_images.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/progress.h"
#include "core/text.h"
#include "detect/quantile.h"
#include "detect/selection.h"
#include "interrupt.h"

namespace oddity {
namespace {

constexpr size_t kMostExamples = 20;  // of the files with one status

/// A row whose image is wanted: for a heat map, for a card of the report, or both.
struct Wanted {
  uint64_t index = 0;
  bool heat_map = false;
  ReportImage* card = nullptr;
};

/// By path and score: rows of one array or archive may share a path, and images that share the
/// score as well are taken in their order.
using WantedRows = std::multimap<std::pair<std::string, float>, Wanted>;

/// What the journal tells without looking at any image.
Selection count_rows(Report& report, const Journal& journal) {
  uint64_t scored = 0;
  std::array<ReportProblem, kImageStatuses> problems;
  journal.for_each([&](const ScoreRow& row) {
    if (row.status == ImageStatus::ok) {
      ++scored;
      report.scores.add(row.score);
      return;
    }
    ReportProblem& problem = problems[static_cast<size_t>(row.status)];
    problem.status = name_of(row.status);
    if (++problem.count <= kMostExamples) problem.examples.emplace_back(row.path, row.reason);
  });
  report.has_table = true;
  for (ReportProblem& problem : problems) {
    if (problem.count > 0) report.problems.push_back(std::move(problem));
  }
  double median = 0;
  if (scored > 0) {
    median = streamed_quantile(scored, 0.5, [&](const auto& visit) {
      journal.for_each([&](const ScoreRow& row) {
        if (row.status == ImageStatus::ok) visit(row.score);
      });
    });
  }
  Selection selection(report.threshold, median);
  uint64_t index = 0;
  journal.for_each([&](const ScoreRow& row) {
    if (row.status == ImageStatus::ok) selection.add(index, row.path, row.score);
    ++index;
  });
  report.outliers = selection.outlier_count();
  return selection;
}

/// Cards without pictures yet.
std::vector<ReportImage> cards(const std::vector<SelectedRow>& rows) {
  std::vector<ReportImage> images(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    images[i].name = rows[i].path.empty() ? fmt::format("image {}", rows[i].index) : rows[i].path;
    images[i].score = rows[i].score;
  }
  return images;
}

WantedRows wanted_rows(Report& report, const ReportOptions& options, const Journal& journal,
                       const Selection& selection) {
  WantedRows wanted;
  const auto want = [&](const std::vector<SelectedRow>& rows, std::vector<ReportImage>& images) {
    images = cards(rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      wanted.insert({{rows[i].path, rows[i].score}, {rows[i].index, false, &images[i]}});
    }
  };
  if (!options.report().empty()) {
    want(selection.outliers(), report.odd);
    want(selection.borderline(), report.borderline);
    want(selection.typical(), report.typical);
  }
  if (options.heat_maps().empty()) return wanted;
  uint64_t index = 0;
  journal.for_each([&](const ScoreRow& row) {
    const uint64_t i = index++;
    if (row.status != ImageStatus::ok) return;
    if (static_cast<double>(row.score) < report.threshold) return;
    const auto [begin, end] = wanted.equal_range({row.path, row.score});
    for (auto it = begin; it != end; ++it) {
      if (it->second.index != i) continue;
      it->second.heat_map = true;
      return;
    }
    wanted.insert({{row.path, row.score}, {i, true, nullptr}});
  });
  return wanted;
}

void fill_card(ReportImage& card, const ImageRow& row, Network& network, const Images& images,
               const ImageView& pixels, size_t position) {
  ReportImage look = look_at(network, images, pixels, position);
  look.name = card.name;
  look.score = card.score;
  if (row.label >= 0) look.note = fmt::format("label {}", row.label);
  card = std::move(look);
}

/// Looks at the wanted images of a batch, and takes them off the list.
void look_at_batch(const ImageBatch& batch, WantedRows& wanted, const ReportOptions& options,
                   Engine& engine, Network& network, const ExactScores& exact) {
  if (batch.images == 0) return;
  const ImageView pixels{batch.pixels.data(), batch.type, network.architecture().image(),
                         batch.images};
  const auto images = engine.upload(pixels);
  std::vector<float> scores(batch.images);
  NoProgress silent;
  network.score(*images, {0, batch.images}, silent, exact)->download(scores);
  size_t position = 0;
  for (const ImageRow& row : batch.rows) {
    if (row.status != ImageStatus::ok) continue;
    const size_t at = position++;
    auto [found, end] = wanted.equal_range({row.path, scores[at]});
    if (found == end) continue;
    // In a small set an image may be shown twice: as typical and as just below the threshold.
    const uint64_t index = found->second.index;
    while (found != end) {
      const Wanted& want = found->second;
      if (want.index != index) {
        ++found;
        continue;
      }
      if (want.heat_map) write_heat_map(options.heat_maps(), index, network, *images, at);
      if (want.card != nullptr) fill_card(*want.card, row, network, *images, pixels, at);
      found = wanted.erase(found);
    }
  }
}

void drop_empty(std::vector<ReportImage>& images) {
  std::erase_if(images, [](const ReportImage& image) { return image.original.pixels.empty(); });
}

}  // namespace

void add_images(const Console& console, Report& report, const ReportOptions& options,
                const Journal& journal, const ImageInputs& inputs, const PipelineOptions& pipeline,
                Engine& engine, Network& network, const ExactScores& exact) {
  const Selection selection = count_rows(report, journal);
  WantedRows wanted = wanted_rows(report, options, journal, selection);
  if (!wanted.empty()) console.info("looking at images again...", std::to_string(wanted.size()));
  WantedEntries entries;
  for (const auto& [key, want] : wanted) {
    if (key.first.empty()) {
      entries.places.insert(want.index);
    } else {
      entries.paths.insert(key.first);
    }
  }
  try {
    const auto stream = wanted.empty() ? nullptr : inputs.open_again(entries, pipeline);
    ImageBatch batch;
    while (!wanted.empty()) {
      throw_if_interrupted();
      const ImageStream::Wait wait = stream->next(batch);
      if (wait == ImageStream::Wait::end) break;
      if (wait == ImageStream::Wait::batch) {
        look_at_batch(batch, wanted, options, engine, network, exact);
      }
    }
  } catch (const Interrupted&) {
    throw;
  } catch (const DeviceError&) {
    throw;
  } catch (const Error& error) {
    // The scores are there: what happened to the images since is not worth losing them.
    console.warning(error.what());
  }
  if (!wanted.empty()) {
    console.warning(
        fmt::format("{} not what {} when scored, and not shown",
                    wanted.size() == 1 ? "1 image is" : counted(wanted.size(), "image") + " are",
                    wanted.size() == 1 ? "it was" : "they were"));
  }
  drop_empty(report.odd);
  drop_empty(report.borderline);
  drop_empty(report.typical);
}

}  // namespace oddity
