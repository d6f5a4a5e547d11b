// The network of the fused scorers with everything folded that inference lets fold: each batch
// normalisation to a scale and a shift or into the layer behind it, and the dense layer of the
// decoder with the transposed convolution behind it to one linear map.
#pragma once

#include <vector>

#include "model/architecture.h"
#include "model/weights.h"

namespace oddity::cuda {

/// Whether `architecture` is the one that the fused scorers are written for: images of 28×28×1,
/// filters 32 and 64, 16 latent numbers.
bool fits_fused_scorer(const Architecture& architecture);

/// Folded in float64, so that who packs it for a kernel rounds each number once. Layouts are
/// row-major; a tap of a 3×3 kernel is ky·3 + kx. In the order of computation, where x is an image
/// in [0,1] and leaky is LeakyReLU:
///
///   a1 [14,14,32] = leaky(conv2d(x, conv1_kernel, stride 2) + conv1_bias)
///                   · conv1_scale + conv1_shift
///   a2 [7,7,64]   = leaky(conv2d(a1, conv2_kernel, stride 2) + conv2_bias)
///   z [16]        = a2 as [3136] · latent_kernel + latent_bias
///   a3 [14,14,64] = leaky(map · z + map_bias) · map_scale + map_shift
///   a4 [28,28,32] = leaky(conv2d_transpose(a3, transposed2_kernel, stride 2) + transposed2_bias)
///                   · transposed2_scale + transposed2_shift
///   y [28,28]     = sigmoid(conv2d_transpose(a4, transposed3_kernel, stride 1)
///                   + transposed3_bias)
///
/// Padding is Keras' 'same'. At stride 2 output row i of a convolution reads the rows 2i … 2i+2, of
/// which those past the last are 0, and input row i of a transposed one adds to the rows 2i … 2i+2,
/// of which those past the last are dropped. At stride 1 input row i adds to the rows i−1 … i+1.
/// Columns likewise.
struct FoldedNetwork {
  std::vector<double> conv1_kernel;  // [9, 32]
  std::vector<double> conv1_bias;    // [32]
  std::vector<double> conv1_scale;   // [32], of encoder.bn1: gamma / sqrt(moving variance + 1e-3)
  std::vector<double> conv1_shift;   // [32], of encoder.bn1: beta − moving mean · scale

  std::vector<double> conv2_kernel;  // [9, in = 32, out = 64]
  std::vector<double> conv2_bias;    // [64]

  // encoder.dense1 with encoder.bn2 before it: its rows times bn2's scale, its bias plus what it
  // makes of bn2's shift.
  std::vector<double> latent_kernel;  // [7·7·64, 16]
  std::vector<double> latent_bias;    // [16]

  // decoder.dense1, then decoder.convT1: nothing but linear maps.
  std::vector<double> map;        // [14·14·64, 16]
  std::vector<double> map_bias;   // [14·14·64]
  std::vector<double> map_scale;  // [64], of decoder.bn1
  std::vector<double> map_shift;  // [64]

  // decoder.convT2, decoder.convT3.
  std::vector<double> transposed2_kernel;  // [9, in = 64, out = 32]; Keras has [9, out, in]
  std::vector<double> transposed2_bias;    // [32]
  std::vector<double> transposed2_scale;   // [32], of decoder.bn2
  std::vector<double> transposed2_shift;   // [32]

  std::vector<double> transposed3_kernel;  // [9, in = 32]
  double transposed3_bias = 0;
};

/// Folds `weights`, which are of `architecture`. Throws Error where the fused scorers do not fit
/// it.
FoldedNetwork fold(const Architecture& architecture, const Weights& weights);

}  // namespace oddity::cuda
