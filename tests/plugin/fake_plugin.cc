// A CUDA engine for tests that computes on the CPU, with one device, cuda:0. Two variables say how
// it misbehaves:
//   FAKE_CUDA_REFUSES=<text>   why no device can be used
//   FAKE_CUDA_FAILS_AT=<where> engine, upload, network, train, score or reconstruct: there a
//                              DeviceError "out of device memory" is thrown; train does so in
//                              the third step
// Its numbers are not the CPU's: it scores a tenth too high, and learns at twice the rate.
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "engine/cuda_plugin.h"

namespace oddity {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

void fail_if_at(std::string_view where) {
  if (variable("FAKE_CUDA_FAILS_AT") == where) throw DeviceError("out of device memory");
}

class FakeScores final : public Scores {
 public:
  explicit FakeScores(std::unique_ptr<Scores> scores)
      : Scores(scores->size()), scores_(std::move(scores)) {}

 private:
  void do_download(std::span<float> out) const override {
    scores_->download(out);
    for (float& score : out) score *= 1.1f;
  }
  std::vector<float> do_select(std::span<const uint64_t> ranks) const override {
    std::vector<float> selected = scores_->select(ranks);
    for (float& score : selected) score *= 1.1f;
    return selected;
  }

  std::unique_ptr<Scores> scores_;
};

/// Counts steps, and fails at the third.
class FailingProgress final : public Progress {
 public:
  FailingProgress(Progress& inner, int& steps) : inner_(inner), steps_(steps) {}
  void update(size_t done, size_t total, double value) override {
    inner_.update(done, total, value);
    if (++steps_ == 3) fail_if_at("train");
  }

 private:
  Progress& inner_;
  int& steps_;
};

class FakeNetwork final : public Network {
 public:
  explicit FakeNetwork(std::unique_ptr<Network> network)
      : Network(network->architecture()), network_(std::move(network)) {}

 private:
  EpochStats do_train_epoch(const Images& images, std::span<const uint32_t> order,
                            size_t batch_size, std::span<const double> learning_rates,
                            Progress& progress, double trim) override {
    std::vector<double> rates(learning_rates.begin(), learning_rates.end());
    for (double& rate : rates) rate *= 2;
    FailingProgress failing(progress, steps_);
    return network_->train_epoch(images, order, batch_size, rates, failing, trim);
  }
  void do_score_by(const ScoreRule& rule) override { network_->score_by(rule); }
  double do_evaluate(const Images& images, std::span<const uint32_t> positions) override {
    return network_->evaluate(images, positions);
  }
  std::unique_ptr<Scores> do_score(const Images& images, Range range, Progress& progress,
                                   const ExactScores&) override {
    fail_if_at("score");
    return std::make_unique<FakeScores>(network_->score(images, range, progress));
  }
  void do_encode(const Images& images, Range range, std::span<float> out) override {
    network_->encode(images, range, out);
  }
  void do_decode(std::span<const float> latent, std::span<float> out) override {
    network_->decode(latent, out);
  }
  void do_reconstruct(const Images& images, Range range, std::span<float> out) override {
    fail_if_at("reconstruct");
    network_->reconstruct(images, range, out);
  }
  void do_pixel_errors(const Images& images, Range range, std::span<float> out) override {
    fail_if_at("pixel errors");
    network_->pixel_errors(images, range, out);
  }
  Weights do_weights() const override { return network_->weights(); }
  OptimizerState do_optimizer() const override { return network_->optimizer(); }

  std::unique_ptr<Network> network_;
  int steps_ = 0;  // of all epochs
};

class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(const EngineOptions& options)
      : precision_(options.precision == Precision::tf32 ? "tf32" : "fp32") {
    fail_if_at("engine");
    EngineOptions cpu = options;
    cpu.precision = Precision::fp32;
    engine_ = oddity::make_engine("cpu", cpu);
  }
  DeviceInfo info() const override { return {"cuda:0", "a fake, " + precision_, Precision::fp32}; }
  std::vector<SelfTestResult> selftest(const Architecture&) override {
    return {{"an operation of the device", "a fake", 0, 1, 2}};
  }

 private:
  std::unique_ptr<Images> do_upload(const ImageView& images) override {
    fail_if_at("upload");
    return engine_->upload(images);
  }
  std::unique_ptr<Staging> do_staging(PixelType type, const ImageShape& shape,
                                      size_t capacity) override {
    fail_if_at("staging");
    return engine_->staging(type, shape, capacity);
  }
  std::unique_ptr<Network> do_network(const Architecture& architecture, const Weights& weights,
                                      const std::optional<OptimizerState>& optimizer) override {
    fail_if_at("network");
    return std::make_unique<FakeNetwork>(engine_->network(architecture, weights, optimizer));
  }

  std::string precision_;
  std::unique_ptr<Engine> engine_;
};

std::string why_not(int ordinal) {
  const std::string reason = variable("FAKE_CUDA_REFUSES");
  if (!reason.empty()) return reason;
  return ordinal == 0 ? "" : "there is one device, cuda:0";
}

std::unique_ptr<Engine> make_fake(int, const EngineOptions& options) {
  return std::make_unique<FakeEngine>(options);
}

std::string libraries() { return "fake runtime 1.2, cuDNN not found"; }

/// Two launches, one after the other, and a scorer or the same again; grids hold what was asked.
LaunchReport report(const Architecture& architecture, int64_t images, const CardLimits& card) {
  LaunchReport made;
  made.step.images = images;
  made.step.launches = {{.name = "first",
                         .kernel = "fake.cu:1",
                         .grid = {images, 2, 1},
                         .block = {64, 1, 1},
                         .shared = 1024,
                         .bytes_read = 1000000,
                         .bytes_written = 2000,
                         .flop = 3000000,
                         .after = {}},
                        {.name = "second",
                         .kernel = "fake.cu:2",
                         .grid = {architecture.latent_dim, 1, 1},
                         .block = {32, 1, 1},
                         .after = {0}}};
  made.step.critical_path = 2;
  made.step.memory = 5000;
  made.steps_a_graph = 4;
  if (architecture.latent_dim != 16) {  // no kernel scores it by itself
    made.scores = made.step;
    made.scores.images = 500;
    made.scoring = "fakes in two kernels";
    return made;
  }
  made.scorers = {{.precision = Precision::fp16,
                   .way = "large",
                   .images = 10,
                   .launch = {.name = "score",
                              .kernel = "fake.cu:3",
                              .grid = {card.multiprocessors, 1, 1},
                              .block = {256, 1, 1},
                              .bytes_read = 7840,
                              .bytes_written = 40,
                              .flop = 1000000,
                              .after = {}}}};
  made.scoring = "fakes in one kernel";
  return made;
}

constexpr CudaPlugin kPlugin = {ODDITY_VERSION, why_not, make_fake, libraries, report};

}  // namespace
}  // namespace oddity

extern "C" [[gnu::visibility("default")]] const oddity::CudaPlugin* oddity_cuda_plugin() {
  return &oddity::kPlugin;
}
