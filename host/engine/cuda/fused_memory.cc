#include "engine/cuda/fused_memory.h"

namespace oddity::cuda {
namespace {

/// Hands out pieces of memory, one behind the other.
class Layout {
 public:
  explicit Layout(std::byte* base) : base_(base) {}
  template <typename T>
  T* take(int64_t size) {
    constexpr int64_t kAlignment = 256;
    std::byte* const piece = base_ == nullptr ? nullptr : base_ + bytes_;
    bytes_ += (size * static_cast<int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<T*>(piece);
  }
  float* floats(int64_t size) { return take<float>(size); }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* base_;
  int64_t bytes_ = 0;
};

/// Blocks of rows of the launch that makes the stage's activation.
int forward_blocks(const Stage& stage, const kernels::Conv2dShape& shape) {
  return stage.kind == OperationKind::conv2d ? kernels::conv2d_stage_blocks(shape)
                                             : kernels::conv2d_transpose_stage_blocks(shape);
}

/// Of that which makes the gradient of the input.
int backward_blocks(const Stage& stage, const kernels::Conv2dShape& shape) {
  return stage.kind == OperationKind::conv2d ? kernels::conv2d_transpose_stage_blocks(shape)
                                             : kernels::conv2d_stage_blocks(shape);
}

}  // namespace

FusedMemory::FusedMemory(const Plan& plan, int64_t images, std::byte* base)
    : stages(plan.stages.size()),
      dense1{images, plan.features, plan.latent},
      dense2{images, plan.latent, plan.features} {
  Layout layout(base);
  for (size_t i = 0; i < stages.size(); ++i) {
    const Stage& stage = plan.stages[i];
    FusedStage& made = stages[i];
    made.shape = stage.shape(images);
    made.rows = images * stage.out / stage.out_channels;
    made.channels = static_cast<int>(stage.out_channels);
    made.gradient = layout.floats(made.numbers());
    made.slices = kernels::stage_weight_gradient_slices(made.shape);
    made.weight_parts = layout.floats(made.slices * made.weights());
    if (!stage.normalized) continue;
    made.activation = layout.floats(made.numbers());
    made.statistics = layout.floats(kernels::kStatistics * made.channels);
    made.moments.blocks = forward_blocks(stage, made.shape);
    made.moments.rows = made.rows;
    made.moments.parts = layout.floats(int64_t{2} * made.moments.blocks * made.channels);
    made.moments.counts = layout.floats(made.moments.blocks);
  }
  for (size_t i = 0; i + 1 < stages.size(); ++i) {
    FusedStage& made = stages[i];
    made.sums.blocks = i + 1 == plan.encoder_stages
                           ? kernels::dense_stage_blocks(dense1, made.channels)
                           : backward_blocks(plan.stages[i + 1], stages[i + 1].shape);
    made.sums.parts =
        layout.floats(int64_t{kernels::kGradientSums} * made.sums.blocks * made.channels);
  }
  latent = layout.floats(images * plan.latent);
  hidden = layout.floats(images * plan.features);
  latent_gradient = layout.floats(images * plan.latent);
  hidden_gradient = layout.floats(images * plan.features);
  dense1_gradient = layout.floats(plan.features * plan.latent);
  dense2_gradient = layout.floats(plan.features * plan.latent);
  last_blocks = images * kernels::last_stage_blocks(stages.back().shape);
  last.dx = stages.back().gradient;
  last.squares = layout.floats(last_blocks * stages.back().channels);
  last.bias_parts = layout.floats(last_blocks * stages.back().channels);
  last.step = layout.take<int64_t>(1);
  bytes = layout.bytes();
}

}  // namespace oddity::cuda
