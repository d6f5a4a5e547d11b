#include "detect/eigenspace.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace oddity {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

/// Columns of a product.
constexpr Index kBlock = 20;
/// Vectors kept at a new start, beyond those asked for.
constexpr Index kSpare = 16;
constexpr int kMostProducts = 200;
constexpr double kTolerance = 1e-11;
/// A direction that is this short beside the matrix is rounding, not one of the space.
constexpr double kNothing = 1e-13;

using Basis = Eigen::Ref<const MatrixXd>;

/// Gram and Schmidt's method: the columns become orthonormal; those no longer than `shortest` when
/// it is their turn are dropped.
void orthonormalise(MatrixXd& block, double shortest) {
  Index kept = 0;
  for (Index i = 0; i < block.cols(); ++i) {
    for (Index j = 0; j < kept; ++j) block.col(i) -= block.col(j).dot(block.col(i)) * block.col(j);
    const double length = block.col(i).norm();
    if (length <= shortest) continue;
    block.col(kept) = block.col(i) / length;
    ++kept;
  }
  block.conservativeResize(Eigen::NoChange, kept);
}

/// The same, and orthogonal to the basis. Twice is enough (Giraud and others, "Rounding error
/// analysis of the classical Gram-Schmidt orthogonalization process", 2005).
void extend(const Basis& basis, MatrixXd& block, double shortest) {
  for (int turn = 0; turn < 2; ++turn) {
    const MatrixXd shares = basis.transpose() * block;
    block.noalias() -= basis * shares;
    orthonormalise(block, turn == 0 ? shortest : 0);
  }
}

MatrixXd random_block(Index rows, Index columns) {
  constexpr uint64_t kSeed = 1;  // any will do
  Philox random(kSeed, 0);
  MatrixXd block(rows, columns);
  for (Index j = 0; j < columns; ++j) {
    for (Index i = 0; i < rows; ++i) block(i, j) = static_cast<double>(random.uniform()) - 0.5;
  }
  return block;
}

}  // namespace

MatrixXd leading_eigenvectors(Index size, const EigenspaceOptions& options,
                              const std::function<void(const MatrixXd&, MatrixXd&)>& apply) {
  if (size < 1 || options.count < 1 || options.basis < options.count + kSpare + 2 * kBlock) {
    throw ArgumentError("{} eigenvectors of a matrix of {}: a basis of {} is too small",
                        options.count, size, options.basis);
  }
  MatrixXd basis(size, options.basis);
  // The matrix in the basis: basisᵀ · matrix · basis.
  MatrixXd inside = MatrixXd::Zero(options.basis, options.basis);
  MatrixXd block = random_block(size, std::min(kBlock, size));
  MatrixXd product(size, block.cols());
  Index columns = 0;
  extend(basis.leftCols(0), block, kNothing);
  for (int products = 1;; ++products) {
    const Index before = columns;
    const Index added = block.cols();
    columns += added;
    basis.middleCols(before, added) = block;
    apply(block, product);
    const MatrixXd shares = basis.leftCols(columns).transpose() * product;
    inside.block(0, before, columns, added) = shares;
    inside.block(before, 0, added, before) = shares.topRows(before).transpose();
    // What of the product the basis does not hold: by it a Ritz vector fails to be an eigenvector,
    // and with it the basis grows.
    block = product;
    block.noalias() -= basis.leftCols(columns) * shares;

    const Eigen::SelfAdjointEigenSolver<MatrixXd> ritz(inside.topLeftCorner(columns, columns));
    if (ritz.info() != Eigen::Success) {
      throw Error("the eigenvectors of a matrix of {} could not be computed", columns);
    }
    const double greatest = std::max(ritz.eigenvalues()(columns - 1), 0.0);
    const Index found = std::min(options.count, columns);
    const MatrixXd misses = block * ritz.eigenvectors().bottomRightCorner(added, found);
    const auto best = [&](Index count) -> MatrixXd {
      return basis.leftCols(columns) * ritz.eigenvectors().rightCols(count);
    };
    if (misses.colwise().norm().maxCoeff() <= kTolerance * greatest || products == kMostProducts) {
      return best(found).rowwise().reverse();
    }
    extend(basis.leftCols(columns), block, kNothing * greatest);
    // Without a direction to grow in, the basis holds all that is not 0.
    if (block.cols() == 0) return best(found).rowwise().reverse();
    if (columns + block.cols() > options.basis) {
      const Index kept = std::min(options.count + kSpare, columns);
      basis.leftCols(kept) = best(kept);
      inside.topLeftCorner(kept, kept) = ritz.eigenvalues().tail(kept).asDiagonal();
      columns = kept;
    }
  }
}

}  // namespace oddity
