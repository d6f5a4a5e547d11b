#include "report/html_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <kainjow/mustache.hpp>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "files/atomic_file.h"
#include "report/chart.h"
#include "report/report_template.h"

namespace oddity {
namespace {

using kainjow::mustache::data;

constexpr size_t kMostPictureBytes = size_t{4} << 20;
constexpr uint32_t kLargestSide = 160;
constexpr uint32_t kSmallestSide = 24;

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

/// A picture as the page holds it.
struct Shown {
  std::string uri;
  uint32_t width, height;
};

Shown show(const Picture& picture, uint32_t side) {
  const Picture small = shrunk(picture, side);
  return {"data:image/png;base64," + base64(encode_png(small)), small.width, small.height};
}

using Group = const std::vector<ReportImage>*;

/// The three pictures of every image, at the largest side at which all together are not too large.
std::vector<Shown> show_all(std::initializer_list<Group> groups) {
  for (uint32_t side = kLargestSide;; side = side * 3 / 4) {
    std::vector<Shown> shown;
    size_t bytes = 0;
    for (const Group group : groups) {
      for (const ReportImage& image : *group) {
        for (const Picture* picture : {&image.original, &image.reconstruction, &image.errors}) {
          shown.push_back(show(*picture, side));
          bytes += shown.back().uri.size();
        }
      }
    }
    if (bytes <= kMostPictureBytes || side <= kSmallestSide) return shown;
  }
}

/// A score as a person reads it: four significant digits.
std::string short_score(double score) { return fmt::format("{:.4g}", score); }

/// `rank`: of the first image, the highest score being 1; 0 where they have none.
data cards(const std::vector<ReportImage>& images, double threshold, uint64_t rank,
           std::vector<Shown>::const_iterator& shown) {
  data list(data::type::list);
  for (const ReportImage& image : images) {
    data card;
    const auto score = static_cast<double>(image.score);
    card.set("name", printable(std::string_view(image.name)));
    card.set("score", short_score(score));
    if (rank > 0) card.set("rank", with_thousands(static_cast<int64_t>(rank++)));
    if (std::isfinite(threshold) && threshold > 0) {
      card.set("ratio", fmt::format("{:.3g} × threshold", score / threshold));
    }
    if (!image.note.empty()) card.set("note", printable(std::string_view(image.note)));
    for (const char* const which : {"original", "reconstruction", "errors"}) {
      // Small images are enlarged: by whole factors, their pixels stay squares.
      const uint32_t side = std::max(shown->width, shown->height);
      const uint32_t factor = std::max(1U, 96 / std::max(side, 1U));
      card.set(which, shown->uri);
      card.set(
          std::string(which) + "_size",
          fmt::format("width=\"{}\" height=\"{}\"", shown->width * factor, shown->height * factor));
      ++shown;
    }
    list.push_back(card);
  }
  return list;
}

data problems(const std::vector<ReportProblem>& all) {
  data list(data::type::list);
  for (const ReportProblem& problem : all) {
    data entry;
    entry.set("status", problem.status);
    entry.set("count", with_thousands(static_cast<int64_t>(problem.count)));
    data examples(data::type::list);
    for (const auto& [path, reason] : problem.examples) {
      data example;
      example.set("path", printable(std::string_view(path)));
      example.set("reason", printable(std::string_view(reason)));
      examples.push_back(example);
    }
    entry.set("examples", examples);
    if (problem.count > problem.examples.size()) {
      entry.set("more",
                with_thousands(static_cast<int64_t>(problem.count - problem.examples.size())));
    }
    list.push_back(entry);
  }
  return list;
}

/// The headline, its numbers first: "7 of 6,809 images", "score 0.029 or more".
struct Verdict {
  std::string numbers, rest;
};

Verdict verdict(const Report& report, uint64_t bad) {
  const uint64_t scored = report.scores.total();
  const std::string images = counted(scored > 0 ? scored : bad, "image");
  const std::string none = "None of " + images;
  if (scored == 0) return {none, "could be scored"};
  if (!std::isfinite(report.threshold)) return {none, "is flagged"};
  const std::string rest = fmt::format("score {} or more", short_score(report.threshold));
  if (report.outliers == 0) return {none, rest};
  return {fmt::format("{} of {}", with_thousands(static_cast<int64_t>(report.outliers)), images),
          rest};
}

/// How many were flagged, and how many of them are shown.
std::string flagged_and_shown(size_t shown, uint64_t all) {
  const std::string flagged = with_thousands(static_cast<int64_t>(all)) + " flagged";
  return shown == all ? flagged : fmt::format("{}, the {} highest scores", flagged, shown);
}

/// What a score is, for people.
const char* meaning(ScoreKind rule) {
  switch (rule) {
    case ScoreKind::mse:
      return "A score is the mean squared difference between an image and what the autoencoder "
             "makes of it: what it has rarely seen, it draws badly.";
    case ScoreKind::robust:
      return "A score is the mean square of the smoothed difference between an image and what the "
             "autoencoder makes of it, relative to how much the image shows: what it has rarely "
             "seen, "
             "it draws badly.";
  }
  return "";
}

/// The paragraph on the threshold, and what the cards below it are called.
void set_threshold(data& page, const Report& report) {
  const bool has_threshold = std::isfinite(report.threshold);
  std::string text = has_threshold
                         ? fmt::format("The threshold is {}: {}.", short_score(report.threshold),
                                       report.threshold_origin)
                         : fmt::format("No threshold: {}.", report.threshold_origin);
  if (!report.why_none.empty()) text = report.why_none + ".";
  if (!report.advice.empty()) text += fmt::format(" Note: {}.", report.advice);
  page.set("score_rule", meaning(report.score_rule));
  page.set("has_threshold", has_threshold);
  page.set("no_threshold", !has_threshold);
  page.set("threshold", printable(std::string_view(text)));
  // Once, with the first cards.
  page.set("caption_below", report.odd.empty());
}

}  // namespace

void write_report(const std::filesystem::path& path, const Report& report) {
  data page;
  page.set("title", printable(std::string_view(report.title)));
  uint64_t bad = 0;
  for (const ReportProblem& problem : report.problems) bad += problem.count;
  const auto [numbers, rest] = verdict(report, bad);
  page.set("numbers", numbers);
  page.set("rest", rest);
  page.set("version", report.version);
  set_threshold(page, report);

  data facts(data::type::list);
  for (const auto& [name, value] : report.facts) {
    data fact;
    fact.set("name", name);
    fact.set("value", printable(std::string_view(value)));
    facts.push_back(fact);
  }
  page.set("facts", facts);

  page.set("histogram", histogram_svg(report.scores, report.training_scores, report.threshold));
  page.set("has_scores", report.scores.total() > 0);
  page.set("has_training", report.training_scores.total() > 0);
  page.set("loss_chart", loss_svg(report.loss, report.validation_loss));
  page.set("has_loss", !report.loss.empty());
  page.set("has_validation", !report.validation_loss.empty());

  const std::vector<Shown> shown = show_all({&report.odd, &report.borderline, &report.typical});
  auto next = shown.begin();
  page.set("odd", cards(report.odd, report.threshold, 1, next));
  page.set("borderline", cards(report.borderline, report.threshold, report.outliers + 1, next));
  page.set("typical", cards(report.typical, report.threshold, 0, next));
  page.set("has_odd", !report.odd.empty());
  page.set("has_borderline", !report.borderline.empty());
  page.set("has_typical", !report.typical.empty());
  page.set("odd_count", flagged_and_shown(report.odd.size(), report.outliers));

  page.set("problems", problems(report.problems));
  page.set("problem_count", counted(bad, "file"));
  page.set("has_table", report.has_table);
  page.set("has_problems", bad > 0);
  page.set("command",
           printable(std::string_view(fmt::format("{}", fmt::join(report.command, " ")))));

  page.set("caption", kainjow::mustache::partial([] {
             return std::string(
                 "Each: the image, its reconstruction, and where they differ (black: nowhere, "
                 "white: most; scaled to each image's own largest error).");
           }));
  page.set("card", kainjow::mustache::partial([] { return std::string(report_card()); }));

  kainjow::mustache::mustache mustache{std::string(report_template())};
  if (!mustache.is_valid()) throw Error("the report's template: {}", mustache.error_message());
  write_file(path, mustache.render(page));
}

}  // namespace oddity
