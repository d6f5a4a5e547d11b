#include "reconstructions.h"

#include <algorithm>

#include "report/montage.h"

namespace oddity {

Reconstructions reconstruct(Network& network, const Images& images, const ImageView& pixels,
                            std::span<const size_t> positions) {
  const auto numbers = static_cast<size_t>(pixels.shape.size());
  Reconstructions result{ImageArray(pixels.type, pixels.shape, positions.size()),
                         std::vector<float>(positions.size() * numbers)};
  for (size_t i = 0; i < positions.size(); ++i) {
    const size_t at = positions[i];
    std::copy_n(pixels.image(at), pixels.image_bytes(),
                result.originals.data() + i * pixels.image_bytes());
    network.reconstruct(images, {at, at + 1},
                        std::span(result.values).subspan(i * numbers, numbers));
  }
  return result;
}

size_t write_reconstructions(const std::filesystem::path& path,
                             const Reconstructions& reconstructions) {
  return write_montage(path, reconstructions.originals.view(), reconstructions.values);
}

}  // namespace oddity
