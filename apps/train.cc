// oddity train: learns to reconstruct a set of images, and saves what `oddity find` needs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "command.h"
#include "config.h"
#include "core/error.h"
#include "core/random.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/unsupervised.h"
#include "detect/quantile.h"
#include "device.h"
#include "engine/engine.h"
#include "files/model_file.h"
#include "interrupt.h"
#include "options.h"
#include "paths.h"
#include "reconstructions.h"
#include "report/loss_plot.h"
#include "report_page.h"
#include "reporters.h"
#include "robust_options.h"
#include "train/trainer.h"
#include "train_data.h"
#include "train_resume.h"

namespace oddity {
namespace {

constexpr double kThresholdQuantile = 0.999;
constexpr size_t kShownImages = 10;
/// Of Philox: apart from the streams of the initial weights (0 …) and of the epochs (2^32 …).
constexpr uint64_t kShownImagesStream = uint64_t{1} << 33;

struct Outputs {
  std::filesystem::path dataset;
  std::filesystem::path model;
  std::filesystem::path vis = "recon_vis.png";
  std::filesystem::path plot = "plot.png";
  std::filesystem::path history = "history.csv";
};

/// What the model file keeps of the scores: all of them, sorted, or of very many 10^4 at even
/// ranks.
std::vector<float> scores_to_keep(std::vector<float> scores) {
  constexpr size_t kAll = 1000000;
  constexpr size_t kKept = 10000;
  std::sort(scores.begin(), scores.end());
  if (scores.size() <= kAll) return scores;
  std::vector<float> kept(kKept);
  for (size_t i = 0; i < kKept; ++i) kept[i] = scores[i * (scores.size() - 1) / (kKept - 1)];
  return kept;
}

/// A few positions of the validation set, drawn by `seed`.
std::vector<size_t> draw_positions(const std::vector<uint32_t>& validation, uint64_t seed) {
  Philox random(seed, kShownImagesStream);
  std::vector<size_t> drawn;
  for (const uint32_t i : permutation(static_cast<uint32_t>(validation.size()), random)) {
    if (drawn.size() == kShownImages) break;
    drawn.push_back(validation[i]);
  }
  return drawn;
}

/// What a device computes of a training.
struct Trained {
  History history;
  Reconstructions shown;  // a few images of the validation set
  ModelFile model;
  Report report;  // with its images where one is asked for
};

class Train final : public Command {
 public:
  explicit Train(CLI::App& program);
  ExitCode run(const Console& console) override;

 private:
  void add_outputs();
  void add_data();
  void add_training();
  void check_options() const;
  void check_files(const TrainingCheckpoint& checkpoint) const;
  ExitCode train_and_save(const Console& console, TrainingCheckpoint& checkpoint) const;
  Trained compute(const Console& console, Engine& engine, const LoadedTrainData& data,
                  const Split& split, const Architecture& architecture,
                  TrainingCheckpoint& checkpoint) const;
  /// Share of the images that are known to be odd; 0 where nobody knows.
  double drawn_contamination() const;
  ModelRecord make_record(const ScoreRule& rule, const Dataset& dataset, const History& history,
                          std::vector<float> scores) const;

  Outputs outputs_;
  TrainData data_;
  std::vector<int64_t> filters_ = {32, 64};
  int64_t latent_dim_ = 16;
  TrainingOptions training_;
  double validation_share_ = 0.2;
  uint64_t init_seed_ = 42;
  bool resume_ = false;
  RobustOptions robust_;
  ReportOptions report_;
  ComputeOptions compute_;
  std::vector<CLI::Option*> draw_options_;
  CLI::Option* init_seed_option_ = nullptr;
  CLI::Option* epochs_option_ = nullptr;
};

Train::Train(CLI::App& program)
    : Command(program, "train", "Learn to reconstruct a set of images; save data set and model") {
  add_outputs();
  add_data();
  add_training();
  add_compute_options(app(), compute_);
  add_config(app(), compute_.config);
  app().footer(
      "Examples:\n"
      "  oddity train --dataset images.npz --model autoencoder.h5\n"
      "      ones of the embedded MNIST, among which a few threes hide\n"
      "  oddity train --images scans.npy -d images.npz -m scans.h5 --epochs 50\n"
      "      a set of your own, as it is\n"
      "  oddity train --images scans.npy -d images.npz -m scans.h5 --epochs 50 --resume\n"
      "      the same, from the last epoch that was done before it was stopped\n"
      "  oddity train --images crops/ --resize 64x64 --crop --gray -d crops.npz -m crops.h5\n"
      "      a folder of pictures; oddity score does the same to those it scores\n"
      "  oddity train --images train-images.gz --labels train-labels.gz \\\n"
      "      --valid-label 7 --anomaly-label 9 --contam .02 -d sevens.npz -m sevens.h5");
}

void Train::add_outputs() {
  const auto in_group = [](CLI::Option* option) {
    return option->group("Output")->capture_default_str();
  };
  in_group(
      add_file(app(), "-d,--dataset", outputs_.dataset, "Where to save the data set: .npz or .npy"))
      ->required();
  in_group(add_file(app(), "-m,--model", outputs_.model,
                    "Where to save the autoencoder: Keras HDF5, .h5"))
      ->required();
  in_group(add_file(app(), "-v,--vis", outputs_.vis, "Picture of reconstructions: .png"));
  in_group(add_file(app(), "-p,--plot", outputs_.plot,
                    "Picture of the loss over the epochs: .png or .svg"));
  in_group(
      add_file(app(), "--history", outputs_.history, "Table of the loss over the epochs, CSV"));
  report_.add_report_to(app());
}

void Train::add_data() {
  const auto add = [&](CLI::Option* option, const char* type) {
    return option->type_name(type)->group("Data");
  };
  data_.images.add_to(app(), "Images to learn from [the embedded MNIST]");
  data_.images.add_reading_to(app());
  add_file(app(), "--labels", data_.labels, "Labels of --images: IDX(.gz)")->group("Data");
  const CLI::Validator label = whole_number(0, std::numeric_limits<int32_t>::max());
  draw_options_ = {
      add(app().add_option("--valid-label", data_.draw.valid_label, "Label of the normal images"),
          "LABEL")
          ->check(label)
          ->capture_default_str(),
      add(app().add_option("--anomaly-label", data_.draw.anomaly_label,
                           "Label of the images hidden among them"),
          "LABEL")
          ->check(label)
          ->capture_default_str(),
      add(app().add_option("--contam", data_.draw.contamination,
                           "How many of these, as a share of the normal ones"),
          "SHARE")
          ->check(number(0, 1))
          ->capture_default_str()};
  add(app().add_option("--val-split", validation_share_, "Share of the data set that validates"),
      "SHARE")
      ->check(number(0, 1, Ends::open))
      ->capture_default_str();
}

void Train::add_training() {
  constexpr int64_t kMany = 1000000;
  const auto add = [&](CLI::Option* option, const char* type, const CLI::Validator& check) {
    return option->type_name(type)->group("Training")->check(check);
  };
  add(app().add_option("--filters", filters_, "Filters of the encoder's convolutions, in order"),
      "N", whole_number(1, kMany))
      ->delimiter(',')
      ->default_str("32 64");
  add(app().add_option("--latent-dim", latent_dim_, "Numbers an image is squeezed into"), "N",
      whole_number(1, kMany))
      ->capture_default_str();
  epochs_option_ = add(app().add_option("--epochs", training_.epochs,
                                        "How often each image is seen [20; with --robust 8]"),
                       "N", whole_number(1, kMany));
  add(app().add_option("--batch-size", training_.batch_size, "Images a step"), "N",
      whole_number(1, kMany))
      ->capture_default_str();
  add(app().add_option("--lr", training_.learning_rate, "Learning rate of the first step"), "RATE",
      positive_number())
      ->capture_default_str();
  add(app().add_option("--seed", data_.draw.seed, "Of everything random: data set, split, weights"),
      "SEED", whole_number(0, std::numeric_limits<uint32_t>::max()))
      ->capture_default_str();
  robust_.add_to(app());
  init_seed_option_ =
      add(app().add_option("--init-seed", init_seed_,
                           "Of the initial weights and the order of the images alone [--seed]"),
          "SEED", whole_number(0, std::numeric_limits<int64_t>::max()));
  app()
      .add_flag("--resume", resume_,
                "Go on after the last epoch kept in <model>.ckpt; where there is none, start, and "
                "where the model is there already, do nothing")
      ->group("Training");
}

double Train::drawn_contamination() const {
  return data_.images.paths().empty() || data_.draw_asked ? data_.draw.contamination : 0;
}

void Train::check_options() const {
  check_train_data(data_);
  check_dataset_suffix(outputs_.dataset);
  if (outputs_.model.extension() == ".keras") {
    throw ArgumentError("--model {}: models are written as HDF5, name it .h5",
                        printable(outputs_.model));
  }
  check_suffix({"--vis", outputs_.vis}, ".png");
  check_plot_suffix(outputs_.plot);
  report_.check(compute_.force);
}

void Train::check_files(const TrainingCheckpoint& checkpoint) const {
  // A run that was stopped may have been writing them.
  const bool own = compute_.force || checkpoint.resumes();
  const Overwrite precious = own ? Overwrite::replace : Overwrite::refuse;
  std::vector<NamedPath> inputs = data_.images.files();
  inputs.push_back({"--labels", data_.labels});
  inputs.push_back({"--config", compute_.config});
  check_paths(inputs, {{{"--dataset", outputs_.dataset}, precious},
                       {{"--model", outputs_.model}, precious},
                       {{"the checkpoint of --model", checkpoint.path()}},
                       {{"--cache", data_.images.cache()}},
                       {{"--vis", outputs_.vis}},
                       {{"--plot", outputs_.plot}},
                       report_.output(),
                       {{"--history", outputs_.history}}});
}

ModelRecord Train::make_record(const ScoreRule& rule, const Dataset& dataset,
                               const History& history, std::vector<float> scores) const {
  ModelRecord record;
  record.version = ODDITY_VERSION;
  const PixelType type = dataset.images.type();
  record.input_type = name_of(type);
  record.input_scale = type == PixelType::u8 ? 1.0 / 255 : type == PixelType::u16 ? 1.0 / 65535 : 1;
  record.preprocessing = data_.images.preprocessing();
  record.seed = data_.draw.seed;
  record.init_seed = training_.seed;
  for (const EpochRecord& epoch : history) {
    record.loss.push_back(epoch.loss);
    record.validation_loss.push_back(epoch.validation_loss);
  }
  record.score = rule;
  record.trim = training_.trim;
  record.threshold_quantile = kThresholdQuantile;
  record.threshold = quantile(scores, kThresholdQuantile);
  record.training_scores = scores_to_keep(std::move(scores));
  return record;
}

Trained Train::compute(const Console& console, Engine& engine, const LoadedTrainData& data,
                       const Split& split, const Architecture& architecture,
                       TrainingCheckpoint& checkpoint) const {
  const Dataset& dataset = data.dataset;
  print_device(console, engine);
  TrainingIdentity identity =
      training_identity(dataset, architecture, validation_share_, data_.draw.seed, training_);
  add_device(identity, engine.info());
  const Checkpoint* const done = checkpoint.begin(identity);

  const ImageView pixels = dataset.images.view();
  const auto images = engine.upload(pixels, data_.name());
  const auto network =
      done != nullptr ? engine.network(architecture, done->weights, done->optimizer)
                      : engine.network(architecture, initial_weights(architecture, training_.seed));
  const ProgressStyle style = progress_style(compute_.progress);
  if (style != ProgressStyle::none) {
    console.note(fmt::format("Train on {} samples, validate on {} samples", split.train.size(),
                             split.validation.size()));
  }
  if (done != nullptr) {
    console.info(
        fmt::format("resuming after epoch {} of {}", done->history.size(), training_.epochs));
  }
  const auto keep = [&](const Network& now, const History& history) {
    checkpoint.save({identity, architecture, now.weights(), now.optimizer(), history});
  };
  Trained trained;
  TrainingReporter reporter(console, style);
  trained.history = train(*network, *images, split, training_, reporter,
                          done != nullptr ? done->history : History(), keep);

  ScoringReporter scoring(style);
  std::vector<float> scores(dataset.size());
  const ScoreRule rule = robust_.score_rule(dataset.images.view());
  network->score_by(rule);
  network->score(*images, {0, dataset.size()}, scoring)->download(scores);
  trained.shown =
      reconstruct(*network, *images, pixels, draw_positions(split.validation, training_.seed));
  trained.model = {architecture, network->weights(),
                   make_record(rule, dataset, trained.history, scores), ""};
  if (report_.wants_images()) {
    const Threshold threshold{.origin = Threshold::Origin::quantile,
                              .value = trained.model.record->threshold,
                              .parameter = kThresholdQuantile,
                              .training_scores = scores.size()};
    trained.report =
        begin_report({data_.name(), outputs_.model, trained.model, engine.info(), threshold, rule});
    trained.report.training_scores = {};  // they are this run's own
    trained.report.problems = data.problems;
    add_images(trained.report, report_, *network, *images, dataset, scores);
  }
  return trained;
}

ExitCode Train::train_and_save(const Console& console, TrainingCheckpoint& checkpoint) const {
  Device device(compute_, console);
  const LoadedTrainData data = load_train_data(data_, compute_, console);
  const Dataset& dataset = data.dataset;
  if (checkpoint.resumes() && !compute_.force) check_own_dataset(outputs_.dataset, dataset);
  const Split split = train_validation_split(dataset.size(), validation_share_, data_.draw.seed);
  const ImageShape& shape = dataset.images.shape();
  const Architecture architecture =
      conv_autoencoder(shape.width, shape.height, shape.channels, filters_, latent_dim_);
  console.info("building autoencoder...",
               fmt::format("{}, filters {}, latent {}, {} weights", to_string(shape),
                           fmt::join(filters_, " "), latent_dim_,
                           with_thousands(Weights(architecture).size())));
  const Trained trained = device.run([&](Engine& engine) {
    return compute(console, engine, data, split, architecture, checkpoint);
  });
  const ModelRecord& record = *trained.model.record;

  // The last moment to stop with nothing written; from here on everything is.
  throw_if_interrupted();
  console.info("making predictions...",
               fmt::format("{}  {}", printable(outputs_.vis), printable(outputs_.plot)));
  write_reconstructions(outputs_.vis, trained.shown);
  write_loss_plot(outputs_.plot, record.loss, record.validation_loss);
  write_history(outputs_.history, trained.history);
  if (!report_.report().empty()) {
    console.info("writing the report...", printable(report_.report()));
    write_report(report_.report(), trained.report);
  }
  console.info("saving image data...", printable(outputs_.dataset));
  write_dataset(outputs_.dataset, dataset);
  console.info("saving autoencoder...", printable(outputs_.model));
  write_model(outputs_.model, trained.model);
  checkpoint.remove();
  console.note(fmt::format("next: oddity find --dataset {} --model {}",
                           shell_word(outputs_.dataset), shell_word(outputs_.model)));
  return kSuccess;
}

ExitCode Train::run(const Console& console) {
  data_.draw_asked = std::any_of(draw_options_.begin(), draw_options_.end(),
                                 [](const CLI::Option* option) { return option->count() > 0; });
  training_.seed = init_seed_option_->count() > 0 ? init_seed_ : data_.draw.seed;
  robust_.apply(training_, epochs_option_->count() > 0, drawn_contamination());
  check_options();
  TrainingCheckpoint checkpoint(outputs_.model, {resume_, compute_.force});
  std::error_code error;
  if (resume_ && !compute_.force && !checkpoint.resumes() &&
      std::filesystem::exists(outputs_.model, error)) {
    console.info(fmt::format("nothing to resume: {} is finished", printable(outputs_.model)));
    return kSuccess;
  }
  check_files(checkpoint);
  try {
    return train_and_save(console, checkpoint);
  } catch (const Interrupted&) {
    if (checkpoint.epochs() == 0) throw;
    throw Interrupted(
        "interrupted: epoch {} of {} is safe in {}: go on with oddity train ... --resume, the "
        "other options as they were",
        checkpoint.epochs(), training_.epochs, printable(checkpoint.path()));
  }
}

}  // namespace

std::unique_ptr<Command> make_train(CLI::App& program) { return std::make_unique<Train>(program); }

}  // namespace oddity
