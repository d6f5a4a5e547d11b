// oddity export: a model in another format, verified before the file appears.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "command.h"
#include "config.h"
#include "core/error.h"
#include "core/text.h"
#include "device.h"
#include "engine/onnx_verification.h"
#include "files/atomic_file.h"
#include "files/model_file.h"
#include "files/onnx_model.h"
#include "interrupt.h"
#include "options.h"
#include "paths.h"
#include "reporters.h"
#include "score_kind.h"
#include "terminal.h"
#include "threshold.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kOnnx = "onnx";
constexpr const char* kKeras = "keras";

class Export final : public Command {
 public:
  explicit Export(CLI::App& program);
  ExitCode run(const Console& console) override;

 private:
  void check() const;
  std::optional<Threshold> choose_threshold(const ModelFile& model, const ScoreRule& rule) const;
  Json write_onnx(const Console& console, const ModelFile& model) const;
  Json write_keras(const Console& console, const ModelFile& model) const;
  Json describe(const ModelFile& model) const;

  fs::path model_;
  ScoreOption score_;
  std::string to_;
  fs::path output_;
  double threshold_ = 0;
  CLI::Option* threshold_option_ = nullptr;
  bool json_ = false;
  ComputeOptions compute_;
};

Export::Export(CLI::App& program)
    : Command(program, "export", "Write a model for ONNX Runtime or Keras") {
  add_file(app(), "-m,--model", model_, "The autoencoder: a Keras or Oddity model file")
      ->required()
      ->group("Input");
  score_.add_to(app());
  app()
      .add_option("--to", to_, "What to write: onnx, or keras (.h5 for every Keras, .keras for 3)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({kOnnx, kKeras}).description(""))
      ->required()
      ->group("Output");
  add_file(app(), "-o,--output", output_, "The file: .onnx, .h5 or .keras")
      ->required()
      ->group("Output");
  threshold_option_ =
      app()
          .add_option("--threshold", threshold_,
                      "ONNX: outliers score at or above this [the threshold stored in the model]")
          ->type_name("T")
          ->check(finite_number())
          ->group("Output");
  app().add_flag("--force", compute_.force, "Replace an output file that exists")->group("Output");
  app().add_flag("--json", json_, "Print what was written as JSON")->group("Output");
  add_device_options(app(), compute_);
  add_config(app(), compute_.config);
  app().footer(
      "An ONNX file is compared with the model on the device; how images are resized, cropped and\n"
      "made gray is not in it.\n"
      "Examples:\n"
      "  oddity export -m autoencoder.h5 --to onnx -o autoencoder.onnx\n"
      "  oddity export -m autoencoder.model --to keras -o autoencoder.keras");
}

void Export::check() const {
  const fs::path suffix = output_.extension();
  const bool fits =
      to_ == kOnnx ? suffix == ".onnx" : to_ == kKeras && (suffix == ".h5" || suffix == ".keras");
  if (!fits) {
    throw ArgumentError("--output {}: --to {} writes {}, change the suffix", printable(output_),
                        to_, to_ == kOnnx ? ".onnx" : ".h5 or .keras");
  }
  if (to_ == kKeras && *threshold_option_) {
    throw ArgumentError(
        "--threshold {} with --to keras: such a file does not judge images, leave it out",
        shortest(threshold_));
  }
  check_paths({{"--model", model_}, {"--config", compute_.config}},
              {{{"--output", output_}, compute_.force ? Overwrite::replace : Overwrite::refuse}});
}

std::optional<Threshold> Export::choose_threshold(const ModelFile& model,
                                                  const ScoreRule& rule) const {
  using Origin = Threshold::Origin;
  if (*threshold_option_) return Threshold{.origin = Origin::option, .value = threshold_};
  if (!has_scores_by(model, rule)) return std::nullopt;
  return Threshold{Origin::model, model.record->threshold, model.record->threshold_quantile};
}

/// What every format's JSON begins with.
Json Export::describe(const ModelFile& model) const {
  const ImageShape shape = model.architecture.image();
  return {{"version", ODDITY_VERSION},
          {"model", printable(model_)},
          {"output", printable(output_)},
          {"format", to_},
          {"input", {shape.height, shape.width, shape.channels}},
          {"weights", hash_of(model.weights)}};
}

Json Export::write_onnx(const Console& console, const ModelFile& model) const {
  const ScoreRule rule = score_.choose(model, console);
  const std::optional<Threshold> threshold = choose_threshold(model, rule);
  std::optional<OnnxThreshold> stored;
  std::optional<double> value;
  if (threshold) {
    stored = {threshold->value, oddity::describe(*threshold)};
    value = threshold->value;
    console.info(fmt::format("threshold: {}, {}", shortest(threshold->value), stored->origin));
  } else {
    console.info(
        fmt::format("{} stores no threshold of this score: there is no output 'outlier' without "
                    "--threshold",
                    printable(model_)));
  }
  const Preprocessing& preprocessing = model.record ? model.record->preprocessing : Preprocessing{};
  if (!preprocessing.empty()) {
    console.warning(fmt::format("what the model does with images before is not in the file: {}",
                                oddity::describe(preprocessing)));
  }

  Device device(compute_, console);
  print_device(console, device.engine());
  AtomicFile file(output_);
  file.write(onnx_model(model, stored, rule));
  // Read back, so that what is verified is what the disk has.
  const std::string bytes = read_file(file.temporary(), kMaxOnnxFile);
  const OnnxDifference difference = device.run([&](Engine& engine) {
    try {
      ScoringReporter stoppable(ProgressStyle::none);
      return verify_onnx(bytes, model, value, engine, stoppable, rule);
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      throw Error("{} is not written: {}", printable(output_), error.what());
    }
  });
  console.info("verified...",
               fmt::format("{} images, at most {:.2g} (pixels) and {:.2g} (scores) from the device",
                           difference.images, difference.reconstruction, difference.score));
  throw_if_interrupted();
  file.commit();

  Json json = describe(model);
  json["opset"] = kOnnxOpset;
  json["ir_version"] = kOnnxIrVersion;
  json["input_type"] = name_of(input_type(model));
  json["score_rule"] = name_of(rule.kind);
  json["threshold"] = value ? Json(*value) : Json();
  json["threshold_origin"] = threshold ? Json(name_of(threshold->origin)) : Json();
  json["preprocessing"] = oddity::describe(preprocessing);
  json["verified"] = {{"images", difference.images},
                      {"reconstruction_difference", difference.reconstruction},
                      {"score_difference", difference.score}};
  return json;
}

Json Export::write_keras(const Console& console, const ModelFile& model) const {
  const bool archive = output_.extension() == ".keras";
  AtomicFile file(output_);
  file.write(model_bytes(model, archive ? ModelFormat::keras_archive : ModelFormat::keras_hdf5));
  const ModelFile back = read_model(file.temporary());
  if (back.architecture != model.architecture || back.weights != model.weights ||
      back.record != model.record) {
    throw Error("{} does not read back as {}: the disk or the memory is faulty, try again",
                printable(output_), printable(model_));
  }
  console.info("verified...", "reads back as the same model");
  throw_if_interrupted();
  file.commit();
  return describe(model);
}

ExitCode Export::run(const Console& console) {
  check();
  console.info("loading autoencoder...", printable(model_));
  const ModelFile model = read_model(model_);
  const Json json = to_ == kOnnx ? write_onnx(console, model) : write_keras(console, model);
  console.info("saving autoencoder...", printable(output_));
  if (json_) console.result(json.dump(2));
  return kSuccess;
}

}  // namespace

std::unique_ptr<Command> make_export(CLI::App& program) {
  return std::make_unique<Export>(program);
}

}  // namespace oddity
