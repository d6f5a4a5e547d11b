// The CPU engine's inner loops, compiled once for each instruction set and chosen at run time.
//
// Activations are NHWC with the channels of a pixel padded to whole vectors; the padding holds
// zeros (its weights, gammas and betas are zero, so it stays zero through training). Buffers that a
// 3×3 window slides over have a border of zeros.
//
// Packed weights [block][input][lanes]: the output channels in blocks of two vectors (the last may
// be one); for each block one row of its lanes an input, an input being a (tap, channel) pair. A
// block of v vectors that starts at vector j is at j · lanes · block_inputs; its rows are v · lanes
// long.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace oddity::cpu {

/// A regular set of output positions [rows, width] of a convolution, a phase of a transposed
/// convolution, or a dense layer (the positions being images). All strides count floats.
struct ConvPass {
  int64_t rows = 1, width = 1;
  int64_t in_offset = 0, in_row = 0, in_step = 0;     // where a position's window begins
  int64_t out_offset = 0, out_row = 0, out_step = 0;  // where its channels go
  int taps = 1;
  std::array<int64_t, 9> tap_offset{};  // from the beginning of the window
  std::array<int64_t, 9> tap_input{};   // the row of the packed weights of the tap's channel 0
};

/// What a pass is applied to: y = scale · leaky(x ∗ w + bias) + shift, leaky(v) = max(v, slope ·
/// v).
struct ConvOperands {
  const float* in = nullptr;
  int64_t in_image = 0;
  float* out = nullptr;
  int64_t out_image = 0;
  int64_t images = 1;
  int64_t in_channels = 0;  // read at each tap
  int64_t out_vectors = 0;  // written at each position
  const float* weights = nullptr;
  int64_t block_inputs = 0;     // rows of a block of the packed weights
  const float* bias = nullptr;  // [out_vectors · lanes], as scale and shift; null: 0, 1 and 0
  const float* scale = nullptr;
  const float* shift = nullptr;
  float slope = 1.0f;  // 1: no activation
};

/// The positions [rows, width] a weight gradient is summed over.
struct GradientPass {
  int64_t rows = 1, width = 1;
  int64_t x_row = 0, x_step = 0;
  int64_t g_row = 0, g_step = 0;
  int taps = 1;
  std::array<int64_t, 9> x_offset{};       // of each tap: where the inputs begin
  std::array<int64_t, 9> g_offset{};       // and where the output gradients do
  std::array<int64_t, 9> rows_left_out{};  // of each tap: at the end, which meet zeros only
};

/// A dense layer from feature maps to a few outputs. Weights are packed for the opposite direction,
/// pixel by pixel [pixel][block][output][lanes].
struct Projection {
  const float* in = nullptr;  // [pixel][vectors · lanes] of each image
  int64_t in_image = 0;
  int64_t images = 0, pixels = 0, vectors = 0;
  const float* weights = nullptr;
  int64_t outputs = 0;
  const float* bias = nullptr;  // [outputs]; null: 0
  float* out = nullptr;
  int64_t out_image = 0;
};

/// A plain image inside a bordered buffer: rows · width pixels, `row` floats from row to row.
struct Pixels {
  int64_t rows = 0, width = 0, vectors = 0, row = 0;
};

/// The two grids between which Winograd's transforms work (winograd.h).
enum class Grids { small, large };

/// The kinds of numbers they make of a tile in one direction: of the even pixels, then the odd
/// ones.
struct Kind {
  enum : int { a, sum, b, difference, first, last, middle, count };
};

/// A row of tiles for those transforms, in the small grid `height` (3 or 2) pixels high, the first
/// `threes` three pixels wide and the others two. Pixels are `step` floats apart in rows of `row`.
/// The transformed numbers of the kinds (ky, kx) stand from tensor[7 · ky + kx] on, [tile][vectors
/// · lanes].
struct TileStrip {
  int64_t height = 2;
  int64_t threes = 0, tiles = 0;
  int64_t vectors = 0;
  int64_t row = 0, step = 0;
  std::array<int64_t, Kind::count * Kind::count> tensor{};
};

/// Positions summed in float32 before a sum goes on in float64.
inline constexpr int64_t kFloatPositions = 1024;

/// What a sum over images begins with.
enum class Begin { from_zero, from_output };

/// One instruction set's loops.
struct Kernels {
  std::string name;  // "AVX-512", "AVX2", "SSE4", "NEON"
  int64_t lanes;     // floats in a vector

  /// The convolution described by `pass` of `operands`.
  void (*conv)(const ConvPass& pass, const ConvOperands& operands);

  /// out[image][output] = bias + Σ in · weights. `scratch`: images · outputs vectors.
  void (*project)(const Projection& projection, float* scratch);

  /// dw[(tap, channel) input][lane] (+)= Σ positions x[channel] · g[lane], in packed order. Inputs
  /// are numbered from `first_input`: tap · in_channels + channel.
  void (*weight_gradient)(const GradientPass& pass, const float* x, const float* g,
                          int64_t in_channels, int64_t out_vectors, float* dw, int64_t block_inputs,
                          int64_t first_input, Begin begin);

  /// The same for a 3×3 window of few channels: nine taps at window + (ky · window_row + kx ·
  /// channels). dw[(tap, channel)][lane] += Σ window[tap, channel] · (g[lane] − centre[lane]);
  /// pass.x_offset[0] and g_offset[0] count. centre [out_vectors · lanes] may be null: 0.
  void (*window_gradient)(const GradientPass& pass, int64_t window_row, const float* x,
                          const float* g, const float* centre, int64_t channels,
                          int64_t out_vectors, float* dw);

  /// logits [rows, width, depth] = bias + the stride-1 transposed 3×3 convolution of `in`, a buffer
  /// with a border of one pixel; `weights` are packed for the opposite direction: outputs are the
  /// channels of `in`, inputs (tap, depth). Reads up to 3 pixels behind the last row's border.
  void (*conv_to_pixels)(const Pixels& in_pixels, const float* in, const float* weights,
                         const float* bias, int64_t depth, float* logits);

  /// Mean over n of (sigmoid(logits) − x)²; stores the sigmoid where `reconstruction` is not null.
  float (*reconstruction_error)(const float* logits, const float* x, int64_t n,
                                float* reconstruction);

  /// Mean of the squares of r = x − y [rows, width, depth], smoothed: [1 2 1]ᵀ[1 2 1]/16 with zeros
  /// around r. `scratch`: 4 · blurred_error_pitch() numbers.
  float (*blurred_error)(const float* y, const float* x, int64_t rows, int64_t width, int64_t depth,
                         float* scratch);

  /// As reconstruction_error, and the gradient of scale · that sum of squares / n to the logits:
  /// dlogits row y, at y · out_row = scale · 2/n · e · p · (1 − p), rows of `row` numbers.
  float (*reconstruction_gradient)(const float* logits, const float* x, int64_t rows, int64_t row,
                                   float scale, float* dlogits, int64_t out_row);

  /// sum[c] = Σ a, squares[c] = Σ a² over n positions of `vectors` vectors, about a pivot in
  /// float32 over kFloatPositions, between those in float64.
  void (*channel_sums)(const float* a, int64_t n, int64_t vectors, double* sum, double* squares);

  /// sum[c] = Σ dy, products[c] = Σ dy · (a − mean).
  void (*gradient_sums)(const float* dy, const float* a, const float* mean, int64_t n,
                        int64_t vectors, double* sum, double* products);

  /// out = a · scale + shift, pixel by pixel into the rows of a bordered buffer.
  void (*affine)(const Pixels& out_pixels, const float* a, const float* scale, const float* shift,
                 float* out);

  /// The gradient through batch normalisation and LeakyReLU, a being the activation between them:
  /// out = leaky'(a) · (k1 · dy − k2 · (a − mean) − k3); dbias[c] += Σ out.
  struct BatchNormGradient {
    const float *mean, *k1, *k2, *k3;
  };
  void (*batch_norm_gradient)(const Pixels& out_pixels, const float* dy, const float* a,
                              const BatchNormGradient& coefficients, float slope, float* out,
                              float* dbias);

  /// out[c · out_row + r] = in[r · in_row + c] for r < rows, c < columns.
  void (*transpose)(const float* in, int64_t in_row, int64_t rows, int64_t columns, float* out,
                    int64_t out_row);

  /// sum[i] += Σ rows[n][i]: `count` rows, `stride` floats apart.
  void (*add_rows)(const float* rows, int64_t count, int64_t stride, int64_t vectors, float* sum);

  /// The transforms of winograd.h, a strip at a time. `first` is the pixel at the top left of the
  /// first tile's window in that grid. Inputs, or gradients of outputs, to tensors.
  void (*winograd_inputs)(const TileStrip& strip, Grids grid, const float* first, float* out);
  void (*winograd_gradients)(const TileStrip& strip, Grids grid, const float* first, float* out);
  /// Tensors of products to outputs, finished as `operands` say (their bias, scale, shift and
  /// slope). Those of the small grid hold the products of the odd kinds in the sums of kinds a and
  /// b.
  void (*winograd_outputs)(const TileStrip& strip, Grids grid, const float* products,
                           const ConvOperands& operands, float* first);
  /// Nine taps (a, b, odd) × (a, b, odd) of n numbers to 25 matrices, `stride` apart, and gradients
  /// of those back to taps, to which they are added where they begin from what is there.
  void (*winograd_weights)(const std::array<const float*, 9>& taps, int64_t n, float* out,
                           int64_t stride);
  void (*winograd_taps)(const float* in, int64_t stride, int64_t n,
                        const std::array<float*, 9>& taps, Begin begin);

  /// Adam on n numbers (whole vectors, w at a multiple of their size): g = Σ partial gradients in
  /// order (`parts`, `part_stride` apart), m += (1 − β₁)(g − m), v += (1 − β₂)(g² − v), w −=
  /// step_size · m / (√v + 1e-7).
  void (*adam)(float* w, float* m, float* v, const float* g, int64_t n, int64_t parts,
               int64_t part_stride, float step_size);
};

/// A row of the residual with room for its borders and a vector more.
constexpr int64_t blurred_error_pitch(int64_t width, int64_t depth) {
  return width * depth + 2 * depth + 16;
}

/// The instruction sets that can be asked for; best: what this machine has; half: AVX-512 in
/// vectors of eight.
enum class Simd { best, half, avx2, baseline };

/// Throws DeviceError where this machine lacks it.
const Kernels& kernels(Simd simd);

}  // namespace oddity::cpu
