// The leading eigenvectors of a large symmetric matrix that is known by its products alone.
#pragma once

#include <Eigen/Core>
#include <functional>

namespace oddity {

struct EigenspaceOptions {
  Eigen::Index count = 1;  // eigenvectors asked for, at least 1
  /// Vectors held at once, at least count + 56; where more would be needed it starts again from the
  /// best. 8 · size bytes each.
  Eigen::Index basis = 480;
};

/// Orthonormal eigenvectors [size, count] of the greatest eigenvalues, in descending order, of a
/// symmetric matrix [size, size] without negative ones; apply(q, w) sets w to its product with q
/// [size, any]. Fewer columns where its rank, or size, is less than `count`: all others belong to
/// eigenvalue 0. Rayleigh and Ritz's vectors of a block Krylov space (Golub and Underwood, "The
/// block Lanczos method for computing eigenvalues", 1977; thick restarts: Wu and Simon, SIAM
/// Journal on Matrix Analysis and Applications 22, 2000), until each is an eigenvector up to 10^-11
/// of the greatest eigenvalue; after 200 products what there is then: so flat a spectrum has no
/// leading directions. The same input gives the same bytes. Throws what `apply` does.
Eigen::MatrixXd leading_eigenvectors(
    Eigen::Index size, const EigenspaceOptions& options,
    const std::function<void(const Eigen::MatrixXd& q, Eigen::MatrixXd& w)>& apply);

}  // namespace oddity
