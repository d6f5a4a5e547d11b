// The scoring path: from pixels to one float an image, activations never leaving the thread's
// scratch.
#pragma once

#include <cstdint>
#include <vector>

#include "data/pixels.h"
#include "engine/cpu/buffer.h"
#include "engine/cpu/plan.h"
#include "engine/cpu/winograd.h"
#include "model/score_rule.h"

namespace oddity::cpu {

/// Which images a call works on: `positions` where given, else `first`, `first` + 1, …
struct Selection {
  const ImageView& images;
  const uint32_t* positions = nullptr;
  size_t first = 0;

  size_t operator[](size_t i) const {
    return positions != nullptr ? positions[first + i] : first + i;
  }
};

/// Inference with fixed weights. Methods may run at once on different threads, each with its own
/// index.
class Inference {
 public:
  Inference(const Plan& plan, const Kernels& kernels, int threads, int64_t block_images);

  /// Images that one call takes at most.
  int64_t block_images() const { return block_images_; }

  /// Takes the parameters it will read (not copied), and folds batch normalisation into one scale
  /// and shift a channel.
  void load(const float* parameters, const float* moving);

  /// latent [n, plan.latent()] of n ≤ block_images() images.
  void encode(int thread, const Selection& images, int64_t n, float* latent);

  /// From latent vectors [n, plan.latent()]: reconstruction [n, H, W, C] and, comparing with
  /// `images`, score [n]; either may be null.
  void decode(int thread, const float* latent, int64_t n, const Selection* images,
              const ScoreRule& rule, float* scores, float* reconstruction);

  /// Encodes and decodes n ≤ block_images() images.
  void score(int thread, const Selection& images, int64_t n, const ScoreRule& rule, float* scores,
             float* reconstruction);

 private:
  struct Scratch {
    std::vector<Buffer>
        in;         // the bordered input of each stage but the first decoder's, `group` images
    Buffer hidden;  // the first decoder stage's, block_images
    Buffer last_in, logits, pixels, features, latent, projection;
    Buffer output, blurred;  // for robust scores
    WinogradScratch winograd;
  };

  void run_stage(size_t stage, int64_t images, const float* in, float* out,
                 WinogradScratch& winograd) const;

  /// Of the image in scratch.pixels and its reconstruction.
  float robust_score(Scratch& scratch, const float* output, const ScoreRule& rule) const;

  const Plan& plan_;
  const Kernels& kernels_;
  int64_t block_images_;
  const float* parameters_ = nullptr;
  std::vector<Buffer> scale_, shift_;  // of each stage
  std::vector<Buffer> matrices_;       // of each stage's weights, where it goes through winograd.h
  std::vector<Scratch> scratch_;       // of each thread
};

/// Copies a contiguous image [H, W, C] into the inside of a bordered buffer.
void copy_inside(const float* image, const Grid& grid, float* bordered);

}  // namespace oddity::cpu
