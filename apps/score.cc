// oddity score: scores sets of any size in constant memory; what is finished survives everything.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "config.h"
#include "core/error.h"
#include "core/text.h"
#include "core/thread_pool.h"
#include "detect/journal.h"
#include "detect/quantile.h"
#include "detect/score_stream.h"
#include "detect/score_table.h"
#include "device.h"
#include "engine/engine.h"
#include "files/atomic_file.h"
#include "files/model_file.h"
#include "image_inputs.h"
#include "images/image_pipeline.h"
#include "interrupt.h"
#include "options.h"
#include "paths.h"
#include "report_page.h"
#include "reporters.h"
#include "score_images.h"
#include "score_kind.h"
#include "score_record.h"
#include "threshold.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;

/// What there is of an earlier run.
struct Earlier {
  std::optional<Journal> journal;     // an unfinished run
  std::optional<std::string> record;  // a finished one
};

class Score final : public Command {
 public:
  explicit Score(CLI::App& program);
  ExitCode run(const Console& console) override;

 private:
  void check() const;
  Earlier look_for_earlier() const;
  ExitCode report_finished(const Console& console, const std::string& record,
                           const std::string& identity, const Threshold& threshold) const;
  Journal open_journal(const Console& console, std::optional<Journal> earlier,
                       const std::string& identity) const;
  PipelineOptions pipeline(const Preprocessing& preprocessing, const Network& network,
                           SourcePosition start) const;
  ScoreProgress fill(const Console& console, Engine& engine, Network& network,
                     const Preprocessing& preprocessing, const ExactScores& exact,
                     Journal& journal) const;
  [[noreturn]] void stop_for_bad(const Console& console, const Journal& journal,
                                 const TooManyBadImages& error) const;
  void write_pictures(const Console& console, const ReportSubject& subject,
                      const Preprocessing& preprocessing, const ExactScores& exact,
                      const Journal& journal, Engine& engine, Network& network) const;
  ScoreSummary write_table(const Console& console, const Journal& journal,
                           const Threshold& threshold) const;
  ExitCode conclude(const Console& console, const nlohmann::ordered_json& record,
                    const Threshold& threshold) const;

  fs::path model_;
  fs::path output_;
  ImageInputs inputs_;
  ReportOptions report_;
  ScoreOption score_;
  ThresholdOptions threshold_;
  bool resume_ = false;
  bool json_ = false;
  ComputeOptions compute_;
};

Score::Score(CLI::App& program)
    : Command(program, "score", "Score image sets of any size into a table") {
  add_file(app(), "-m,--model", model_, "The autoencoder: a Keras or Oddity model file")
      ->required()
      ->group("Data");
  inputs_.add_to(app(), "Images to score");
  inputs_.option()->required();
  inputs_.add_reading_to(app());
  add_file(app(), "-o,--output", output_, "Table of scores: .csv, .jsonl or .npy")
      ->required()
      ->group("Output");
  report_.add_report_to(app());
  report_.add_heat_maps_to(app());
  app().add_flag("--json", json_, "Print the run's record as JSON")->group("Output");
  app()
      .add_flag("--resume", resume_,
                "Go on with a run that was cut short; starts one where there is none")
      ->group("Output");
  score_.add_to(app());
  threshold_.add_to(app());
  add_compute_options(app(), compute_);
  add_config(app(), compute_.config);
  app().footer(
      "Examples:\n"
      "  oddity score -m model.h5 --images crops/ -o scores.csv\n"
      "  oddity score -m model.h5 --images shard-*.tar -o scores.jsonl -q .9999 --resume\n"
      "  find /scans -name '*.png' -print0 | oddity score -m model.h5 --images - -o scores.npy");
}

void Score::check() const {
  threshold_.check();
  check_score_suffix(output_);
  inputs_.check();
  report_.check(compute_.force || resume_);
  // The rows live beside the output until it is whole: that needs a folder.
  std::error_code error;
  const fs::file_status status = fs::status(output_, error);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status)) {
    throw ArgumentError(
        "--output {}: a table is written to a regular file, with its journal beside it",
        printable(output_));
  }
  std::vector<NamedPath> inputs = inputs_.files();
  inputs.push_back({"--model", model_});
  inputs.push_back({"--calibration", threshold_.calibration()});
  inputs.push_back({"--config", compute_.config});
  const bool may_be_there = compute_.force || resume_;
  check_paths(inputs,
              {{{"--output", output_}, may_be_there ? Overwrite::replace : Overwrite::refuse},
               {{"--output", journal_path(output_)}},
               {{"--output", record_path(output_)}},
               report_.output(),
               {{"--cache", inputs_.cache()}}});
}

Earlier Score::look_for_earlier() const {
  Earlier earlier;
  const fs::path journal = journal_path(output_);
  const bool begun = Journal::begun(journal);
  if (begun && !resume_ && !compute_.force) {
    throw Error(
        "{} holds rows of a run that was cut short: go on with --resume, or discard them with "
        "--force",
        printable(journal));
  }
  if (!resume_) return earlier;
  if (begun) {
    earlier.journal = Journal::resume(journal);
  } else if (fs::exists(output_) && !compute_.force) {
    if (!fs::exists(record_path(output_))) {
      throw Error("{} exists without {}: choose another name, or replace it with --force",
                  printable(output_), printable(record_path(output_).filename()));
    }
    earlier.record = read_record(record_path(output_));
  }
  return earlier;
}

ExitCode Score::report_finished(const Console& console, const std::string& text,
                                const std::string& identity, const Threshold& threshold) const {
  const auto record = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!record.is_object() || !record.contains("run")) {
    throw Error("{} is not the record of a run: start anew with --force",
                printable(record_path(output_)));
  }
  check_identity(record["run"].dump(), identity, record_path(output_));
  check_threshold(record, threshold, record_path(output_));
  console.info("nothing to do: the run is finished", printable(output_));
  if (report_.wants_images()) {
    console.warning("--report and --heatmaps are made with the table: start anew with --force");
  }
  return conclude(console, record, threshold);
}

Journal Score::open_journal(const Console& console, std::optional<Journal> earlier,
                            const std::string& identity) const {
  const fs::path path = journal_path(output_);
  if (!earlier) return Journal::create(path, identity, /*replace=*/true);
  check_identity(earlier->identity(), identity, path);
  console.info("going on...",
               fmt::format("after {} of {}", counted(earlier->rows(), "row"), printable(path)));
  return std::move(*earlier);
}

PipelineOptions Score::pipeline(const Preprocessing& preprocessing, const Network& network,
                                SourcePosition start) const {
  return {.preprocessing = preprocessing,
          .shape = network.architecture().image(),
          .threads = chosen_threads(compute_.threads),
          .start = start};
}

ScoreProgress Score::fill(const Console& console, Engine& engine, Network& network,
                          const Preprocessing& preprocessing, const ExactScores& exact,
                          Journal& journal) const {
  const PipelineOptions options = pipeline(preprocessing, network, journal.position());
  ScoreReporter reporter(console, progress_style(compute_.progress), options.threads,
                         inputs_.max_bad());
  // What is left when the work stops: rows that are safe or, where it never began, nothing.
  const auto leave = [&] {
    reporter.finish();
    std::string safe =
        fmt::format("{} {} safe in {}: go on with --resume", counted(journal.rows(), "row"),
                    journal.rows() == 1 ? "is" : "are", printable(journal_path(output_)));
    journal.sync();
    if (journal.rows() > 0) return safe;
    journal.remove();
    return std::string("no row was finished");
  };
  try {
    if (journal.complete()) {
      // Every row is there and the table is not: killed in between, or one bad image too many.
      reporter.update(progress_of(journal));
    } else {
      const auto stream = inputs_.open(console, options);
      score_stream(*stream, engine, network, journal, reporter, exact);
    }
  } catch (const Interrupted&) {
    throw Interrupted("interrupted: {}", leave());
  } catch (const TooManyBadImages& error) {
    reporter.finish();
    journal.sync();
    stop_for_bad(console, journal, error);
  } catch (...) {
    console.info(leave());
    throw;
  }
  return reporter.last();
}

/// Going on alone would end in the same way: a row that is finished is not read again.
void Score::stop_for_bad(const Console& console, const Journal& journal,
                         const TooManyBadImages& error) const {
  size_t named = 0;
  journal.for_each([&](const ScoreRow& row) {
    if (row.status == ImageStatus::ok || ++named > kMostNamedBad) return;
    print_bad(console, row.path, row.status, row.reason);
  });
  throw TooManyBadImages(
      "{}: raise it to {} or more and go on with --resume ({} in {}), or mend or remove such files "
      "and start anew with --force",
      error.what(), journal.bad_rows(), counted(journal.rows(), "finished row"),
      printable(journal_path(output_)));
}

ScoreSummary Score::write_table(const Console& console, const Journal& journal,
                                const Threshold& threshold) const {
  ScoreSummary summary{.images = journal.rows(), .threshold = threshold};
  journal.for_each(
      [&](const ScoreRow& row) { ++summary.statuses[static_cast<size_t>(row.status)]; });
  const uint64_t scored = summary.statuses[static_cast<size_t>(ImageStatus::ok)];
  if (threshold.of_this_run()) {
    // Without a score there is nothing to be a quantile of, and no row that would need it.
    summary.threshold.value = std::numeric_limits<double>::quiet_NaN();
    if (scored > 0) {
      compute(
          summary.threshold, scored,
          [&](const auto& visit) {
            journal.for_each([&](const ScoreRow& row) {
              if (row.status == ImageStatus::ok) visit(row.score);
            });
          },
          console);
    }
  }
  summary.outliers = write_scores(output_, journal, summary.threshold.value);
  return summary;
}

void Score::write_pictures(const Console& console, const ReportSubject& subject,
                           const Preprocessing& preprocessing, const ExactScores& exact,
                           const Journal& journal, Engine& engine, Network& network) const {
  if (!report_.wants_images()) return;
  Report report = begin_report(subject);
  add_images(console, report, report_, journal, inputs_, pipeline(preprocessing, network, {}),
             engine, network, exact);
  if (!report_.heat_maps().empty() && report.outliers > 0) {
    console.info("drawing errors...", printable(report_.heat_maps()));
  }
  if (report_.report().empty()) return;
  console.info("writing the report...", printable(report_.report()));
  write_report(report_.report(), report);
}

/// What the record says, to whoever waits for it.
ExitCode Score::conclude(const Console& console, const nlohmann::ordered_json& record,
                         const Threshold& threshold) const {
  const auto statuses = record.at("statuses").get<std::map<std::string, uint64_t>>();
  const auto images = record.at("images").get<uint64_t>();
  const auto outliers = record.at("outliers").get<uint64_t>();
  const uint64_t scored = statuses.contains("ok") ? statuses.at("ok") : 0;
  const double value = record.at("threshold").is_number() ? record.at("threshold").get<double>()
                                                          : std::numeric_limits<double>::infinity();
  std::string bad;
  for (const auto& [status, count] : statuses) {
    if (status != "ok") bad += fmt::format("{}{} {}", bad.empty() ? "" : ", ", count, status);
  }
  print_left_out(console, record.at("left_out").get<uint64_t>());
  if (!bad.empty()) {
    console.warning(fmt::format("{} of {} {} no score: {}: the table says why", images - scored,
                                counted(images, "image"), images - scored == 1 ? "has" : "have",
                                bad));
  }
  if (json_) {
    console.result(record.dump(2));
  } else if (scored > 0) {
    print_result(console, record.at("run").value("score_rule", "mse"), threshold, value, outliers);
  }
  if (scored == 0) {
    throw Error("of {} none could be scored: {} says why", counted(images, "image"),
                printable(output_));
  }
  print_advice(console, threshold);
  return threshold_.fail_on_outliers() && outliers > 0 ? kOutliers : kSuccess;
}

ExitCode Score::run(const Console& console) {
  const auto began = std::chrono::steady_clock::now();
  check();
  Device device(compute_, console);
  console.info("loading autoencoder...", printable(model_));
  const ModelFile model = read_model(model_);
  const ScoreRule rule = score_.choose(model, console);
  const Threshold threshold = threshold_.choose(model, model_, rule);
  const Preprocessing preprocessing = inputs_.choose(model, model_);
  if (!preprocessing.empty()) console.info("preprocessing images...", describe(preprocessing));
  // A device that fails at all fails here, where the CPU can still take over.
  const auto network = device.run([&](Engine& engine) {
    auto made = engine.network(model.architecture, model.weights);
    made->score_by(rule);
    const ImageArray blank(PixelType::u8, model.architecture.image(), 1);
    NoProgress silent;
    made->score(*engine.upload(blank.view()), {0, 1}, silent);
    return made;
  });
  const DeviceInfo info = device.engine().info();
  const ExactScores exact = exact_scores(threshold, 0);
  const std::string identity =
      run_identity(model, inputs_.paths(), preprocessing, info, rule, exact);

  Earlier earlier = look_for_earlier();
  if (earlier.record) return report_finished(console, *earlier.record, identity, threshold);
  print_device(console, device.engine());
  Journal journal = open_journal(console, std::move(earlier.journal), identity);
  const ScoreProgress progress =
      fill(console, device.engine(), *network, preprocessing, exact, journal);
  if (journal.rows() == 0) {
    journal.remove();
    throw Error("--images {}: holds no images", printable(inputs_.paths().front()));
  }

  console.info("saving scores...", printable(output_));
  // It was there when the run began: a night's rows are not lost with a folder that was tidied
  // away.
  std::error_code ignored;  // where it cannot be made, writing says so
  fs::create_directories(output_.parent_path(), ignored);
  const ScoreSummary summary = write_table(console, journal, threshold);
  write_pictures(console, {inputs_.name(), model_, model, info, summary.threshold, rule},
                 preprocessing, exact, journal, device.engine(), *network);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const auto record = score_record(identity, info, summary, progress, seconds);
  write_file(record_path(output_), record.dump(2) + "\n");
  journal.remove();
  return conclude(console, record, threshold);
}

}  // namespace

std::unique_ptr<Command> make_score(CLI::App& program) { return std::make_unique<Score>(program); }

}  // namespace oddity
