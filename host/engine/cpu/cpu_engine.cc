#include "engine/cpu/cpu_engine.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/thread_pool.h"
#include "data/variation.h"
#include "engine/cpu/inference.h"
#include "engine/cpu/training.h"

namespace oddity::cpu {
namespace {

/// Images that lie in memory which outlives them.
class CpuImages : public Images {
 public:
  explicit CpuImages(const ImageView& view) : Images(view.shape, view.count), view_(view) {}
  const ImageView& view() const { return view_; }
  /// Of each image TV^.75 of its total variation; computed when first asked for.
  std::span<const float> variations(ThreadPool& pool) const {
    if (variations_.empty() && size() > 0) {
      variations_.resize(size());
      const auto image_size = static_cast<size_t>(shape().size());
      pool.parallel_for(size(), [&](size_t i, int) {
        std::vector<float> x(image_size);
        to_float(view_, i, x.data());
        variations_[i] = static_cast<float>(std::pow(total_variation(x, shape()), 0.75));
      });
    }
    return variations_;
  }

 protected:
  ImageView view_;

 private:
  mutable std::vector<float> variations_;
};

class OwnedImages final : public CpuImages {
 public:
  explicit OwnedImages(const ImageView& view)
      : CpuImages(view), array_(view.type, view.shape, view.count) {
    std::copy_n(view.data, view.count * view.image_bytes(), array_.data());
    view_ = array_.view();
  }

 private:
  ImageArray array_;
};

class CpuStaging final : public Staging {
 public:
  CpuStaging(PixelType type, const ImageShape& shape, size_t capacity)
      : Staging(type, shape, capacity), array_(type, shape, capacity) {}

 private:
  std::byte* do_data() override { return array_.data(); }
  const Images& do_send(size_t count) override {
    return sent_.emplace(ImageView{array_.data(), type(), shape(), count});
  }

  ImageArray array_;
  std::optional<CpuImages> sent_;
};

class CpuScores final : public Scores {
 public:
  explicit CpuScores(std::vector<float> values)
      : Scores(values.size()), values_(std::move(values)) {}

 private:
  void do_download(std::span<float> out) const override {
    std::copy(values_.begin(), values_.end(), out.begin());
  }
  std::vector<float> do_select(std::span<const uint64_t> ranks) const override {
    const auto nan =
        std::find_if(values_.begin(), values_.end(), [](float value) { return std::isnan(value); });
    if (nan != values_.end()) {
      throw Error("the score of image {} is not a number", nan - values_.begin());
    }
    std::vector<float> sorted = values_;
    std::vector<float> selected;
    for (const uint64_t rank : ranks) {
      const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(rank);
      std::nth_element(sorted.begin(), nth, sorted.end());
      selected.push_back(*nth);
    }
    return selected;
  }

  std::vector<float> values_;
};

class CpuNetwork final : public Network {
 public:
  CpuNetwork(const Architecture& architecture, const Weights& weights,
             const std::optional<OptimizerState>& optimizer, const Kernels& kernels,
             ThreadPool& pool, size_t max_batch)
      : Network(architecture),
        kernels_(kernels),
        pool_(pool),
        plan_(architecture, kernels.lanes),
        inference_(plan_, kernels, pool.threads(), block_images(max_batch)) {
    for (Buffer* buffer :
         {&parameters_.weights, &parameters_.first_moment, &parameters_.second_moment}) {
      *buffer = Buffer(plan_.parameters);
    }
    parameters_.moving = Buffer(plan_.moving);
    pack(plan_, weights, parameters_.weights.get(), parameters_.moving.get());
    if (optimizer.has_value()) {
      pack(plan_, optimizer->first, parameters_.first_moment.get(), nullptr);
      pack(plan_, optimizer->second, parameters_.second_moment.get(), nullptr);
      parameters_.step = optimizer->step;
    }
  }

 private:
  // Sixteen images share each pass over the dense layers' weights.
  static int64_t block_images(size_t max_batch) {
    return static_cast<int64_t>(std::clamp<size_t>(max_batch, 1, 16));
  }
  static ImageView view_of(const Images& images) {
    return static_cast<const CpuImages&>(images).view();
  }
  std::span<const float> variations(const Images& images) const {
    return static_cast<const CpuImages&>(images).variations(pool_);
  }

  /// work(thread, begin, count) for blocks of [0, n), in parallel; progress after every few.
  template <typename Work>
  void for_blocks(size_t n, Progress& progress, Work&& work) {
    inference_.load(parameters_.weights.get(), parameters_.moving.get());
    const auto block = static_cast<size_t>(inference_.block_images());
    constexpr size_t kBlocksAtOnce = 64;
    for (size_t first = 0; first < n; first += kBlocksAtOnce * block) {
      const size_t end = std::min(n, first + kBlocksAtOnce * block);
      pool_.parallel_for((end - first + block - 1) / block, [&](size_t task, int thread) {
        const size_t begin = first + task * block;
        work(thread, begin, static_cast<int64_t>(std::min(block, end - begin)));
      });
      progress.update(end, n, 0);
    }
  }

  EpochStats do_train_epoch(const Images& images, std::span<const uint32_t> order,
                            size_t batch_size, std::span<const double> learning_rates,
                            Progress& progress, double trim) override {
    const size_t largest = std::min(batch_size, order.size());
    if (training_ == nullptr || largest > training_batch_) {
      training_ = std::make_unique<Training>(plan_, kernels_, pool_, static_cast<int64_t>(largest));
      training_batch_ = largest;
    }
    const ImageView view = view_of(images);
    const Trimming trimming{trim, trim > 0 ? variations(images) : std::span<const float>()};
    double loss = 0;
    for (size_t begin = 0, step = 0; begin < order.size(); begin += batch_size, ++step) {
      const size_t count = std::min(batch_size, order.size() - begin);
      loss += training_->step({view, order.data(), begin}, static_cast<int64_t>(count),
                              learning_rates[step], trimming, parameters_);
      progress.update(begin + count, order.size(), loss / static_cast<double>(begin + count));
    }
    return {loss / static_cast<double>(order.size())};
  }

  double do_evaluate(const Images& images, std::span<const uint32_t> positions) override {
    const ImageView view = view_of(images);
    std::vector<float> scores(positions.size());
    NoProgress silent;
    for_blocks(positions.size(), silent, [&](int thread, size_t begin, int64_t count) {
      inference_.score(thread, {view, positions.data(), begin}, count, {}, scores.data() + begin,
                       nullptr);
    });
    double sum = 0;
    for (const float score : scores) sum += static_cast<double>(score);
    return sum / static_cast<double>(scores.size());
  }

  std::unique_ptr<Scores> do_score(const Images& images, Range range, Progress& progress,
                                   const ExactScores&) override {
    const ImageView view = view_of(images);
    std::vector<float> scores(range.size());
    for_blocks(range.size(), progress, [&](int thread, size_t begin, int64_t count) {
      inference_.score(thread, {view, nullptr, range.begin + begin}, count, rule_,
                       scores.data() + begin, nullptr);
    });
    return std::make_unique<CpuScores>(std::move(scores));
  }

  void do_score_by(const ScoreRule& rule) override { rule_ = rule; }

  void do_encode(const Images& images, Range range, std::span<float> out) override {
    const ImageView view = view_of(images);
    const auto length = static_cast<size_t>(architecture().latent_dim);
    NoProgress silent;
    for_blocks(range.size(), silent, [&](int thread, size_t begin, int64_t count) {
      std::vector<float> latent(static_cast<size_t>(count * plan_.latent()));
      inference_.encode(thread, {view, nullptr, range.begin + begin}, count, latent.data());
      for (int64_t i = 0; i < count; ++i) {
        std::copy_n(latent.data() + i * plan_.latent(), length,
                    out.data() + (begin + static_cast<size_t>(i)) * length);
      }
    });
  }

  void do_decode(std::span<const float> latent, std::span<float> out) override {
    const auto length = static_cast<size_t>(architecture().latent_dim);
    const auto size = static_cast<size_t>(architecture().image().size());
    NoProgress silent;
    for_blocks(latent.size() / length, silent, [&](int thread, size_t begin, int64_t count) {
      std::vector<float> padded(static_cast<size_t>(count * plan_.latent()));
      for (int64_t i = 0; i < count; ++i) {
        std::copy_n(latent.data() + (begin + static_cast<size_t>(i)) * length, length,
                    padded.data() + i * plan_.latent());
      }
      inference_.decode(thread, padded.data(), count, nullptr, {}, nullptr,
                        out.data() + begin * size);
    });
  }

  void do_reconstruct(const Images& images, Range range, std::span<float> out) override {
    const ImageView view = view_of(images);
    const auto size = static_cast<size_t>(architecture().image().size());
    NoProgress silent;
    for_blocks(range.size(), silent, [&](int thread, size_t begin, int64_t count) {
      inference_.score(thread, {view, nullptr, range.begin + begin}, count, {}, nullptr,
                       out.data() + begin * size);
    });
  }

  void do_pixel_errors(const Images& images, Range range, std::span<float> out) override {
    do_reconstruct(images, range, out);
    const ImageView view = view_of(images);
    const auto size = static_cast<size_t>(architecture().image().size());
    std::vector<float> x(size);
    for (size_t i = 0; i < range.size(); ++i) {
      to_float(view, range.begin + i, x.data());
      float* const errors = out.data() + i * size;
      for (size_t k = 0; k < size; ++k) {
        const float difference = x[k] - errors[k];
        errors[k] = difference * difference;
      }
    }
  }

  Weights do_weights() const override {
    Weights weights(architecture());
    unpack(plan_, parameters_.weights.get(), parameters_.moving.get(), weights);
    return weights;
  }

  OptimizerState do_optimizer() const override {
    OptimizerState state{Weights(architecture()), Weights(architecture()), parameters_.step};
    unpack(plan_, parameters_.first_moment.get(), nullptr, state.first);
    unpack(plan_, parameters_.second_moment.get(), nullptr, state.second);
    return state;
  }

  const Kernels& kernels_;
  ThreadPool& pool_;
  Plan plan_;
  Parameters parameters_;
  Inference inference_;
  ScoreRule rule_;
  std::unique_ptr<Training> training_;  // made with the first epoch: scoring needs none of it
  size_t training_batch_ = 0;
};

class CpuEngine final : public Engine {
 public:
  CpuEngine(const EngineOptions& options, Simd simd)
      : simd_(simd),
        kernels_(kernels(simd)),
        pool_(chosen_threads(options.threads)),
        max_batch_(options.max_batch) {}

  DeviceInfo info() const override {
    return {"cpu",
            fmt::format("{} thread{}, {}", pool_.threads(), pool_.threads() == 1 ? "" : "s",
                        kernels_.name),
            Precision::fp32};
  }

 private:
  std::unique_ptr<Images> do_upload(const ImageView& images) override {
    return std::make_unique<OwnedImages>(images);
  }
  std::unique_ptr<Staging> do_staging(PixelType type, const ImageShape& shape,
                                      size_t capacity) override {
    return std::make_unique<CpuStaging>(type, shape, capacity);
  }
  std::unique_ptr<Network> do_network(const Architecture& architecture, const Weights& weights,
                                      const std::optional<OptimizerState>& optimizer) override {
    return std::make_unique<CpuNetwork>(architecture, weights, optimizer, kernels_for(architecture),
                                        pool_, max_batch_);
  }

  // The largest maps have the first filters' channels. Where these leave half of a vector of 16
  // empty, vectors of eight take .65 to .87 of the time (filters 8 | 8 16 24 | 8 64, measured on a
  // CPU that makes two instructions of eight of each of 16); with 16 or 24 filters, .95 to 1.2.
  const Kernels& kernels_for(const Architecture& architecture) const {
    const bool half = simd_ == Simd::best && kernels_.lanes == 16 && architecture.filters[0] <= 8;
    return half ? kernels(Simd::half) : kernels_;
  }

  Simd simd_;
  const Kernels& kernels_;
  ThreadPool pool_;
  size_t max_batch_;
};

}  // namespace

std::unique_ptr<Engine> make_cpu_engine(const EngineOptions& options, Simd simd) {
  return std::make_unique<CpuEngine>(options, simd);
}

}  // namespace oddity::cpu
