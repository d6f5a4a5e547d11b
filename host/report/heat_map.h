// Errors as colours.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/shape.h"
#include "report/png.h"

namespace oddity {

/// Black over violet, red and orange to white, as brightness rises evenly: read right without
/// colours, too. t in [0,1], what is outside is taken as the nearest end. The "cubehelix" of
/// D. A. Green, "A colour scheme for the display of astronomical intensity images", Bulletin of the
/// Astronomical Society of India 39 (2011), with start 0.5, rotations 0.35, hue 1.4, gamma 1.
std::array<uint8_t, 3> heat_colour(double t);

/// `errors` [H, W, C], none below 0, as an RGB picture: of each pixel the mean over its channels,
/// on a scale from 0 to the largest of them. Where all are 0 the picture is black.
Picture heat_map(std::span<const float> errors, const ImageShape& shape);

}  // namespace oddity
