// Winograd's minimal filtering F(2×2, 2×2) for the stride-2 convolutions of both kinds and their
// gradients (Winograd, "Arithmetic complexity of computations", 1980; Lavin and Gray, "Fast
// algorithms for convolutional neural networks", CVPR 2016, section 4.1).
//
// Between a small grid and a large one, of twice its extents, a 3×3 window is four windows of 2×2,
// 2×1, 1×2 and 1×1 taps, one a parity of the large grid's rows and columns. Two neighbouring
// results of two taps take three products instead of four,
//   m0 = (d0 − d1) · a,  m1 = d1 · (a + b),  m2 = (d2 − d1) · b,
//   y0 = d0 · a + d1 · b = m0 + m1,  y1 = d1 · a + d2 · b = m1 + m2,
// and so do two gradients: with n0 = (d0 − d1) · g0, n1 = d1 · (g0 + g1), n2 = (d2 − d1) · g1, that
// of a is n0 + n1 and that of b n1 + n2. In both directions of the plane: a tile of 2×2 pixels of
// the small grid takes 9 + 6 + 6 + 4 = 25 products where taps take 36. All transforms are sums and
// differences of two numbers, so that rounding errors stay those of the sums over channels.
//
// Products are numbered 3a + b for the 2×2 taps, then the others by parity (odd column, odd row,
// both), index among two pixels and index of the product; matrices of weights as products, but that
// pixels share them: 16. The inputs of the small grid serve all four parities: 16 tensors.
#pragma once

#include "engine/cpu/buffer.h"
#include "engine/cpu/plan.h"

namespace oddity::cpu {

/// A thread's memory for one stage after another.
struct WinogradScratch {
  WinogradScratch() = default;
  explicit WinogradScratch(const Plan& plan);
  Buffer inputs, products;
};

/// Which weights: those of the way forward, or the turned ones that gradients flow back through.
enum class Direction { forward, back };

/// A piece of the work of transforming weights: a block (two vectors or one) of a stage's.
struct WinogradTask {
  size_t stage;
  int64_t block;
};
std::vector<WinogradTask> winograd_tasks(const Plan& plan, Direction direction);

/// Transforms the taps of a block of `weights`, which are the flat parameters or the turned
/// weights, to matrices, packed like weights of 16 taps, at the stage's place in `matrices`.
void winograd_weights(const Plan& plan, const Kernels& kernels, Direction direction,
                      const WinogradTask& task, const float* weights, float* matrices);
/// Gradients of a stage's matrices to gradients of its taps.
void winograd_taps(const Kernels& kernels, const Stage& stage, const float* matrices, float* taps);

/// The convolution from the large grid to the small one, or transposed from the small one to the
/// large one, of `operands`, whose weights are matrices.
void winograd_conv(const Kernels& kernels, StageKind kind, const Grid& in, const Grid& out,
                   const ConvOperands& operands, WinogradScratch& scratch);

/// The gradient of the stage's matrices over one image: input x, gradient g of the output before
/// LeakyReLU.
void winograd_gradient(const Kernels& kernels, const Stage& stage, const float* x, const float* g,
                       Begin begin, float* matrices, WinogradScratch& scratch);

}  // namespace oddity::cpu
