// The CPU engine's side of bench_cpu.py: one job, measured for as long as it is told to.
//   bench_cpu train|trim|score THREADS [WIDTHxHEIGHTxDEPTH FILTERS,… [best|half|avx2|baseline]]
//   bench_cpu peak THREADS
// In a folder that holds share/oddity/mnist. Prints "ready"; then, for each number of seconds read
// from standard input, works that long and prints one JSON object: the median seconds of an image
// (train: in steps of 32; trim: the same, six in a hundred left out; score: the whole set at once)
// and its nominal floating-point operations; peak: the operations a second.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/peak.h"
#include "core/error.h"
#include "core/random.h"
#include "data/unsupervised.h"
#include "engine/cpu/cpu_engine.h"
#include "model/weights.h"

namespace oddity::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kBatch = 32;

/// Multiplications and additions of one image forward, of taps that lie inside the image only.
double forward_operations(const Architecture& a) {
  double products = 0;
  double height = static_cast<double>(a.height), width = static_cast<double>(a.width);
  double channels = static_cast<double>(a.depth);
  // A stride-2 convolution misses the last row and column of its last windows; a transposed one is
  // its adjoint and has as many products.
  const auto strided = [&](double inputs, double outputs) {
    products += (3 * height - 1) * (3 * width - 1) * inputs * outputs;
  };
  for (const int64_t filters : a.filters) {
    height /= 2;
    width /= 2;
    strided(channels, static_cast<double>(filters));
    channels = static_cast<double>(filters);
  }
  products += 2 * height * width * channels * static_cast<double>(a.latent_dim);
  for (auto filters = a.filters.rbegin(); filters != a.filters.rend(); ++filters) {
    strided(channels, static_cast<double>(*filters));
    channels = static_cast<double>(*filters);
    height *= 2;
    width *= 2;
  }
  products += (3 * height - 2) * (3 * width - 2) * channels * static_cast<double>(a.depth);
  return 2 * products;
}

/// Forward, and twice as many back, but that nobody needs the gradient of the images.
double training_operations(const Architecture& a) {
  const double first = static_cast<double>((3 * (a.height / 2) - 1) * (3 * (a.width / 2) - 1) *
                                           a.depth * a.filters.front());
  return 3 * forward_operations(a) - 2 * first;
}

struct Options {
  std::string job;
  int threads = 1;
  Architecture architecture = conv_autoencoder(28, 28, 1);
  cpu::Simd simd = cpu::Simd::best;
};

int64_t number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) {
    throw ArgumentError("\"{}\" is not a whole number from 1 on", text);
  }
  return value;
}

std::vector<int64_t> numbers(std::string_view text, char separator) {
  std::vector<int64_t> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    values.push_back(number(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return values;
}

Options parse(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (arguments.size() < 2 || arguments.size() == 3 || arguments.size() > 5) {
    throw ArgumentError(
        "usage: bench_cpu train|trim|score|peak THREADS [WIDTHxHEIGHTxDEPTH FILTERS [SIMD]]");
  }
  Options options{.job = std::string(arguments[0]),
                  .threads = static_cast<int>(number(arguments[1]))};
  constexpr std::string_view kJobs[] = {"train", "trim", "score", "peak"};
  if (std::find(std::begin(kJobs), std::end(kJobs), options.job) == std::end(kJobs)) {
    throw ArgumentError("{}: train, trim, score or peak", options.job);
  }
  if (arguments.size() >= 4) {
    const std::vector<int64_t> shape = numbers(arguments[2], 'x');
    if (shape.size() != 3) throw ArgumentError("{} is not WIDTHxHEIGHTxDEPTH", arguments[2]);
    options.architecture =
        conv_autoencoder(shape[0], shape[1], shape[2], numbers(arguments[3], ','));
  }
  if (arguments.size() == 5) {
    options.simd = arguments[4] == "avx2"       ? cpu::Simd::avx2
                   : arguments[4] == "half"     ? cpu::Simd::half
                   : arguments[4] == "baseline" ? cpu::Simd::baseline
                                                : cpu::Simd::best;
  }
  return options;
}

/// The reference program's ones and threes where they fit the network, else random pixels.
ImageArray images_for(const Architecture& architecture) {
  const std::string folder = "share/oddity/mnist/";
  if (architecture.image() == ImageShape{28, 28, 1}) {
    return build_unsupervised_dataset(read_labelled_idx(folder + "train-images-idx3-ubyte.gz",
                                                        folder + "train-labels-idx1-ubyte.gz"),
                                      {})
        .images;
  }
  const auto count = static_cast<size_t>(std::max<int64_t>(
      2 * static_cast<int64_t>(kBatch), int64_t{4} << 20 / architecture.image().size()));
  ImageArray images(PixelType::u8, architecture.image(), count);
  Philox random(42, 0);
  std::generate_n(images.data(), count * images.view().image_bytes(),
                  [&] { return static_cast<std::byte>(random()); });
  return images;
}

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Answers each number of seconds on standard input with the median of work()'s results.
void serve(const std::function<double()>& work, Json answer, const char* key) {
  work();
  fmt::print("ready\n");
  std::fflush(stdout);
  for (double seconds; std::cin >> seconds;) {
    std::vector<double> results;
    const auto begin = Clock::now();
    do {
      results.push_back(work());
    } while (seconds_since(begin) < seconds);
    answer[key] = median(results);
    fmt::print("{}\n", answer.dump());
    std::fflush(stdout);
  }
}

void serve_peak(int threads) {
  const auto work = [threads] {
    std::vector<double> rates(static_cast<size_t>(threads));
    std::vector<std::thread> others;
    for (size_t i = 1; i < rates.size(); ++i) {
      others.emplace_back([&rates, i] { rates[i] = multiply_adds_a_second(0.3); });
    }
    rates[0] = multiply_adds_a_second(0.3);
    for (std::thread& other : others) other.join();
    double sum = 0;
    for (const double rate : rates) sum += 2 * rate;
    return sum;
  };
  serve(work, Json::object(), "operations_a_second");
}

void run(const Options& options) {
  if (options.job == "peak") {
    serve_peak(options.threads);
    return;
  }
  const Architecture& architecture = options.architecture;
  const auto engine = cpu::make_cpu_engine({.threads = options.threads}, options.simd);
  const ImageArray array = images_for(architecture);
  const auto images = engine->upload(array.view());
  const auto network = engine->network(architecture, initial_weights(architecture, 42));
  NoProgress nobody;
  if (options.job == "score") {
    serve(
        [&] {
          const auto begin = Clock::now();
          network->score(*images, {0, images->size()}, nobody);
          return seconds_since(begin) / static_cast<double>(images->size());
        },
        {{"operations", forward_operations(architecture)}}, "seconds");
    return;
  }
  std::vector<uint32_t> order(images->size() / kBatch * kBatch);
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
  // A rate that changes nothing much, however long it goes on.
  const std::vector<double> rates(order.size() / kBatch, 1e-5);
  const double trim = options.job == "trim" ? 0.06 : 0;
  serve(
      [&] {
        const auto begin = Clock::now();
        network->train_epoch(*images, order, kBatch, rates, nobody, trim);
        return seconds_since(begin) / static_cast<double>(order.size());
      },
      {{"operations", training_operations(architecture)}}, "seconds");
}

}  // namespace
}  // namespace oddity::bench

int main(int argc, char** argv) {
  try {
    oddity::bench::run(oddity::bench::parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
