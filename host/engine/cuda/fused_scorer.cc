#include "engine/cuda/fused_scorer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/cuda/folded_network.h"
#include "engine/cuda/trace.h"

namespace oddity::cuda {
namespace {

// What ExactScores allows: how far an fp16 score may be from that of fp32. Where the threshold is
// itself an fp16 score, that much off, the two may be twice as far apart.
constexpr double kFp16Error = 3e-3;

int attribute(cudaDeviceAttr name) {
  int device = 0;
  int value = 0;
  check(cudaGetDevice(&device));
  check(cudaDeviceGetAttribute(&value, name, device));
  return value;
}

}  // namespace

bool takes_fused_scorer(const Architecture& architecture, kernels::Pixels pixels,
                        Precision precision) {
  return precision != Precision::tf32 && pixels == kernels::Pixels::u8 &&
         fits_fused_scorer(architecture);
}

std::optional<kernels::ScorePlan> fp16_plan(size_t shared) {
  for (const auto plan :
       {kernels::ScorePlan::large, kernels::ScorePlan::medium, kernels::ScorePlan::small}) {
    if (kernels::score_fp16_shared(plan) <= shared) return plan;
  }
  return std::nullopt;
}

FusedScorer::FusedScorer(std::shared_ptr<const Device> device, const Architecture& architecture,
                         const Weights& weights, Precision precision)
    : FusedScorer(std::move(device), fold(architecture, weights), precision) {}

FusedScorer::FusedScorer(std::shared_ptr<const Device> device, const FoldedNetwork& network,
                         Precision precision)
    : device_(std::move(device)),
      precision_(precision),
      blocks_(attribute(cudaDevAttrMultiProcessorCount)),
      fp32_(network),
      fp32_memory_(std::ssize(fp32_.values()), "the folded weights") {
  const cudaStream_t stream = device_->stream();
  fp32_memory_.upload(fp32_.values(), stream);
  if (precision_ != Precision::fp32) {
    plan_ = fp16_plan(static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)));
    if (plan_) fp16_ = ScoreFp16Weights::pack(network);
    if (fp16_) {
      fp16_memory_ = {std::ssize(fp16_->words()), "the folded weights in fp16"};
      fp16_memory_.upload(fp16_->words(), stream);
    } else {
      precision_ = Precision::fp32;
    }
  }
  device_->synchronize();
}

void FusedScorer::score_all(Precision precision, const uint8_t* images, int64_t first,
                            CudaScores& scores, Progress& progress) const {
  const cudaStream_t stream = device_->stream();
  const auto n = static_cast<int64_t>(scores.size());
  for (int64_t done = 0; done < n; done += kScorerBlockImages) {
    const int64_t count = std::min(kScorerBlockImages, n - done);
    if (precision == Precision::fp16) {
      kernels::score_fp16(stream, *plan_, blocks_, fp16_->at(fp16_memory_.data()), images, nullptr,
                          first + done, count, scores.data() + done);
    } else {
      kernels::score_fp32(stream, fp32_.at(fp32_memory_.data()), images, nullptr, first + done,
                          count, scores.data() + done);
    }
    device_->synchronize();
    progress.update(static_cast<size_t>(done + count), static_cast<size_t>(n), 0);
  }
}

void FusedScorer::refine(const uint8_t* images, int64_t first, std::span<const uint32_t> places,
                         std::span<float> scores) const {
  if (places.empty()) return;
  const cudaStream_t stream = device_->stream();
  DeviceBuffer<uint32_t> positions(std::ssize(places), "the images to score again");
  DeviceBuffer<float> exact(std::ssize(places), "their scores");
  positions.upload(places, stream);
  kernels::score_fp32(stream, fp32_.at(fp32_memory_.data()), images + first * 784, positions.data(),
                      0, std::ssize(places), exact.data());
  std::vector<float> values(places.size());
  exact.download(values, stream);
  device_->synchronize();
  for (size_t i = 0; i < places.size(); ++i) scores[places[i]] = values[i];
}

void FusedScorer::score(const uint8_t* images, int64_t first, const ExactScores& exact,
                        CudaScores& scores, Progress& progress) const {
  if (scores.size() == 0) return;
  if (precision_ == Precision::fp16) {
    return score_all(Precision::fp16, images, first, scores, progress);
  }
  if (precision_ == Precision::fp32 || exact.from == ExactScores::From::all) {
    return score_all(Precision::fp32, images, first, scores, progress);
  }

  score_all(Precision::fp16, images, first, scores, progress);
  const TraceRange range("refine");
  const cudaStream_t stream = device_->stream();
  std::vector<float> host(scores.size());
  scores.download(host);
  std::vector<uint32_t> places;
  const auto score_again = [&](const auto& wanted) {
    places.clear();
    for (size_t i = 0; i < host.size(); ++i) {
      if (wanted(host[i])) places.push_back(static_cast<uint32_t>(i));
    }
    refine(images, first, places, host);
    scores.upload(host, stream);
    device_->synchronize();
  };

  // What overflows in fp16 need not in fp32; what does has no place in an order, and whoever takes
  // the scores says so.
  if (!std::all_of(host.begin(), host.end(), [](float s) { return std::isfinite(s); })) {
    score_again([](float score) { return !std::isfinite(score); });
  }
  if (std::any_of(host.begin(), host.end(), [](float s) { return std::isnan(s); })) return;

  double lowest = exact.threshold * (1 - kFp16Error);
  if (exact.from == ExactScores::From::rank) {
    const float threshold = scores.select(std::array{exact.rank}).front();
    lowest = static_cast<double>(threshold) * (1 - 2 * kFp16Error);
  }
  score_again([&](float score) { return static_cast<double>(score) >= lowest; });
}

}  // namespace oddity::cuda
