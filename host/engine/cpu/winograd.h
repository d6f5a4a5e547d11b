// Winograd's minimal filtering for the stride-2 convolutions of both kinds and their gradients
// (Winograd, "Arithmetic complexity of computations", 1980; Lavin and Gray, "Fast algorithms for
// convolutional neural networks", CVPR 2016, section 4.1).
//
// Between a small grid and a large one, of twice its extents, the even rows and columns of the
// large one meet two of the three taps, a and b, the odd ones the third. In one direction, n
// neighbouring results of two taps, y_i = a · e_i + b · e_(i+1), take n + 1 products instead of 2n:
//   n = 2:  A = (e0 − e1) · a,  S = e1 · (a + b),  B = (e2 − e1) · b,
//           y0 = A + S,  y1 = S + B;
//   n = 3:  A = (e0 − e2) · a,  S = ½(e1 + e2) · (a + b),  D = ½(e2 − e1) · (a − b),
//           B = (e3 − e1) · b,  y0 = A + S + D,  y1 = S − D,  y2 = S + D + B.
// So do the gradients of a and b, the sums and differences of gradients taking the place of those
// of taps. The odd tap's n products are what they were. A line of any length from two on is cut
// into tiles of three and two pixels of the small grid, threes first; in both directions of the
// plane a tile of n × m takes (2n + 1)(2m + 1) products where taps take 9nm: 49 for 81, 25 for 36.
//
// Numbers of a tile come in seven kinds a direction: A, S, B, D (tiles of three only), and the odd
// pixels: the first, the last and the middle one (tiles of three only). Those of a pair of kinds
// form a tensor [tile][channels]; each pair has one of 5 × 5 matrices of weights, those of a, a +
// b, b, a − b and the odd tap. Transforms add at most three numbers at a time, so that rounding
// errors stay those of the sums over channels.
#pragma once

#include "engine/cpu/buffer.h"
#include "engine/cpu/plan.h"

namespace oddity::cpu {

/// A thread's memory for one stage after another.
struct WinogradScratch {
  WinogradScratch() = default;
  explicit WinogradScratch(const Plan& plan);
  Buffer inputs, products;
  Buffer matrices;  // gradients of a few inputs' matrices
};

/// Which weights: those of the way forward, or the turned ones that gradients flow back through.
enum class Direction { forward, back };

/// Numbers of the matrices of a stage's weights.
int64_t winograd_matrices(const Kernels& kernels, const Stage& stage, Direction direction);

/// Transforms a stage's taps, packed as in the flat parameters or turned, to its matrices, packed
/// as winograd_inputs() says.
void winograd_weights(const Kernels& kernels, const Stage& stage, Direction direction,
                      const float* taps, float* matrices);

/// The convolution from the large grid to the small one, or transposed from the small one to the
/// large one, of `operands`, whose weights are matrices.
void winograd_conv(const Kernels& kernels, StageKind kind, const Grid& in, const Grid& out,
                   const ConvOperands& operands, WinogradScratch& scratch);

/// The gradient of the stage's taps over some images: inputs x, gradients g of the outputs before
/// LeakyReLU.
void winograd_gradient(const Kernels& kernels, const Stage& stage, const float* x, const float* g,
                       int64_t images, Begin begin, float* taps, WinogradScratch& scratch);

}  // namespace oddity::cpu
