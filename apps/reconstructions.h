// Chosen images and their reconstructions, computed first and drawn later.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "data/pixels.h"
#include "engine/engine.h"

namespace oddity {

/// Images and what a network makes of them, in host memory.
struct Reconstructions {
  ImageArray originals;
  std::vector<float> values;  // [N, H, W, C] in (0,1)
};

/// Those of the images at `positions`; `pixels` are what `images` was uploaded from.
Reconstructions reconstruct(Network& network, const Images& images, const ImageView& pixels,
                            std::span<const size_t> positions);

/// Writes a montage. Returns how many images are shown: of very many only the first
/// (report/montage.h).
size_t write_reconstructions(const std::filesystem::path& path,
                             const Reconstructions& reconstructions);

}  // namespace oddity
