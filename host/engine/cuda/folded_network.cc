#include "engine/cuda/folded_network.h"

#include <cmath>
#include <string>
#include <utility>

#include "core/error.h"

namespace oddity::cuda {
namespace {

constexpr size_t kTaps = 9;
constexpr size_t kLatent = 16;
constexpr size_t kEncodedSide = 7;  // of the encoder's last map
constexpr size_t kMapSide = 14;     // of the decoder's first
constexpr size_t kChannels = 64;    // of both
constexpr size_t kFeatures = kEncodedSide * kEncodedSide * kChannels;

std::vector<double> doubles(const Weights& weights, const std::string& tensor) {
  const std::vector<float>& values = weights.at(tensor).values;
  return {values.begin(), values.end()};
}

/// Batch normalisation by its moving moments is x · scale + shift.
struct Normalization {
  Normalization(const Weights& weights, const std::string& layer)
      : scale(doubles(weights, layer + ".gamma")), shift(doubles(weights, layer + ".beta")) {
    const std::vector<double> mean = doubles(weights, layer + ".moving_mean");
    const std::vector<double> variance = doubles(weights, layer + ".moving_variance");
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] /= std::sqrt(variance[c] + static_cast<double>(kBatchNormEpsilon));
      shift[c] -= mean[c] * scale[c];
    }
  }
  std::vector<double> scale;
  std::vector<double> shift;
};

/// [rows, columns] → [columns, rows].
std::vector<double> turned(const double* matrix, size_t rows, size_t columns) {
  std::vector<double> result(rows * columns);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      result[column * rows + row] = matrix[row * columns + column];
    }
  }
  return result;
}

void fold_latent(const Weights& weights, FoldedNetwork& folded) {
  const Normalization norm(weights, "encoder.bn2");
  folded.latent_kernel = doubles(weights, "encoder.dense1.kernel");
  folded.latent_bias = doubles(weights, "encoder.dense1.bias");
  for (size_t feature = 0; feature < kFeatures; ++feature) {
    const size_t channel = feature % kChannels;
    double* const row = folded.latent_kernel.data() + feature * kLatent;
    for (size_t l = 0; l < kLatent; ++l) {
      folded.latent_bias[l] += norm.shift[channel] * row[l];
      row[l] *= norm.scale[channel];
    }
  }
}

/// Adds one tap of the transposed convolution, kernel [out][in], from a pixel of the encoded map to
/// one of the decoder's: `dense` [in, 16] and `dense_bias` [in] are the rows of the first, `map`
/// [out, 16] and `map_bias` [out] those of the second.
void add_tap(const double* kernel, const double* dense, const double* dense_bias, double* map,
             double* map_bias) {
  for (size_t out = 0; out < kChannels; ++out) {
    for (size_t in = 0; in < kChannels; ++in) {
      const double weight = kernel[out * kChannels + in];
      map_bias[out] += weight * dense_bias[in];
      for (size_t l = 0; l < kLatent; ++l) {
        map[out * kLatent + l] += weight * dense[in * kLatent + l];
      }
    }
  }
}

void fold_map(const Weights& weights, FoldedNetwork& folded) {
  const std::vector<double> dense =
      turned(doubles(weights, "decoder.dense1.kernel").data(), kLatent, kFeatures);
  const std::vector<double> dense_bias = doubles(weights, "decoder.dense1.bias");
  const std::vector<double> kernel = doubles(weights, "decoder.convT1.kernel");
  const std::vector<double> bias = doubles(weights, "decoder.convT1.bias");

  folded.map.assign(kMapSide * kMapSide * kChannels * kLatent, 0);
  for (size_t pixel = 0; pixel < kMapSide * kMapSide; ++pixel) {
    folded.map_bias.insert(folded.map_bias.end(), bias.begin(), bias.end());
  }
  for (size_t from = 0; from < kEncodedSide * kEncodedSide; ++from) {
    for (size_t tap = 0; tap < kTaps; ++tap) {
      const size_t row = 2 * (from / kEncodedSide) + tap / 3;
      const size_t column = 2 * (from % kEncodedSide) + tap % 3;
      if (row >= kMapSide || column >= kMapSide) continue;
      const size_t in = from * kChannels;
      const size_t out = (row * kMapSide + column) * kChannels;
      add_tap(kernel.data() + tap * kChannels * kChannels, dense.data() + in * kLatent,
              dense_bias.data() + in, folded.map.data() + out * kLatent,
              folded.map_bias.data() + out);
    }
  }
}

}  // namespace

bool fits_fused_scorer(const Architecture& architecture) {
  return architecture == Architecture{28, 28, 1, {32, 64}, 16};
}

FoldedNetwork fold(const Architecture& architecture, const Weights& weights) {
  if (!fits_fused_scorer(architecture)) {
    throw Error("the fused scorers are for images of 28x28x1, filters 32,64 and 16 latent numbers");
  }
  FoldedNetwork folded;
  folded.conv1_kernel = doubles(weights, "encoder.conv1.kernel");
  folded.conv1_bias = doubles(weights, "encoder.conv1.bias");
  Normalization encoder1(weights, "encoder.bn1");
  folded.conv1_scale = std::move(encoder1.scale);
  folded.conv1_shift = std::move(encoder1.shift);

  folded.conv2_kernel = doubles(weights, "encoder.conv2.kernel");
  folded.conv2_bias = doubles(weights, "encoder.conv2.bias");
  fold_latent(weights, folded);

  fold_map(weights, folded);
  Normalization decoder1(weights, "decoder.bn1");
  folded.map_scale = std::move(decoder1.scale);
  folded.map_shift = std::move(decoder1.shift);

  const std::vector<double> kernel = doubles(weights, "decoder.convT2.kernel");
  const size_t matrix = kernel.size() / kTaps;
  for (size_t tap = 0; tap < kTaps; ++tap) {
    const std::vector<double> in_out =
        turned(kernel.data() + tap * matrix, matrix / kChannels, kChannels);
    folded.transposed2_kernel.insert(folded.transposed2_kernel.end(), in_out.begin(), in_out.end());
  }
  folded.transposed2_bias = doubles(weights, "decoder.convT2.bias");
  Normalization decoder2(weights, "decoder.bn2");
  folded.transposed2_scale = std::move(decoder2.scale);
  folded.transposed2_shift = std::move(decoder2.shift);

  folded.transposed3_kernel = doubles(weights, "decoder.convT3.kernel");
  folded.transposed3_bias = doubles(weights, "decoder.convT3.bias").at(0);
  return folded;
}

}  // namespace oddity::cuda
