// The end of a training step in few launches (stage.h): adds up what the step's kernels left, and
// moves weights, moving statistics and the step's counter.
#pragma once

#include <span>
#include <vector>

#include "adam.h"
#include "stage.h"

namespace oddity::kernels {

enum class UpdateKind {
  weights,  // by a gradient that lies in slices
  bias,     // of a normalised stage, by the sums of its gradient
  moving,   // moving moments, towards those of the batch
};

/// Some numbers that are updated alike, target [count], and where their news lie. Where count and
/// stride are multiples of 4, target and source begin at multiples of 16 bytes.
struct Update {
  UpdateKind kind = UpdateKind::weights;
  int64_t target = 0;  // offset into the parameters, or into the moving statistics
  int64_t count = 0;
  /// weights: slice s of number i is source[s · stride + i]. bias: the kGradientSums sums of block
  /// s are at source[s · stride + sum · count + i], and `statistics` is the map's, of `rows` rows.
  /// moving: source[i].
  const float* source = nullptr;
  int64_t stride = 0;
  int slices = 1;
  const float* statistics = nullptr;
  int64_t rows = 0;
};

/// A block's share of an update.
struct UpdatePart {
  Update update;
  int64_t first = 0;  // of its numbers
};

/// The parts of all updates, in device memory a launch's table: a block each.
std::vector<UpdatePart> cut_updates(std::span<const Update> updates);

/// What is updated.
struct UpdateTargets {
  float* weights = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
  float* moving = nullptr;
  EpochState* state = nullptr;
  EpochProgress progress;
};

/// What an update needs of its step beside the table: the step's number, the learning rates of all
/// steps, and of `images` images the squared errors in parts [squares_count], each image's divided
/// by its `size` numbers.
struct UpdateStep {
  const int64_t* step = nullptr;
  const float* rates = nullptr;
  const float* squares = nullptr;
  int64_t squares_count = 0;
  int64_t size = 0;
};

/// Adam on every number of the parts (adam.h), and the end of the step (finish_step).
void update(cudaStream_t stream, const UpdatePart* parts, int64_t count, const UpdateStep& step,
            const UpdateTargets& targets);

}  // namespace oddity::kernels
