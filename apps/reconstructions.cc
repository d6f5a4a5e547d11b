#include "reconstructions.h"

#include <algorithm>
#include <vector>

#include "report/montage.h"

namespace oddity {

size_t write_reconstructions(const std::filesystem::path& path, Network& network,
                             const Images& images, const ImageView& pixels,
                             std::span<const size_t> positions) {
  ImageArray originals(pixels.type, pixels.shape, positions.size());
  const auto numbers = static_cast<size_t>(pixels.shape.size());
  std::vector<float> reconstructions(positions.size() * numbers);
  for (size_t i = 0; i < positions.size(); ++i) {
    const size_t at = positions[i];
    std::copy_n(pixels.image(at), pixels.image_bytes(),
                originals.data() + i * pixels.image_bytes());
    network.reconstruct(images, {at, at + 1},
                        std::span(reconstructions).subspan(i * numbers, numbers));
  }
  return write_montage(path, originals.view(), reconstructions);
}

}  // namespace oddity
