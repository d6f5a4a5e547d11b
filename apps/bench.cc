// oddity bench: what each stage of scoring costs here, and what they reach together.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench_plan.h"
#include "command.h"
#include "config.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/text.h"
#include "core/thread_pool.h"
#include "detect/background_scorer.h"
#include "detect/journal.h"
#include "detect/score_stream.h"
#include "device.h"
#include "engine/cards.h"
#include "engine/engine.h"
#include "files/model_file.h"
#include "image_inputs.h"
#include "images/entry_loader.h"
#include "images/image_pipeline.h"
#include "images/image_source.h"
#include "interrupt.h"
#include "options.h"
#include "reporters.h"
#include "score_kind.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;

/// Seconds by the clock, and of all processors together.
struct Cost {
  double wall = 0;
  double cpu = 0;
};

/// Each stage alone works on as many images at once as an engine is given in a run.
constexpr BatchLimits kWholeChunks{
    .entries = kScoreChunk, .files = kScoreChunk, .bytes = size_t{64} << 20};

using Costs = std::vector<std::pair<std::string, Cost>>;

template <typename Work>
Cost measure(Work&& work) {
  const auto cpu_seconds = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  };
  throw_if_interrupted();
  const auto began = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
          cpu_seconds() - cpu};
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// A folder for what is written here, gone with it.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "oddity-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw Error("cannot make a folder in {}: set TMPDIR to one that can be written to",
                  printable(fs::temp_directory_path()));
    }
    path_ = name;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// The front of a source.
class FirstEntries final : public ImageSource {
 public:
  FirstEntries(std::unique_ptr<ImageSource> source, size_t entries)
      : source_(std::move(source)), left_(entries) {}

  bool next(SourceBatch& batch, const BatchLimits& limits) override {
    batch.clear();
    if (left_ == 0) return false;
    BatchLimits fewer = limits;
    fewer.entries = std::min(fewer.entries, left_);
    fewer.files = std::min(fewer.files, left_);
    const bool more = source_->next(batch, fewer);
    left_ -= std::min(left_, batch.entries.size());
    return more;
  }
  uint64_t skip(uint64_t, const std::function<void(const std::string&)>&) override { return 0; }
  std::optional<uint64_t> total() const override { return std::nullopt; }
  double fraction() const override { return 0; }

 private:
  std::unique_ptr<ImageSource> source_;
  size_t left_;
};

class NoObserver final : public ScoreObserver {
 public:
  void update(const ScoreProgress&) override { throw_if_interrupted(); }
};

class Bench final : public Command {
 public:
  explicit Bench(CLI::App& program);
  ExitCode run(const Console& console) override;

 private:
  /// `model` is needed unless a plan is wanted.
  void add_plan_options(CLI::Option& model);
  std::unique_ptr<ImageSource> source() const {
    return std::make_unique<FirstEntries>(open_images(inputs_.paths()), images_);
  }
  Costs run_stages(Engine& engine, const ModelFile& model, const Preprocessing& preprocessing);
  Cost run_all(Engine& engine, const ModelFile& model, const Preprocessing& preprocessing);
  void print(const Console& console, const DeviceInfo& device,
             const std::map<std::string, std::vector<Cost>>& costs,
             const std::vector<std::string>& order) const;

  fs::path model_;
  ImageInputs inputs_;
  size_t images_ = 10000;
  size_t repeats_ = 5;
  bool json_ = false;
  bool plan_ = false;
  int64_t batch_size_ = 32;
  std::string card_ = "rtx-4090";
  ComputeOptions compute_;
  size_t rows_ = 0;  // that each stage worked on
};

Bench::Bench(CLI::App& program)
    : Command(program, "bench", "Measure what each stage of scoring costs on this machine") {
  CLI::Option* const model =
      add_file(app(), "-m,--model", model_, "The autoencoder: a Keras or Oddity model file")
          ->required()
          ->group("Data");
  inputs_.add_to(app(), "Images to measure with");
  inputs_.option()->required();
  app()
      .add_option("--count", images_, "How many of them")
      ->type_name("N")
      ->check(whole_number(1, 100'000'000))
      ->capture_default_str()
      ->group("Data");
  app()
      .add_option("--repeats", repeats_, "How often; medians are printed")
      ->type_name("N")
      ->check(whole_number(1, 1000))
      ->capture_default_str()
      ->group("Data");
  app().add_flag("--json", json_, "Print the result as JSON")->group("Output");
  add_plan_options(*model);
  add_device_options(app(), compute_);
  add_config(app(), compute_.config);
  app().footer(
      "Examples:\n"
      "  oddity bench -m model.h5 --images crops/\n"
      "  oddity bench -m model.h5 --images photos.tar --count 1000 --json\n"
      "  oddity bench --plan --card h100");
}

void Bench::add_plan_options(CLI::Option& model) {
  const auto planned = [this, &model](int64_t times) {
    plan_ = times > 0;
    model.required(!plan_);
    inputs_.option()->required(!plan_);
  };
  app()
      .add_flag_function(
          "--plan", planned,
          "Measure nothing: print what the CUDA engine would launch, and what a card would take "
          "for it by its published peaks; of --model, else of the default network. Needs no GPU")
      ->excludes(inputs_.option())
      ->group("Plan");
  app()
      .add_option("--batch-size", batch_size_, "Images of the training step that is planned")
      ->type_name("N")
      ->check(whole_number(1, 1'000'000))
      ->capture_default_str()
      ->group("Plan");
  std::string names;
  for (const Card& card : cards()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", card.name);
  }
  app()
      .add_option("--card", card_, "The card that it is planned for: " + names)
      ->type_name("NAME")
      ->capture_default_str()
      ->group("Plan");
}

/// As `score` would with the model's own threshold.
ExactScores exact_scores(const ModelFile& model) {
  return model.record ? ExactScores::from_threshold(model.record->threshold) : ExactScores{};
}

/// Each stage alone, on what the one before it gave.
Costs Bench::run_stages(Engine& engine, const ModelFile& model,
                        const Preprocessing& preprocessing) {
  const Scratch scratch;
  std::vector<SourceBatch> encoded;
  const Cost listed = measure([&] {
    const auto images = source();
    SourceBatch batch;
    while (images->next(batch, kWholeChunks)) encoded.push_back(std::exchange(batch, {}));
  });
  EntryLoader loader(preprocessing);
  std::optional<ImageShape> shape = model.architecture.image();
  std::vector<ImageBatch> decoded(encoded.size());
  for (size_t i = 0; i < encoded.size(); ++i) loader.load(encoded[i], shape, decoded[i]);
  const StageSeconds& loaded = loader.seconds();

  Costs costs;
  // On one thread here, on all of them in a run.
  costs.emplace_back("read", Cost{listed.wall + loaded.read, listed.wall + loaded.read});
  costs.emplace_back("decode", Cost{loaded.decode, loaded.decode});
  if (!preprocessing.empty()) {
    costs.emplace_back("resample", Cost{loaded.preprocess, loaded.preprocess});
  }

  const auto network = engine.network(model.architecture, model.weights);
  network->score_by(score_rule(model));
  Cost upload;
  Cost compute;
  std::vector<ScoreRow> rows;
  for (ImageBatch& batch : decoded) {
    size_t image = 0;
    std::vector<float> scores(batch.images);
    if (batch.images > 0) {
      const auto staging = engine.staging(batch.type, *shape, batch.images);
      std::copy(batch.pixels.begin(), batch.pixels.end(), staging->data());
      const auto add = [](Cost& sum, const Cost& more) {
        sum.wall += more.wall;
        sum.cpu += more.cpu;
      };
      const Images* sent = nullptr;
      add(upload, measure([&] { sent = &staging->send(batch.images); }));
      NoProgress silent;
      add(compute, measure([&] {
            network->score(*sent, {0, batch.images}, silent, exact_scores(model))->download(scores);
          }));
    }
    for (ImageRow& row : batch.rows) {
      const float score = row.status == ImageStatus::ok ? scores[image++] : 0;
      rows.push_back({std::move(row.path), row.status, score, std::move(row.reason)});
    }
  }
  costs.emplace_back("upload", upload);
  costs.emplace_back("compute", compute);
  costs.emplace_back("write", measure([&] {
                       Journal journal = Journal::create(scratch / "journal", "bench", false);
                       journal.append(rows, {}, true);
                       write_scores(scratch / "scores.csv", journal, 1);
                     }));
  rows_ = rows.size();
  return costs;
}

/// All of them at once, as `score` runs them.
Cost Bench::run_all(Engine& engine, const ModelFile& model, const Preprocessing& preprocessing) {
  const Scratch scratch;
  const auto network = engine.network(model.architecture, model.weights);
  network->score_by(score_rule(model));
  return measure([&] {
    Journal journal = Journal::create(scratch / "journal", "bench", false);
    const auto stream = open_pipeline(source(), {.preprocessing = preprocessing,
                                                 .shape = model.architecture.image(),
                                                 .threads = chosen_threads(compute_.threads),
                                                 .start = {}});
    NoObserver nobody;
    score_stream(*stream, engine, *network, journal, nobody, exact_scores(model));
    write_scores(scratch / "scores.csv", journal, 1);
  });
}

void Bench::print(const Console& console, const DeviceInfo& device,
                  const std::map<std::string, std::vector<Cost>>& costs,
                  const std::vector<std::string>& order) const {
  const int threads = chosen_threads(compute_.threads);
  const auto rows = static_cast<double>(rows_);
  nlohmann::ordered_json stages = nlohmann::ordered_json::array();
  double cpu_of_all = 0;
  std::string table = fmt::format("{:<12} {:>12} {:>14} {:>14}", "stage", "images/s", "us an image",
                                  "CPU us an image");
  const auto row = [&](const std::string& name, double wall, double cpu) {
    table += fmt::format("\n{:<12} {:>12} {:>14.2f} {:>14.2f}", name,
                         wall > 0 ? with_thousands(std::llround(rows / wall)) : "-",
                         wall / rows * 1e6, cpu / rows * 1e6);
    stages.push_back({{"stage", name},
                      {"images_per_second", wall > 0 ? rows / wall : 0},
                      {"microseconds", wall / rows * 1e6},
                      {"cpu_microseconds", cpu / rows * 1e6}});
  };
  double all = 0;
  for (const std::string& name : order) {
    std::vector<double> walls;
    std::vector<double> cpus;
    for (const Cost& cost : costs.at(name)) {
      walls.push_back(cost.wall);
      cpus.push_back(cost.cpu);
    }
    const double cpu = median(cpus);
    if (name == "end to end") {
      all = median(walls);
    } else {
      cpu_of_all += cpu;
    }
    row(name, median(walls), cpu);
  }
  const double bound = threads / cpu_of_all * rows;
  const std::string share =
      fmt::format("threads / CPU time of all stages = {} images/s; end to end reaches {:.0f} %",
                  with_thousands(std::llround(bound)), 100 * rows / all / bound);
  if (!json_) {
    console.result(fmt::format("{}\n{}", table, share));
    return;
  }
  console.result(
      nlohmann::ordered_json{{"device", {{"name", device.name}, {"details", device.details}}},
                             {"images", rows_},
                             {"repeats", repeats_},
                             {"threads", threads},
                             {"stages", stages},
                             {"bound_images_per_second", bound},
                             {"share_of_bound", rows / all / bound}}
          .dump(2));
}

ExitCode Bench::run(const Console& console) {
  if (plan_) {
    const Card& card = card_named(card_);
    const Architecture architecture =
        model_.empty() ? conv_autoencoder(28, 28, 1) : read_model(model_).architecture;
    print_plan(console, architecture, batch_size_, card, json_);
    return kSuccess;
  }
  inputs_.check();
  Device device(compute_, console);
  const ModelFile model = read_model(model_);
  const Preprocessing preprocessing = inputs_.choose(model, model_);
  print_device(console, device.engine());
  std::map<std::string, std::vector<Cost>> costs;
  std::vector<std::string> order;
  for (size_t i = 0; i < repeats_; ++i) {
    Costs measured = run_stages(device.engine(), model, preprocessing);
    measured.emplace_back("end to end", run_all(device.engine(), model, preprocessing));
    for (const auto& [name, cost] : measured) {
      costs[name].push_back(cost);
      if (i == 0) order.push_back(name);
    }
  }
  if (rows_ == 0) throw Error("--images {}: holds no images", printable(inputs_.paths().front()));
  print(console, device.engine().info(), costs, order);
  return kSuccess;
}

}  // namespace

std::unique_ptr<Command> make_bench(CLI::App& program) { return std::make_unique<Bench>(program); }

}  // namespace oddity
