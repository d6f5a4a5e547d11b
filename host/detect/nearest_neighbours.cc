// Distances to the nearest images: every image against every other, block by block.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "core/thread_pool.h"
#include "detect/baselines.h"
#include "detect/distance_kernels.h"

namespace oddity {
namespace {

constexpr size_t kNeighbours = 20;
constexpr size_t kRows = kDistanceRows;
/// Distances of single numbers between two pauses; any number gives the same result.
constexpr size_t kStepsAPause = size_t{1} << 32;

/// The numbers of images as the kernels take them: 8-bit ones as they are, others as float32, which
/// holds them exactly. What stands for 1.0 is divided by in the end.
template <typename Stored>
using Number = std::conditional_t<std::is_same_v<Stored, uint8_t>, int16_t, float>;

/// Numbers [begin, end) of the images from `first` on → out [kRows][run]. What is beyond the last
/// image or the end is 0.
template <typename Stored>
void load(const ImageView& images, size_t first, Range range, size_t run, Number<Stored>* out) {
  std::fill_n(out, kRows * run, Number<Stored>{0});
  const size_t rows = std::min(kRows, images.count - first);
  for (size_t row = 0; row < rows; ++row) {
    const std::byte* const in = images.image(first + row) + range.begin * sizeof(Stored);
    for (size_t i = 0; i < range.size(); ++i) {
      Stored value;
      std::memcpy(&value, in + i * sizeof(Stored), sizeof(Stored));
      out[row * run + i] = static_cast<Number<Stored>>(value);
    }
  }
}

void add(const int16_t* a, const int16_t* b, size_t run, double* sums) {
  distance_kernels().of_bytes(a, b, run, sums);
}
void add(const float* a, const float* b, size_t run, double* sums) {
  distance_kernels().of_floats(a, b, run, sums);
}

/// The smallest of many numbers, up to so many: a heap with the largest of them on top.
class Smallest {
 public:
  void clear() { heap_.clear(); }
  void offer(double value, size_t count) {
    if (heap_.size() < count) {
      heap_.push_back(value);
    } else if (value < heap_.front()) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = value;
    } else {
      return;
    }
    std::push_heap(heap_.begin(), heap_.end());
  }
  /// The mean of the square roots, added in ascending order. Nothing can be offered afterwards.
  double mean_root() {
    std::sort_heap(heap_.begin(), heap_.end());
    double sum = 0;
    for (const double value : heap_) sum += std::sqrt(value);
    return sum / static_cast<double>(heap_.size());
  }

 private:
  std::vector<double> heap_;
};

/// What a thread works with.
template <typename Stored>
class Search {
 public:
  explicit Search(const ImageView& images)
      : images_(images),
        numbers_(static_cast<size_t>(images.shape.size())),
        count_(nearest_neighbours(images)),
        a_(kRows * kDistanceRun),
        b_(kRows * kDistanceRun),
        sums_(kRows * kRows),
        smallest_(kRows) {}

  /// Of the kRows images from `first` on, and fewer at the end.
  void run(size_t first, double* mean) {
    const size_t rows = std::min(kRows, images_.count - first);
    for (Smallest& smallest : smallest_) smallest.clear();
    for (size_t other = 0; other < images_.count; other += kRows) {
      measure(first, other);
      const size_t others = std::min(kRows, images_.count - other);
      for (size_t i = 0; i < rows; ++i) {
        for (size_t j = 0; j < others; ++j) {
          if (first + i != other + j) smallest_[i].offer(sums_[i * kRows + j], count_);
        }
      }
    }
    for (size_t i = 0; i < rows; ++i) mean[first + i] = smallest_[i].mean_root();
  }

 private:
  /// Squared distances → sums_.
  void measure(size_t first, size_t other) {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    for (size_t begin = 0; begin < numbers_; begin += kDistanceRun) {
      const Range range{begin, std::min(begin + kDistanceRun, numbers_)};
      const size_t run = (range.size() + kDistanceVector - 1) / kDistanceVector * kDistanceVector;
      // Images of one run need be loaded once.
      if (other == 0 || numbers_ > kDistanceRun) {
        load<Stored>(images_, first, range, run, a_.data());
      }
      load<Stored>(images_, other, range, run, b_.data());
      add(a_.data(), b_.data(), run, sums_.data());
    }
  }

  ImageView images_;
  size_t numbers_;
  size_t count_;
  std::vector<Number<Stored>> a_, b_;
  std::vector<double> sums_;
  std::vector<Smallest> smallest_;
};

template <typename Stored>
std::vector<double> mean_distances(const ImageView& images, double one,
                                   const BaselineOptions& options) {
  std::vector<double> means(images.count);
  const size_t blocks = (images.count + kRows - 1) / kRows;
  ThreadPool pool(static_cast<int>(std::min<size_t>(static_cast<size_t>(options.threads), blocks)));
  std::vector<Search<Stored>> searches(static_cast<size_t>(pool.threads()), Search<Stored>(images));
  const auto numbers = static_cast<size_t>(images.shape.size());
  const size_t batch = std::clamp<size_t>(kStepsAPause / (kRows * numbers) / images.count,
                                          static_cast<size_t>(pool.threads()), size_t{1} << 16);
  for (size_t begin = 0; begin < blocks; begin += batch) {
    options.pause();
    pool.parallel_for(std::min(batch, blocks - begin), [&](size_t i, int thread) {
      searches[static_cast<size_t>(thread)].run((begin + i) * kRows, means.data());
    });
  }
  for (double& mean : means) mean /= one;
  return means;
}

}  // namespace

size_t nearest_neighbours(const ImageView& images) {
  return std::min(kNeighbours, std::max<size_t>(images.count, 1) - 1);
}

std::vector<double> knn_distances(const ImageView& images, const BaselineOptions& options) {
  if (images.count < 2) {
    throw Error("{} image: nearest neighbours take 2 at least", images.count);
  }
  switch (images.type) {
    case PixelType::u8:
      return mean_distances<uint8_t>(images, 255, options);
    case PixelType::u16:
      return mean_distances<uint16_t>(images, 65535, options);
    case PixelType::f32:
      break;
  }
  return mean_distances<float>(images, 1, options);
}

}  // namespace oddity
