// Pictures of chosen images beside their reconstructions.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "engine/engine.h"

namespace oddity {

/// Writes a montage of the images at `positions`; `pixels` are what `images` was uploaded from.
/// Returns how many are shown: of very many only the first (report/montage.h).
size_t write_reconstructions(const std::filesystem::path& path, Network& network,
                             const Images& images, const ImageView& pixels,
                             std::span<const size_t> positions);

}  // namespace oddity
