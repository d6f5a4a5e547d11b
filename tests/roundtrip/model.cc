// What roundtrip.py asks of the library:
//   make OUT                            a fresh model of three filters, with a record
//   convert IN OUT                      reads a model and writes it as ours
//   predict MODEL IMAGES.npy OUT.npy    its reconstructions, float32
//   encode MODEL IMAGES.npy OUT.npy     its latent vectors, float32
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "files/atomic_file.h"
#include "files/model_file.h"
#include "files/npy.h"
#include "support/npy_file.h"

namespace {

using oddity::ModelFile;

void make(const std::string& path) {
  ModelFile model{oddity::conv_autoencoder(24, 32, 3, {8, 16, 24}, 5), {}, {}, ""};
  model.weights = oddity::initial_weights(model.architecture, /*seed=*/42);
  oddity::ModelRecord& record = model.record.emplace();
  record.version = "test";
  record.input_type = "float32";
  record.loss = {0.5, 0.25};
  record.validation_loss = {0.5, 0.25};
  record.training_scores = {0.125f, 0.25f};
  record.threshold = 0.25;
  oddity::write_model(path, model);
}

void compute(std::string_view what, const std::string& model_path, const std::string& images_path,
             const std::string& out_path) {
  const ModelFile model = oddity::read_model(model_path);
  const auto file = oddity::test::read_npy_file<float>(images_path);
  const auto count = static_cast<size_t>(file.shape.at(0));
  const auto engine = oddity::make_engine("cpu");
  const auto images = engine->upload({reinterpret_cast<const std::byte*>(file.values.data()),
                                      oddity::PixelType::f32, model.architecture.image(), count});
  const auto network = engine->network(model.architecture, model.weights);

  std::vector<int64_t> shape = file.shape;
  std::vector<float> out;
  if (what == "predict") {
    out.resize(file.values.size());
    network->reconstruct(*images, {0, count}, out);
  } else {
    shape = {file.shape[0], model.architecture.latent_dim};
    out.resize(count * static_cast<size_t>(model.architecture.latent_dim));
    network->encode(*images, {0, count}, out);
  }
  std::string bytes = oddity::npy_header("<f4", shape);
  bytes.append(reinterpret_cast<const char*>(out.data()), out.size() * sizeof(float));
  oddity::write_file(out_path, bytes);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    const std::string what = arguments.empty() ? "" : arguments[0];
    if (what == "make" && arguments.size() == 2) {
      make(arguments[1]);
    } else if (what == "convert" && arguments.size() == 3) {
      oddity::write_model(arguments[2], oddity::read_model(arguments[1]));
    } else if ((what == "predict" || what == "encode") && arguments.size() == 4) {
      compute(what, arguments[1], arguments[2], arguments[3]);
    } else {
      throw std::runtime_error("see roundtrip/model.cc for what it can do");
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
