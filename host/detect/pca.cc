// The error of a reconstruction from principal components. The covariance of the pixels is never
// there: it would be pixels × pixels.
#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "core/error.h"
#include "core/thread_pool.h"
#include "detect/baselines.h"
#include "detect/eigenspace.h"

namespace oddity {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr size_t kComponents = 16;
/// Work is cut into blocks of images and slabs of numbers, by the shape of the set alone. A task
/// has one of them to itself, so that each sum is made by one thread, in order.
constexpr Index kImages = 64;
constexpr Index kSlab = 64;
/// What a task holds of the other: kImages · kNumbers or kRows · kSlab numbers in float64.
constexpr Index kNumbers = 512;
constexpr Index kRows = 512;
/// Numbers that are read between two pauses; any gives the same result.
constexpr Index kNumbersAPause = Index{1} << 25;
/// Of the basis in which components are looked for, in numbers: 256 MiB.
constexpr Index kBasis = Index{1} << 25;
constexpr Index kLeastColumns = 80;
constexpr Index kMostColumns = 480;

/// Errors below are the roundings of float64, of numbers up to 1, that stand for 0: so that images
/// that are wholly held by the components are ranked equal.
constexpr double kNoError = 1e-24;

/// A row an image.
using Tile = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Span {
  Index begin = 0;
  Index size = 0;
};

template <typename Stored>
void load(const ImageView& images, Span rows, Span numbers, double one, Tile& out) {
  out.resize(rows.size, numbers.size);
  for (Index row = 0; row < rows.size; ++row) {
    const std::byte* const in = images.image(static_cast<size_t>(rows.begin + row)) +
                                static_cast<size_t>(numbers.begin) * sizeof(Stored);
    for (Index i = 0; i < numbers.size; ++i) {
      Stored value;
      std::memcpy(&value, in + static_cast<size_t>(i) * sizeof(Stored), sizeof(Stored));
      out(row, i) = static_cast<double>(value) / one;
    }
  }
}

/// The images as a matrix X [images, numbers] in float64, less their mean. It is read in tiles.
class CentredImages {
 public:
  CentredImages(const ImageView& images, const BaselineOptions& options)
      : images_(images),
        rows_(static_cast<Index>(images.count)),
        numbers_(static_cast<Index>(images.shape.size())),
        pause_(options.pause),
        pool_(options.threads),
        tiles_(static_cast<size_t>(options.threads)),
        mean_(VectorXd::Zero(numbers_)) {
    for (Tile& tile : tiles_) tile.resize(kImages, kNumbers);
    for_slabs([&](Span slab, Tile& tile) {
      auto mean = mean_.segment(slab.begin, slab.size);
      for_parts(rows_, kRows, [&](Span rows) {
        read(rows, slab, tile);
        for (Index i = 0; i < rows.size; ++i) mean += tile.row(i).transpose();
      });
      mean /= static_cast<double>(rows_);
    });
    is_centred_ = true;
  }

  Index numbers() const { return numbers_; }

  /// w = Xᵀ X q
  void covary(const MatrixXd& q, MatrixXd& w) {
    Tile shares = Tile::Zero(rows_, q.cols());
    for_blocks([&](Span block, Tile& tile) { project(block, q, tile, shares); });
    w.setZero(numbers_, q.cols());
    for_slabs([&](Span slab, Tile& tile) {
      auto part = w.middleRows(slab.begin, slab.size);
      for_parts(rows_, kRows, [&](Span rows) {
        read(rows, slab, tile);
        part.noalias() += tile.transpose() * shares.middleRows(rows.begin, rows.size);
      });
    });
  }

  /// The mean over the numbers of an image of (x − v vᵀ x)².
  std::vector<double> errors(const MatrixXd& v) {
    VectorXd errors = VectorXd::Zero(rows_);
    Tile shares = Tile::Zero(rows_, v.cols());
    for_blocks([&](Span block, Tile& tile) {
      project(block, v, tile, shares);
      for_parts(numbers_, kNumbers, [&](Span numbers) {
        read(block, numbers, tile);
        tile.noalias() -= shares.middleRows(block.begin, block.size) *
                          v.middleRows(numbers.begin, numbers.size).transpose();
        errors.segment(block.begin, block.size) += tile.rowwise().squaredNorm();
      });
    });
    errors /= static_cast<double>(numbers_);
    for (double& error : errors) {
      if (error < kNoError) error = 0;
    }
    return {errors.begin(), errors.end()};
  }

 private:
  void read(Span rows, Span numbers, Tile& out) const {
    switch (images_.type) {
      case PixelType::u8:
        load<uint8_t>(images_, rows, numbers, 255, out);
        break;
      case PixelType::u16:
        load<uint16_t>(images_, rows, numbers, 65535, out);
        break;
      case PixelType::f32:
        load<float>(images_, rows, numbers, 1, out);
        break;
    }
    if (is_centred_) out.rowwise() -= mean_.segment(numbers.begin, numbers.size).transpose();
  }

  /// The block's rows of X q.
  void project(Span block, const MatrixXd& q, Tile& tile, Tile& shares) const {
    auto part = shares.middleRows(block.begin, block.size);
    for_parts(numbers_, kNumbers, [&](Span numbers) {
      read(block, numbers, tile);
      part.noalias() += tile * q.middleRows(numbers.begin, numbers.size);
    });
  }

  template <typename Use>
  static void for_parts(Index count, Index size, const Use& use) {
    for (Index begin = 0; begin < count; begin += size) use({begin, std::min(size, count - begin)});
  }

  using Task = std::function<void(Span, Tile&)>;
  void for_blocks(const Task& task) { in_parallel(rows_, kImages, numbers_, task); }
  void for_slabs(const Task& task) { in_parallel(numbers_, kSlab, rows_, task); }

  /// [0, count) in parts of `size`, each of size · `others` numbers.
  void in_parallel(Index count, Index size, Index others, const Task& task) {
    const Index tasks = (count + size - 1) / size;
    const Index batch =
        std::clamp<Index>(kNumbersAPause / size / others, pool_.threads(), Index{1} << 16);
    for (Index first = 0; first < tasks; first += batch) {
      pause_();
      const auto now = static_cast<size_t>(std::min(batch, tasks - first));
      pool_.parallel_for(now, [&](size_t i, int thread) {
        const Index begin = (first + static_cast<Index>(i)) * size;
        task({begin, std::min(size, count - begin)}, tiles_[static_cast<size_t>(thread)]);
      });
    }
  }

  ImageView images_;
  Index rows_;
  Index numbers_;
  std::function<void()> pause_;
  ThreadPool pool_;
  std::vector<Tile> tiles_;  // of each thread
  VectorXd mean_;
  bool is_centred_ = false;
};

}  // namespace

size_t principal_components(const ImageView& images) {
  return std::min({kComponents, std::max<size_t>(images.count, 1) - 1,
                   static_cast<size_t>(images.shape.size())});
}

std::vector<double> pca_errors(const ImageView& images, const BaselineOptions& options) {
  if (images.count < 2) {
    throw Error("{} image: principal components take 2 at least", images.count);
  }
  CentredImages centred(images, options);
  EigenspaceOptions eigenspace;
  eigenspace.count = static_cast<Index>(principal_components(images));
  eigenspace.basis = std::clamp(kBasis / centred.numbers(), kLeastColumns, kMostColumns);
  return centred.errors(
      leading_eigenvectors(centred.numbers(), eigenspace,
                           [&](const MatrixXd& q, MatrixXd& w) { centred.covary(q, w); }));
}

}  // namespace oddity
