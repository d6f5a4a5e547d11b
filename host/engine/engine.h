// An engine is a device that can hold images and run one autoencoder on them. The interface is
// coarse on purpose: what is behind it may fuse, capture graphs and keep everything resident;
// nobody outside sees a layer. Public methods check shapes and arguments once and throw Error;
// private virtuals (do_…) trust them.
//
// Results never depend on threads; scores do not depend on batch size or order either.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/progress.h"
#include "core/shape.h"
#include "data/pixels.h"
#include "model/architecture.h"
#include "model/score_rule.h"
#include "model/weights.h"

namespace oddity {

/// How products are computed. What is not fp32 is CUDA's alone. Where one kernel scores images
/// there (DeviceInfo::scoring) scores have a precision of their own.
enum class Precision {
  automatic,  // tf32 where cuDNN and cuBLAS are found, else fp32; scores: fp16, and in fp32 those
              // that ExactScores asks for
  fp32,       // float32 throughout
  tf32,       // by cuDNN and cuBLAS, which on tensor cores (compute capability 8.0 and newer) round
              // factors to 10 bits and add in float32; scores, too
  fp16        // as automatic, but all scores: factors rounded to 11 bits, added in float32
};
/// "auto", "fp32", "tf32", "fp16".
std::string_view name_of(Precision precision);
/// Whether the CPU engine has not got it.
constexpr bool needs_cuda(Precision precision) {
  return precision == Precision::tf32 || precision == Precision::fp16;
}

struct EngineOptions {
  int threads = 0;          // CPU threads; 0: OMP_NUM_THREADS, else what this process may use
  size_t max_batch = 1024;  // images computed together at most when scoring; changes no result
  Precision precision = Precision::automatic;
};

struct DeviceInfo {
  std::string name;     // "cpu", "cuda:0"
  std::string details;  // "2 threads, AVX-512"; "NVIDIA H100, sm_90, 80 GiB, tf32 (cuDNN 9.19.0)"
  Precision precision = Precision::fp32;  // that it computes in: fp32 or tf32
  Precision scores = Precision::fp32;     // that it scores in where one kernel does it
  /// Of which networks and images one kernel does it, and what is done otherwise; empty: of none.
  std::string scoring = {};
};

/// One operation of a device against plain float64 loops.
struct SelfTestResult {
  std::string operation;    // "conv2d 32x28x28x1 -> 32x14x14x32, bias, leaky_relu"
  std::string computed_by;  // "kernels", "cudnn engine 28"
  double error = 0;         // largest difference, of the largest number of the result
  double tolerance = 0;     // passed where error ≤ tolerance; a NaN is not
  double microseconds = 0;  // median of a few runs on the device
};

/// Images resident on an engine's device, in the type they came in.
class Images {
 public:
  virtual ~Images() = default;
  size_t size() const { return count_; }
  const ImageShape& shape() const { return shape_; }

 protected:
  Images(ImageShape shape, size_t count) : shape_(shape), count_(count) {}

 private:
  ImageShape shape_;
  size_t count_;
};

/// Images that are replaced again and again: how a set of any size streams past a device. One may
/// be filled and sent while another thread works with what was sent by another.
class Staging {
 public:
  virtual ~Staging() = default;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  PixelType type() const { return type_; }
  const ImageShape& shape() const { return shape_; }
  /// Images that fit.
  size_t capacity() const { return capacity_; }
  /// Where the host writes them, [capacity, H, W, C]: memory that the device copies from fastest.
  /// To be asked for after every send: the device may still be at it.
  std::byte* data() { return do_data(); }
  /// Sends the first `count` to the device; they are there until the next send, before which all
  /// work with them must be done. Throws Error where there are more than fit, or f32 images are not
  /// finite and in [0,1].
  const Images& send(size_t count);

 protected:
  Staging(PixelType type, ImageShape shape, size_t capacity)
      : type_(type), shape_(shape), capacity_(capacity) {}

 private:
  virtual std::byte* do_data() = 0;
  virtual const Images& do_send(size_t count) = 0;
  PixelType type_;
  ImageShape shape_;
  size_t capacity_;
};

/// One float an image, resident on the device, in the order of the images.
class Scores {
 public:
  virtual ~Scores() = default;
  size_t size() const { return count_; }
  /// Copies all scores to `out` [size()].
  void download(std::span<float> out) const;
  /// Order statistics: entry i is the ranks[i]-th smallest score, counted from 0. Exact.
  /// Throws Error where a rank is not below size() or a score is NaN.
  std::vector<float> select(std::span<const uint64_t> ranks) const;

 protected:
  explicit Scores(size_t count) : count_(count) {}

 private:
  virtual void do_download(std::span<float> out) const = 0;
  virtual std::vector<float> do_select(std::span<const uint64_t> ranks) const = 0;
  size_t count_;
};

/// Which scores must be as exact as the device's fp32. Of the others a device may be up to 3e-3 of
/// the score off; none of them is thereby on the wrong side of what is asked for here.
struct ExactScores {
  enum class From { all, threshold, rank };
  From from = From::all;
  double threshold = 0;  // those at or above it
  uint64_t rank = 0;     // those at or above the rank-th smallest, counted from 0

  static ExactScores from_threshold(double threshold) { return {From::threshold, threshold, 0}; }
  static ExactScores from_rank(uint64_t rank) { return {From::rank, 0, rank}; }
};

/// What an epoch of training gave.
struct EpochStats {
  double loss = 0;  // mean over the images of the epoch of the loss before their own step
};

/// One autoencoder on one device.
class Network {
 public:
  virtual ~Network() = default;
  const Architecture& architecture() const { return architecture_; }

  /// One epoch of Adam on the mean squared error: the images at `order`, `batch_size` a step, the
  /// last step taking what is left; step k uses learning_rates[k]. Batch normalisation uses the
  /// statistics of each batch and updates the moving ones (momentum .99, biased variance).
  ///
  /// With `trim` in (0,1) the ⌈trim · n⌉ images of each batch of n (at most n − 1) give no gradient
  /// whose loss is highest for their total variation (loss / TV^.75; of equal ones the earlier),
  /// and the others' is averaged: what is learnt is not what is odd. They still pass through batch
  /// normalisation and the loss.
  EpochStats train_epoch(const Images& images, std::span<const uint32_t> order, size_t batch_size,
                         std::span<const double> learning_rates, Progress& progress,
                         double trim = 0);
  /// Mean over the images at `positions` of their scores, added in float64 in the order given.
  double evaluate(const Images& images, std::span<const uint32_t> positions);
  /// What scores are from now on; before, they are mean squared errors. evaluate() stays with
  /// those.
  void score_by(const ScoreRule& rule);
  /// The score of each image, in inference mode.
  /// Throws Error where `exact` names a rank that is not below the number of images.
  std::unique_ptr<Scores> score(const Images& images, Range range, Progress& progress,
                                const ExactScores& exact = {});
  /// Latent vectors [range, latent_dim].
  void encode(const Images& images, Range range, std::span<float> out);
  /// Images [n, H, W, C] in (0,1) from latent vectors [n, latent_dim].
  void decode(std::span<const float> latent, std::span<float> out);
  /// Reconstructions [range, H, W, C] in (0,1).
  void reconstruct(const Images& images, Range range, std::span<float> out);
  /// What the score is the mean of: (x − reconstruction)², [range, H, W, C] in [0,1].
  void pixel_errors(const Images& images, Range range, std::span<float> out);

  /// Copies of the state, for files and tests.
  Weights weights() const { return do_weights(); }
  OptimizerState optimizer() const { return do_optimizer(); }

 protected:
  explicit Network(Architecture architecture) : architecture_(std::move(architecture)) {}

 private:
  virtual EpochStats do_train_epoch(const Images&, std::span<const uint32_t> order,
                                    size_t batch_size, std::span<const double> learning_rates,
                                    Progress&, double trim) = 0;
  virtual void do_score_by(const ScoreRule& rule) = 0;
  virtual double do_evaluate(const Images&, std::span<const uint32_t> positions) = 0;
  virtual std::unique_ptr<Scores> do_score(const Images&, Range, Progress&, const ExactScores&) = 0;
  virtual void do_encode(const Images&, Range, std::span<float> out) = 0;
  virtual void do_decode(std::span<const float> latent, std::span<float> out) = 0;
  virtual void do_reconstruct(const Images&, Range, std::span<float> out) = 0;
  virtual void do_pixel_errors(const Images&, Range, std::span<float> out) = 0;
  virtual Weights do_weights() const = 0;
  virtual OptimizerState do_optimizer() const = 0;

  void check_images(const Images& images) const;
  void check_range(const Images& images, Range range) const;
  void check_positions(const Images& images, std::span<const uint32_t> positions) const;
  Architecture architecture_;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual DeviceInfo info() const = 0;
  /// Copies images to the device. f32 images must be finite and in [0,1]; the first that is not is
  /// named. `name` is what messages call the set.
  std::unique_ptr<Images> upload(const ImageView& images, std::string_view name = "images");
  /// Memory for at most `capacity` images of a set that streams past. Throws Error where that is 0
  /// or the shape holds no pixels.
  std::unique_ptr<Staging> staging(PixelType type, const ImageShape& shape, size_t capacity);
  /// A network with these weights; with an optimizer state training goes on where it stood.
  std::unique_ptr<Network> network(const Architecture& architecture, const Weights& weights,
                                   const std::optional<OptimizerState>& optimizer = std::nullopt);
  /// Runs every operation this device would use to train and score `architecture` on random
  /// numbers and compares. The CPU engine gives none.
  virtual std::vector<SelfTestResult> selftest(const Architecture& architecture);

 private:
  virtual std::unique_ptr<Images> do_upload(const ImageView& images) = 0;
  virtual std::unique_ptr<Staging> do_staging(PixelType type, const ImageShape& shape,
                                              size_t capacity) = 0;
  virtual std::unique_ptr<Network> do_network(const Architecture&, const Weights&,
                                              const std::optional<OptimizerState>&) = 0;
};

/// device: "auto" (the best there is), "cpu", "cuda" or "cuda:N". Throws ArgumentError for another
/// name or for tf32 or fp16 on the CPU, DeviceError, with the reason, where a device that was asked
/// for, by name or by a precision that only it has, is not available.
std::unique_ptr<Engine> make_engine(std::string_view device, const EngineOptions& options = {});

/// Why CUDA cannot be used here, in a few words ("this build has no CUDA engine"); empty where it
/// can.
std::string why_no_cuda();

}  // namespace oddity
