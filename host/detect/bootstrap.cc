#include "detect/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "core/thread_pool.h"
#include "detect/quantile.h"

namespace oddity {
namespace {

constexpr uint32_t kMaxReplicates = (uint32_t{1} << 20) - 1;
/// Between two pauses; any number gives the same result.
constexpr uint32_t kBatch = 32;

/// Of one figure, over the replicates in which it is defined.
Interval interval_of(const std::vector<Figures>& replicates, double Figures::*figure) {
  std::vector<double> values;
  values.reserve(replicates.size());
  for (const Figures& replicate : replicates) {
    if (!std::isnan(replicate.*figure)) values.push_back(replicate.*figure);
  }
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {quantile_of_sorted(values, 0.025), quantile_of_sorted(values, 0.975)};
}

}  // namespace

void draw_counts(Philox& random, std::span<uint32_t> counts) {
  std::fill(counts.begin(), counts.end(), 0u);
  const auto size = static_cast<uint32_t>(counts.size());
  for (uint32_t i = 0; i < size; ++i) ++counts[random.below(size)];
}

FigureIntervals bootstrap(const Ranking& ranking, const BootstrapOptions& options,
                          const std::function<void()>& pause) {
  if (options.replicates < 1 || options.replicates > kMaxReplicates) {
    throw ArgumentError("{} bootstrap replicates: take 1 to {}", options.replicates,
                        kMaxReplicates);
  }
  if (std::max(ranking.anomalies(), ranking.others()) > UINT32_MAX) {
    throw Error("{} images are too many for the bootstrap: at most {} of a class are drawn from",
                ranking.size(), UINT32_MAX);
  }
  struct Counts {
    std::vector<uint32_t> anomalies, others;
  };
  ThreadPool pool(std::min<int>(options.threads, static_cast<int>(options.replicates)));
  std::vector<Counts> counts(static_cast<size_t>(pool.threads()));
  for (Counts& own : counts) {
    own.anomalies.resize(ranking.anomalies());
    own.others.resize(ranking.others());
  }
  std::vector<Figures> replicates(options.replicates);
  for (uint32_t begin = 0; begin < options.replicates; begin += kBatch) {
    pause();
    const uint32_t batch = std::min(kBatch, options.replicates - begin);
    pool.parallel_for(batch, [&](size_t i, int thread) {
      Counts& own = counts[static_cast<size_t>(thread)];
      const size_t replicate = begin + i;
      Philox random(options.seed, replicate);
      draw_counts(random, own.anomalies);
      draw_counts(random, own.others);
      replicates[replicate] = ranking.figures(own.anomalies, own.others);
    });
  }
  return {interval_of(replicates, &Figures::auroc),
          interval_of(replicates, &Figures::average_precision),
          interval_of(replicates, &Figures::precision_at_n),
          interval_of(replicates, &Figures::precision), interval_of(replicates, &Figures::recall)};
}

}  // namespace oddity
