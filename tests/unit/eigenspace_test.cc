// Leading eigenvectors of matrices whose spectrum is known.
#include "detect/eigenspace.h"

#include <gtest/gtest.h>

#include <Eigen/QR>

#include "core/error.h"
#include "core/random.h"

namespace oddity::test {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr uint64_t kSeed = 3;

MatrixXd rotation(Index size) {
  Philox random(kSeed, 0);
  MatrixXd any(size, size);
  for (double& value : any.reshaped()) value = static_cast<double>(random.uniform()) - 0.5;
  return Eigen::HouseholderQR<MatrixXd>(any).householderQ();
}

/// Of the matrix with these eigenvalues, which belong to the columns of `axes`.
MatrixXd leading(const MatrixXd& axes, const VectorXd& values, const EigenspaceOptions& options,
                 int* products = nullptr) {
  const MatrixXd matrix = axes * values.asDiagonal() * axes.transpose();
  return leading_eigenvectors(axes.rows(), options, [&](const MatrixXd& q, MatrixXd& w) {
    w = matrix * q;
    if (products != nullptr) ++*products;
  });
}

/// Column i of `found` is that of `axes`, or its opposite.
void expect_axes(const MatrixXd& found, const MatrixXd& axes, double tolerance) {
  for (Index i = 0; i < found.cols(); ++i) {
    EXPECT_NEAR(std::abs(found.col(i).dot(axes.col(i))), 1, tolerance) << i << ", seed " << kSeed;
  }
}

void expect_orthonormal(const MatrixXd& found) {
  const MatrixXd products = found.transpose() * found;
  EXPECT_LT((products - MatrixXd::Identity(found.cols(), found.cols())).norm(), 1e-12);
}

VectorXd falling(Index size, double factor) {
  VectorXd values(size);
  for (Index i = 0; i < size; ++i) values(i) = std::pow(factor, static_cast<double>(i));
  return values;
}

TEST(Eigenspace, FindsTheLeadingVectors) {
  for (const Index size : {1, 2, 19, 20, 21, 33, 257}) {
    const MatrixXd axes = rotation(size);
    for (const Index count : {1, 7, 16}) {
      const MatrixXd found = leading(axes, falling(size, 0.9), {.count = count});
      EXPECT_EQ(found.cols(), std::min(count, size));
      expect_orthonormal(found);
      expect_axes(found, axes, 1e-12);
    }
  }
}

// A spectrum that falls slowly needs more products than a small basis holds.
TEST(Eigenspace, StartsAgainFromTheBest) {
  const MatrixXd axes = rotation(400);
  const VectorXd values = falling(400, 0.99);
  int with_restarts = 0;
  const MatrixXd small = leading(axes, values, {.count = 16, .basis = 80}, &with_restarts);
  EXPECT_GT(with_restarts, 5);
  EXPECT_LT(with_restarts, 100);
  expect_orthonormal(small);
  expect_axes(small, axes, 1e-12);
  int without = 0;
  expect_axes(leading(axes, values, {.count = 16, .basis = 480}, &without), axes, 1e-12);
  EXPECT_LE(without, with_restarts);
}

TEST(Eigenspace, HoldsAllOfAMatrixOfLowRank) {
  const MatrixXd axes = rotation(100);
  VectorXd values = VectorXd::Zero(100);
  values.head(3) << 5, 2, 1;
  const MatrixXd found = leading(axes, values, {.count = 16});
  expect_orthonormal(found);
  expect_axes(found.leftCols(3), axes, 1e-12);
  expect_orthonormal(leading(axes, VectorXd::Zero(100), {.count = 16}));
}

// Eigenvectors of an eigenvalue that there is more than once are any of their space.
TEST(Eigenspace, HoldsEqualEigenvalues) {
  const MatrixXd axes = rotation(100);
  VectorXd values = falling(100, 0.5);
  values.head(10).setConstant(1);
  const MatrixXd found = leading(axes, values, {.count = 10});
  expect_orthonormal(found);
  EXPECT_NEAR((axes.leftCols(10).transpose() * found).norm(), std::sqrt(10.0), 1e-10);
}

// Nothing leads: what comes out is as good as anything else, and it ends.
TEST(Eigenspace, EndsWhereTheSpectrumIsFlat) {
  const MatrixXd axes = rotation(300);
  int products = 0;
  expect_orthonormal(leading(axes, falling(300, 0.99999), {.count = 16, .basis = 80}, &products));
  EXPECT_LE(products, 200);
}

TEST(Eigenspace, RefusesATooSmallBasis) {
  EXPECT_THROW(leading(rotation(9), falling(9, 0.5), {.count = 16, .basis = 71}), ArgumentError);
  EXPECT_THROW(leading(rotation(9), falling(9, 0.5), {.count = 0}), ArgumentError);
}

TEST(Eigenspace, PassesErrorsOn) {
  EXPECT_THROW(leading_eigenvectors(
                   9, {}, [](const MatrixXd&, MatrixXd&) { throw Interrupted("interrupted"); }),
               Interrupted);
}

}  // namespace
}  // namespace oddity::test
