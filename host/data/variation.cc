#include "data/variation.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace oddity {

double total_variation(std::span<const float> x, const ImageShape& shape) {
  const auto row = static_cast<size_t>(shape.width * shape.channels);
  const auto step = static_cast<size_t>(shape.channels);
  double sum = kLeastVariation;
  for (size_t begin = 0; begin < x.size(); begin += row) {
    for (size_t i = begin; i < begin + row; ++i) {
      const auto value = static_cast<double>(x[i]);
      if (i + step < begin + row) sum += std::abs(static_cast<double>(x[i + step]) - value);
      if (i + row < x.size()) sum += std::abs(static_cast<double>(x[i + row]) - value);
    }
  }
  return sum;
}

double median_variation(const ImageView& images) {
  if (images.count == 0) return 0;
  std::vector<float> x(static_cast<size_t>(images.shape.size()));
  std::vector<double> variations;
  for (size_t i = 0; i < images.count; ++i) {
    to_float(images, i, x.data());
    variations.push_back(total_variation(x, images.shape));
  }
  const auto middle = variations.begin() + std::ssize(variations) / 2;
  std::nth_element(variations.begin(), middle, variations.end());
  if (variations.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(variations.begin(), middle)) / 2;
}

}  // namespace oddity
