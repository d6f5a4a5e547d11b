#include "detect/background_scorer.h"

#include <algorithm>
#include <chrono>

#include "core/progress.h"

namespace oddity {

Staging& BackgroundScorer::room_for(PixelType type) {
  std::unique_ptr<Staging>& staging = stagings_[filling_];
  if (staging && size_of(staging->type()) >= size_of(type)) return *staging;
  start();
  wait();
  const ImageShape shape = network_.architecture().image();
  constexpr size_t kMostBytes = size_t{32} << 20;
  const size_t image_bytes = static_cast<size_t>(shape.size()) * size_of(type);
  const size_t capacity = std::clamp<size_t>(kMostBytes / image_bytes, 1, kScoreChunk);
  std::unique_ptr<Staging>& made = stagings_[filling_];
  made.reset();  // its memory first
  made = engine_.staging(type, shape, capacity);
  return *made;
}

void BackgroundScorer::add(const ImageBatch& batch) {
  size_t image = 0;
  while (image < batch.images) {
    Staging& staging = room_for(batch.type);
    const size_t count = std::min(batch.images - image, staging.capacity() - staged_);
    const auto numbers = static_cast<size_t>(staging.shape().size());
    widen(batch.type, batch.pixels.data() + image * numbers * size_of(batch.type), count * numbers,
          staging.type(), staging.data() + staged_ * numbers * size_of(staging.type()));
    staged_ += count;
    image += count;
    if (staged_ == staging.capacity()) start();
  }
}

void BackgroundScorer::start() {
  if (staged_ == 0) return;
  const Images& images = stagings_[filling_]->send(staged_);
  wait();
  running_ = std::async(std::launch::async, [this, &images, count = staged_] {
    const auto began = std::chrono::steady_clock::now();
    Scored scored{std::vector<float>(count)};
    NoProgress silent;
    network_.score(images, {0, count}, silent, exact_)->download(scored.scores);
    scored.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return scored;
  });
  staged_ = 0;
  filling_ = 1 - filling_;
}

void BackgroundScorer::wait() {
  if (!running_.valid()) return;
  const Scored scored = running_.get();
  scores_.insert(scores_.end(), scored.scores.begin(), scored.scores.end());
  seconds_ += scored.seconds;
}

}  // namespace oddity
