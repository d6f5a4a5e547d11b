// Baselines: what anyone gets without a network. Both judge each image of a set by the set itself,
// without labels, odd images and all.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "data/pixels.h"

namespace oddity {

struct BaselineOptions {
  int threads = 1;  // the result does not depend on it
  /// Called from the caller's thread every fraction of a second; may throw, to stop the work.
  std::function<void()> pause = [] {};
};

/// Principal components that pca_errors() keeps of `images`: 16, or as many as there can be, which
/// is one less than there are images, and the numbers of an image.
size_t principal_components(const ImageView& images);

/// The error of each image's reconstruction from the principal components (Pearson, "On lines and
/// planes of closest fit to systems of points in space", 1901): with x the image's D numbers in
/// [0,1], m the mean image and V [D][principal_components] the orthonormal directions in which the
/// set varies most,
///   error = |(x − m) − V Vᵀ (x − m)|² / D,   as the network's score is a mean over an image.
/// In float64, below 10^-24 as 0; the components are eigenvectors of the covariance up to 10^-11 of
/// its greatest eigenvalue (eigenspace.h). Besides `images` it takes 160 bytes an image, 2,000 a
/// number of one and at most 256 MiB, for large images the components' basis: 640 bytes a number,
/// if that is more. Throws Error where there are fewer than 2 images.
std::vector<double> pca_errors(const ImageView& images, const BaselineOptions& options);

/// Neighbours that knn_distances() looks at: 20, or all other images where these are fewer.
size_t nearest_neighbours(const ImageView& images);

/// The mean of the Euclidean distances |x − y| of each image to the nearest_neighbours() images
/// that are nearest to it, itself left out but not its duplicates (Angiulli and Pizzuti, "Fast
/// outlier detection in high dimensional spaces", PKDD 2002, there as a sum). Numbers are in [0,1],
/// so that it lies in [0, √D]. Squared distances of 8-bit images are exact; of others they are sums
/// of float32 squares, 10^-5 off at most, relative. Each image is held against all: n²·D steps,
/// in half a MiB a thread. Throws Error where there are fewer than 2 images.
std::vector<double> knn_distances(const ImageView& images, const BaselineOptions& options);

}  // namespace oddity
