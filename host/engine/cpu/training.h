// One training step: forward with batch statistics, backward, Adam. Every sum that crosses images
// is made in an order that depends on the batch alone, never on threads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "engine/cpu/buffer.h"
#include "engine/cpu/inference.h"
#include "engine/cpu/plan.h"

namespace oddity::cpu {

/// The trainable state: all flat, packed as the plan says.
struct Parameters {
  Buffer weights, moving;
  Buffer first_moment, second_moment;  // Adam's
  int64_t step = 0;                    // Adam's steps made
};

/// Which images of a batch give no gradient (Network::train_epoch).
struct Trimming {
  double share = 0;
  std::span<const float> variations;  // of each image of the set TV^.75; empty where share is 0
};

class Training {
 public:
  Training(const Plan& plan, const Kernels& kernels, ThreadPool& pool, int64_t max_batch);

  /// One step on n ≤ max_batch images; returns the sum of their losses before it.
  double step(const Selection& images, int64_t n, double learning_rate, const Trimming& trimming,
              Parameters& parameters);

  /// The way forward of such a step, up to the last layer; moves the moving statistics.
  void forward(const Selection& images, int64_t n, Parameters& parameters);

  /// What forward() left, for tests: the activation after LeakyReLU [H, W, plan channels] of a
  /// stage and image, the scale and shift of its batch normalisation, the latent vector.
  const float* activation(size_t stage, int64_t image) const {
    return stages_[stage].memory.get() + image * stages_[stage].image_size;
  }
  const float* scale(size_t stage) const { return stages_[stage].scale.get(); }
  const float* shift(size_t stage) const { return stages_[stage].shift.get(); }
  const float* latent(int64_t image) const { return latent_.get() + image * plan_.latent(); }

 private:
  // A batch is cut into at most this many blocks of images, the units of work and of partial sums.
  static constexpr int64_t kMaxBlocks = 8;
  // Parameters of a task of an update.
  static constexpr int64_t kUpdateNumbers = 2048;

  struct StageState {
    // Of each image, image_size numbers: the activation, until the way back has used it; then, in
    // the same place, which is still near, the gradient of the stage's input, without border.
    Buffer memory;
    int64_t image_size = 0;
    std::vector<double> sums;  // [block][2][channels]: Σa, Σa², later Σdy, Σdy·(a − mean)
    Buffer mean, inverse_deviation, scale, shift;
    Buffer k1, k2, k3;  // of the gradient (kernels.h)
  };
  struct Scratch {
    std::vector<Buffer> in, delta;  // bordered buffers of each stage, `group` images
    Buffer last_in, last_gradient;  // a band of rows of the last layer's input, and of its gradient
    Buffer window;
    std::vector<double> window_sums, window_products;
    Buffer projection;
    WinogradScratch winograd;
    // The matrices of the weights that the thread used last. Each thread makes its own, when it
    // first needs them: shared ones would go from cache to cache, which takes longer.
    Buffer matrices;
    std::optional<std::pair<size_t, Direction>> matrices_of;
    Buffer turned;  // the turned weights likewise
    std::optional<size_t> turned_of;
    Buffer dense_gradient;  // of a pixel's weights
    std::vector<double> sums;
  };
  struct Block {
    int64_t begin, end, index;
  };

  void for_blocks(const std::function<void(const Block&, int)>& work);
  void forward_stage(size_t stage, const Block& block, int thread);
  void middle(const Block& block, int thread);
  void last_logits(int64_t image, Scratch& scratch);
  void last_output_gradient(int64_t image, int64_t row, int64_t rows, Scratch& scratch) const;
  void add_window_sums(const float* inside, Scratch& scratch) const;
  void add_window_products(int64_t image, Scratch& scratch) const;
  /// All logits, and then no share for the images whose losses are highest for their variation.
  void trim(const Trimming& trimming);
  void last(const Block& block, int thread);
  void backward_stage(size_t stage, const Block& block, int thread);
  void middle_backward(const Block& block, int thread);
  const float* stage_matrices(size_t stage, Direction direction, Scratch& scratch) const;
  const float* stage_turned(size_t stage, Scratch& scratch) const;
  const float* stage_input(size_t stage, int64_t first, int64_t count, Scratch& scratch) const;
  void add_sums(StageState& state, int64_t block, int64_t channels, const Scratch& scratch) const;
  void stage_delta(size_t stage, int64_t image, Scratch& scratch, float* delta, float* dbias) const;
  float* input_gradient(size_t stage, int64_t image) {
    return stages_[stage].memory.get() + image * stages_[stage].image_size;
  }
  void finish_forward(size_t stage);
  void finish_backward(size_t stage);
  void backward();
  void add_up(int64_t first_block, int64_t end_block, int64_t range);
  void adam(int64_t first, int64_t n, const float* gradient, int64_t parts, int64_t part_stride,
            float step_size);
  void update_dense(int64_t pixel, float step_size, Scratch& scratch);
  void update(double learning_rate);

  float* part_gradient(int64_t block) { return gradients_.get() + block * plan_.partial; }

  const Plan& plan_;
  const Kernels& kernels_;
  ThreadPool& pool_;
  std::vector<StageState> stages_;
  std::vector<Scratch> scratch_;
  Buffer pixels_;    // [images, H, W, C] of the batch
  Buffer first_in_;  // the same, bordered
  Buffer features_, latent_, hidden_;
  Buffer latent_gradient_, feature_gradient_;
  Buffer encoded_gradient_;  // of the encoder's last stage [images, features]
  Buffer logits_;            // [images, H, W, C]
  Buffer last_delta_;        // gradient of the logits [images, plan.last_delta]
  Buffer gradients_;         // in parts [kMaxBlocks, plan.partial]
  std::vector<float> losses_;
  std::vector<float> shares_;  // that each image's loss has in what is minimised

  // Of the step under way.
  bool trimmed_ = false;  // so that the logits are there before the way back
  const Selection* images_ = nullptr;
  Parameters* parameters_ = nullptr;
  int64_t n_ = 0, block_images_ = 0, blocks_ = 0;
  bool downwards_ = false;  // the next part takes the blocks from the last to the first
};

}  // namespace oddity::cpu
