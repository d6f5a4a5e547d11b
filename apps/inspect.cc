// oddity inspect: what a model, a data set or an image holds.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "core/error.h"
#include "core/text.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "files/atomic_file.h"
#include "files/hdf5_reader.h"
#include "files/keras_layers.h"
#include "files/model_file.h"
#include "files/zip.h"
#include "images/image_file.h"
#include "images/preprocessing.h"
#include "interrupt.h"
#include "options.h"
#include "paths.h"

namespace oddity {
namespace {

using Json = nlohmann::ordered_json;

/// By content: HDF5 holds models, and so does a zip with a Keras configuration in it.
bool holds_model(const std::filesystem::path& path) {
  char start[8] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof start);
  const std::string_view bytes(start, sizeof start);
  if (Hdf5Reader::recognises(bytes)) return true;
  constexpr size_t kMaxConfigBytes = 64 << 20;
  return bytes.starts_with("PK\x03\x04") &&
         !read_zip(path, {"config.json"}, kMaxConfigBytes).empty();
}

/// What Keras calls the layer, but for the sigmoid, which it calls an activation.
std::string_view name_of(LayerKind kind) {
  return kind == LayerKind::sigmoid ? "Sigmoid" : keras_class(kind);
}

/// [14, 14, 32], or [16] for a vector: as Keras prints an output's shape, without the batch.
std::vector<int64_t> output_of(const Layer& layer) {
  const bool vector = layer.kind == LayerKind::flatten || layer.kind == LayerKind::dense;
  if (vector) return {layer.output.channels};
  return {layer.output.height, layer.output.width, layer.output.channels};
}

int64_t weights_of(const Layer& layer, const std::vector<TensorSpec>& tensors) {
  int64_t count = 0;
  for (const TensorSpec& tensor : tensors) {
    if (tensor.name.starts_with(layer.name + ".")) count += tensor.size();
  }
  return count;
}

Json describe(const ModelRecord& record) {
  Json json = {{"version", record.version},
               {"input_type", record.input_type},
               {"input_scale", record.input_scale},
               {"seed", record.seed},
               {"init_seed", record.init_seed},
               {"epochs", record.loss.size()},
               {"loss", record.loss},
               {"val_loss", record.validation_loss},
               {"threshold", record.threshold},
               {"threshold_quantile", record.threshold_quantile},
               {"training_scores", record.training_scores.size()},
               {"preprocessing", describe(record.preprocessing)},
               {"score_rule", name_of(record.score.kind)},
               {"variation_floor", record.score.variation_floor},
               {"trim", record.trim}};
  return json;
}

Json describe(const std::filesystem::path& path, const ModelFile& model) {
  const Architecture& architecture = model.architecture;
  Json rows = Json::array();
  const std::vector<TensorSpec> tensors = tensor_specs(architecture);
  for (const Layer& layer : layers(architecture)) {
    rows.push_back({{"name", layer.name},
                    {"type", name_of(layer.kind)},
                    {"output", output_of(layer)},
                    {"weights", weights_of(layer, tensors)}});
  }
  return {{"file", printable(path)},
          {"kind", "model"},
          {"format", model.format},
          {"input", {architecture.height, architecture.width, architecture.depth}},
          {"filters", architecture.filters},
          {"latent_dim", architecture.latent_dim},
          {"layers", rows},
          {"weights", model.weights.size()},
          {"hash", hash_of(model.weights)},
          {"record", model.record ? describe(*model.record) : Json()}};
}

struct PixelRange {
  double minimum = 1;
  double maximum = 0;
  double mean = 0;
};

/// Of all pixels, as numbers in [0,1].
PixelRange range_of(const ImageView& images) {
  PixelRange range;
  std::vector<float> pixels(static_cast<size_t>(images.shape.size()));
  for (size_t i = 0; i < images.count; ++i) {
    throw_if_interrupted();
    to_float(images, i, pixels.data());
    double sum = 0;
    for (const float pixel : pixels) {
      const auto value = static_cast<double>(pixel);
      range.minimum = std::min(range.minimum, value);
      range.maximum = std::max(range.maximum, value);
      sum += value;
    }
    range.mean += sum / static_cast<double>(pixels.size());
  }
  range.mean /= static_cast<double>(images.count);
  return range;
}

Json describe(const std::filesystem::path& path, const Dataset& dataset) {
  const ImageView images = dataset.images.view();
  std::map<int32_t, size_t> labels;
  for (const int32_t label : dataset.label) ++labels[label];
  Json histogram = Json::object();
  for (const auto& [label, count] : labels) {
    histogram[label == kUnknownLabel ? "unknown" : std::to_string(label)] = count;
  }
  const PixelRange range = range_of(images);
  Json json = {{"file", printable(path)},
               {"kind", "dataset"},
               {"images", images.count},
               {"shape", {images.shape.height, images.shape.width, images.shape.channels}},
               {"type", name_of(images.type)},
               {"minimum", range.minimum},
               {"maximum", range.maximum},
               {"mean", range.mean},
               {"labels", histogram},
               {"hash", fingerprint(images)}};
  if (!dataset.path.empty()) {
    json["first_path"] = printable(std::string_view(dataset.path.front()));
    json["last_path"] = printable(std::string_view(dataset.path.back()));
  }
  return json;
}

/// An image file as `score` would read it. Throws Error with the status and reason of one that it
/// could not.
Json describe_image(const std::filesystem::path& path, ImageFormat format) {
  Image image;
  try {
    ImageDecoder().decode(read_file(path, kMaxImageFile), {}, image);
  } catch (const ImageError& error) {
    throw Error("{}: {}: {}", printable(path), name_of(error.status()), error.what());
  }
  const PixelRange range = range_of(image.view());
  return {{"file", printable(path)},
          {"kind", "image"},
          {"format", name_of(format)},
          {"shape", {image.shape.height, image.shape.width, image.shape.channels}},
          {"type", name_of(image.type)},
          {"minimum", range.minimum},
          {"maximum", range.maximum},
          {"mean", range.mean}};
}

/// What image file it is, if any.
std::optional<ImageFormat> holds_image(const std::filesystem::path& path) {
  return image_format(read_up_to(*open_file(path), kImageFormatPrefix));
}

std::string joined(const Json& numbers) {
  return fmt::format("{}", fmt::join(numbers.get<std::vector<int64_t>>(), "x"));
}

class Table {
 public:
  explicit Table(const Console& console) : console_(console) {}
  void row(std::string_view name, std::string_view value) const {
    console_.result(fmt::format("{:<16} {}", name, value));
  }

 private:
  const Console& console_;
};

void print_model(const Console& console, const Json& json) {
  const Table table(console);
  table.row("file", json["file"].get<std::string>());
  table.row("kind", "model");
  table.row("format", json["format"].get<std::string>());
  table.row("hash", json["hash"].get<std::string>());
  console.result("");
  console.result(fmt::format("{:<18} {:<19} {:>12} {:>10}", "layer", "type", "output", "weights"));
  for (const Json& layer : json["layers"]) {
    console.result(fmt::format("{:<18} {:<19} {:>12} {:>10}", layer["name"].get<std::string>(),
                               layer["type"].get<std::string>(), joined(layer["output"]),
                               with_thousands(layer["weights"].get<int64_t>())));
  }
  console.result(
      fmt::format("{:<18} {:>43}", "total", with_thousands(json["weights"].get<int64_t>())));
  console.result("");
  const Json& record = json["record"];
  if (record.is_null()) return table.row("record", "none: not trained by Oddity");
  table.row("trained by", "oddity " + record["version"].get<std::string>());
  table.row("input", fmt::format("{} times {}", record["input_type"].get<std::string>(),
                                 shortest(record["input_scale"].get<double>())));
  table.row("preprocessing", record["preprocessing"].get<std::string>());
  table.row("seeds", fmt::format("{} (data), {} (weights)", record["seed"].get<uint64_t>(),
                                 record["init_seed"].get<uint64_t>()));
  const auto loss = record["loss"].get<std::vector<double>>();
  const auto validation = record["val_loss"].get<std::vector<double>>();
  if (!loss.empty() && !validation.empty()) {
    table.row("epochs", fmt::format("{}, loss {}, val_loss {}", loss.size(), shortest(loss.back()),
                                    shortest(validation.back())));
  }
  table.row("threshold", fmt::format("{}, quantile {} of {} training scores",
                                     shortest(record["threshold"].get<double>()),
                                     shortest(record["threshold_quantile"].get<double>()),
                                     with_thousands(record["training_scores"].get<int64_t>())));
  std::string rule = record["score_rule"].get<std::string>();
  if (const auto floor = record["variation_floor"].get<double>(); floor > 0) {
    rule += fmt::format(", variation at least {}", shortest(floor));
  }
  table.row("score", rule);
  if (const auto trim = record["trim"].get<double>(); trim > 0) {
    table.row("trim", fmt::format("{} of each batch gave no gradient", shortest(trim)));
  }
}

void print_pixels(const Table& table, const Json& json) {
  table.row("shape", fmt::format("{} (height, width, channels)", joined(json["shape"])));
  table.row("type", json["type"].get<std::string>());
  table.row("pixels", fmt::format("{:.4f} to {:.4f}, mean {:.4f}", json["minimum"].get<double>(),
                                  json["maximum"].get<double>(), json["mean"].get<double>()));
}

void print_image(const Console& console, const Json& json) {
  const Table table(console);
  table.row("file", json["file"].get<std::string>());
  table.row("kind", "image");
  table.row("format", json["format"].get<std::string>());
  print_pixels(table, json);
}

void print_dataset(const Console& console, const Json& json) {
  const Table table(console);
  table.row("file", json["file"].get<std::string>());
  table.row("kind", "data set");
  table.row("images", with_thousands(json["images"].get<int64_t>()));
  print_pixels(table, json);
  for (const auto& [label, count] : json["labels"].items()) {
    table.row("label " + label, with_thousands(count.get<int64_t>()));
  }
  if (json.contains("first_path")) {
    table.row("paths", fmt::format("{} … {}", json["first_path"].get<std::string>(),
                                   json["last_path"].get<std::string>()));
  }
  table.row("hash", json["hash"].get<std::string>());
}

class Inspect final : public Command {
 public:
  explicit Inspect(CLI::App& program)
      : Command(program, "inspect", "Say what a model, a data set or an image holds") {
    add_file(app(), "FILE", file_, "Model, data set or image, recognised by its content")
        ->required();
    app().add_flag("--json", json_, "Print as JSON");
    app().footer(
        "Examples:\n"
        "  oddity inspect autoencoder.h5\n"
        "  oddity inspect images.npz --json\n"
        "  oddity inspect photo.jpg");
  }

  ExitCode run(const Console& console) override {
    check_paths({{"inspect", file_}}, {});
    Json json;
    auto* print = print_dataset;
    if (const auto format = holds_image(file_)) {
      json = describe_image(file_, *format);
      print = print_image;
    } else if (holds_model(file_)) {
      json = describe(file_, read_model(file_));
      print = print_model;
    } else {
      json = describe(file_, read_dataset(file_));
    }
    if (json_) {
      console.result(json.dump(2));
    } else {
      print(console, json);
    }
    return kSuccess;
  }

 private:
  std::filesystem::path file_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_inspect(CLI::App& program) {
  return std::make_unique<Inspect>(program);
}

}  // namespace oddity
