// How fast the CUDA engine trains, scores, selects and uploads, through the interface of all
// engines. bench_torch.py measures the same of PyTorch and prints the same JSON; cmake/gpu-check.sh
// runs both in turns. Usage, in a folder that holds share/oddity/mnist:
//   bench_cuda [--epochs 5] [--images 1000000] [--scores 10000000]
// Prints one JSON object; exit code 6 where there is no GPU.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "data/unsupervised.h"
#include "engine/cuda/cuda_engine.h"
#include "engine/cuda/library_planner.h"
#include "model/weights.h"

namespace oddity::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kExitNoDevice = 6;
constexpr size_t kBatch = 32;

struct Options {
  size_t epochs = 5;         // timed ones; one before them is not
  size_t images = 1000000;   // scored and uploaded: the data set's, again and again
  size_t scores = 10000000;  // among which order statistics are selected
};

/// Seconds of each of `count` calls after one that is not timed, on the host's clock: what a caller
/// waits for. Every call of an engine returns when the device is done; the device's own times, by
/// CUDA events, are those of `oddity selftest`.
std::vector<double> time(size_t count, const std::function<void()>& work) {
  work();
  std::vector<double> seconds;
  for (size_t i = 0; i < count; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return seconds;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// The reference program's data set.
struct Data {
  Dataset set;
  Split split;
};

Data read_data() {
  const std::string folder = "share/oddity/mnist/";
  Data data;
  data.set = build_unsupervised_dataset(read_labelled_idx(folder + "train-images-idx3-ubyte.gz",
                                                          folder + "train-labels-idx1-ubyte.gz"),
                                        {});
  data.split = train_validation_split(data.set.size(), 0.2, 42);
  return data;
}

/// The data set's images as bytes, again from the first until there are `count`.
std::vector<std::byte> repeat(const ImageView& images, size_t count) {
  const size_t bytes = images.image_bytes();
  std::vector<std::byte> result(count * bytes);
  for (size_t i = 0; i < count; ++i) {
    const std::byte* const image = images.data + i % images.count * bytes;
    std::copy(image, image + bytes, result.begin() + static_cast<int64_t>(i * bytes));
  }
  return result;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options), data_(read_data()) {}

  /// Measures everything in one precision; what the device does not have is said instead.
  void run(Precision precision) {
    precision_ = name_of(precision);
    try {
      train(precision, /*graphs=*/true);
      train(precision, /*graphs=*/false);
      score(*make(precision, true, /*scores=*/Precision::tf32), "layers", {});
    } catch (const Error& error) {
      not_available_[precision_] = error.what();
    }
  }

  /// Scores by one kernel; of auto those above the quantile .999 exactly.
  void run_fused_scores() {
    const auto in = [&](Precision precision, const ExactScores& exact) {
      precision_ = name_of(precision);
      score(*make(Precision::fp32, true, precision), "one kernel", exact);
    };
    in(Precision::fp32, {});
    in(Precision::fp16, {});
    in(Precision::automatic, ExactScores::from_rank((options_.images - 1) * 999 / 1000));
  }

  /// Exact order statistics and the way to the device, which have no precision.
  void run_common() {
    precision_ = "-";
    const auto engine = make(Precision::fp32, true);
    select(*engine);
    upload(*engine);
    device_ = engine->info().details;
  }

  Json result() const {
    return {{"program", "oddity"},
            {"device", device_},
            {"measurements", measurements_},
            {"not_available", not_available_}};
  }

 private:
  static std::unique_ptr<Engine> make(Precision precision, bool graphs,
                                      Precision scores = Precision::fp32) {
    cuda::CudaEngineOptions options{.scores = scores, .graphs = graphs};
    if (precision == Precision::tf32) {
      options.make_planner = [] { return cuda::make_library_planner(0); };
    }
    return cuda::make_cuda_engine(options);
  }

  void add(const char* what, const char* mode, const char* unit, double value) {
    measurements_.push_back({{"what", what},
                             {"precision", precision_},
                             {"mode", mode},
                             {"unit", unit},
                             {"value", value}});
  }

  void train(Precision precision, bool graphs) {
    const auto engine = make(precision, graphs);
    const auto images = engine->upload(data_.set.images.view());
    const Architecture architecture = conv_autoencoder(28, 28, 1);
    const auto network = engine->network(architecture, initial_weights(architecture, 42));
    const std::vector<uint32_t>& positions = data_.split.train;
    const size_t steps = (positions.size() + kBatch - 1) / kBatch;
    const std::vector<double> rates(steps, 1e-3);
    NoProgress nobody;
    const double seconds = median(time(
        options_.epochs, [&] { network->train_epoch(*images, positions, kBatch, rates, nobody); }));
    const char* const mode = graphs ? "graphs" : "streams";
    add("training epoch", mode, "ms", 1e3 * seconds);
    add("training step", mode, "us", 1e6 * seconds / static_cast<double>(steps));
  }

  void score(Engine& engine, const char* mode, const ExactScores& exact) {
    const ImageView one = data_.set.images.view();
    const std::vector<std::byte> pixels = repeat(one, options_.images);
    const auto images =
        engine.upload({pixels.data(), one.type, one.shape, options_.images}, "images");
    const Architecture architecture = conv_autoencoder(28, 28, 1);
    const auto network = engine.network(architecture, initial_weights(architecture, 42));
    NoProgress nobody;
    const double seconds = median(time(3, [&] {
      network->score(*images, {0, options_.images}, nobody, exact);
    }));
    add("scoring, resident", mode, "images/s", static_cast<double>(options_.images) / seconds);
  }

  void select(Engine& engine) {
    // Scores come from a network alone: the smallest one, on random images of four pixels.
    const Architecture tiny = conv_autoencoder(2, 2, 1, {1}, 1);
    Philox random(42, 0);
    std::vector<std::byte> pixels(options_.scores * 4);
    for (std::byte& pixel : pixels) pixel = static_cast<std::byte>(random());
    const auto images =
        engine.upload({pixels.data(), PixelType::u8, tiny.image(), options_.scores}, "images");
    const auto network = engine.network(tiny, initial_weights(tiny, 42));
    NoProgress nobody;
    const auto scores = network->score(*images, {0, options_.scores}, nobody);
    const uint64_t rank = (options_.scores - 1) * 999 / 1000;
    const std::vector<uint64_t> ranks = {rank, rank + 1};
    const double seconds = median(time(5, [&] { scores->select(ranks); }));
    add("quantile .999, resident", "-", "ms", 1e3 * seconds);
  }

  void upload(Engine& engine) {
    const ImageView one = data_.set.images.view();
    const std::vector<std::byte> pixels = repeat(one, options_.images);
    const ImageView images{pixels.data(), one.type, one.shape, options_.images};
    const double seconds = median(time(3, [&] { engine.upload(images, "images"); }));
    add("upload, with allocation", "-", "GB/s",
        1e-9 * static_cast<double>(pixels.size()) / seconds);
  }

  Options options_;
  Data data_;
  std::string precision_;
  std::string device_;
  Json measurements_ = Json::array();
  Json not_available_ = Json::object();
};

/// Throws ArgumentError.
Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    size_t* const value = name == "--epochs"   ? &options.epochs
                          : name == "--images" ? &options.images
                          : name == "--scores" ? &options.scores
                                               : nullptr;
    if (value == nullptr) throw ArgumentError("{} is not known", name);
    const std::string_view text = i + 1 < argc ? argv[i + 1] : "";
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    if (error != std::errc() || end != text.data() + text.size() || *value < 1) {
      throw ArgumentError("{} needs a whole number from 1 on", name);
    }
  }
  return options;
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const std::string why_not = cuda::why_not_usable(0);
  if (!why_not.empty()) {
    fmt::print(stderr, "there is no GPU to measure: {}\n", why_not);
    return kExitNoDevice;
  }
  Bench bench(options);
  bench.run(Precision::fp32);
  bench.run(Precision::tf32);
  bench.run_fused_scores();
  bench.run_common();
  fmt::print("{}\n", bench.result().dump(1));
  return 0;
}

}  // namespace
}  // namespace oddity::bench

int main(int argc, char** argv) {
  try {
    return oddity::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
