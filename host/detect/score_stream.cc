#include "detect/score_stream.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/progress.h"
#include "core/text.h"

namespace oddity {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

class Scorer {
 public:
  Scorer(ImageStream& stream, Engine& engine, Network& network, Journal& journal,
         ScoreObserver& observer, const ExactScores& exact)
      : stream_(stream),
        engine_(engine),
        network_(network),
        journal_(journal),
        observer_(observer),
        exact_(exact),
        end_(journal.position()),
        progress_(progress_of(journal)) {}

  void run() {
    observer_.update(progress_);
    bool ended = false;
    while (!ended) {
      switch (stream_.next(batch_)) {
        case ImageStream::Wait::batch:
          add_batch();
          // What else has come by now is scored with it, as far as there is room.
          if (chunk_rows_.size() < kScoreChunk && stream_.ready()) continue;
          break;
        case ImageStream::Wait::end:
          ended = true;
          break;
        case ImageStream::Wait::not_yet:
          // Rows must not wait for the next ones to be safe from a power cut.
          journal_.sync();
          break;
      }
      if (!chunk_rows_.empty() || ended) finish_chunk(ended);
      report();
    }
  }

 private:
  /// Takes rows over as they are, and images to where the engine takes them from.
  void add_batch() {
    progress_.left_out += batch_.left_out;
    progress_.fraction = batch_.fraction;
    end_ = batch_.end;
    size_t image = 0;
    while (image < batch_.images) {
      make_room();
      const size_t count = std::min(batch_.images - image, staging_->capacity() - staged_);
      const auto numbers = static_cast<size_t>(staging_->shape().size());
      widen(batch_.type, batch_.pixels.data() + image * numbers * size_of(batch_.type),
            count * numbers, staging_->type(),
            staging_->data() + staged_ * numbers * size_of(staging_->type()));
      staged_ += count;
      image += count;
      if (staged_ == staging_->capacity()) score_staged();
    }
    for (ImageRow& row : batch_.rows) {
      chunk_rows_.push_back({std::move(row.path), row.status, 0, std::move(row.reason)});
    }
  }

  void make_room() {
    if (staging_ && size_of(staging_->type()) >= size_of(batch_.type)) return;
    if (staging_) score_staged();
    const ImageShape shape = network_.architecture().image();
    constexpr size_t kMostBytes = size_t{64} << 20;
    const size_t image_bytes = static_cast<size_t>(shape.size()) * size_of(batch_.type);
    const size_t capacity = std::clamp<size_t>(kMostBytes / image_bytes, 1, kScoreChunk);
    staging_.reset();  // its memory first
    staging_ = engine_.staging(batch_.type, shape, capacity);
  }

  void score_staged() {
    if (staged_ == 0) return;
    const auto began = Clock::now();
    const Images& images = staging_->send(staged_);
    const size_t before = scores_.size();
    scores_.resize(before + staged_);
    NoProgress silent;
    network_.score(images, {0, staged_}, silent, exact_)
        ->download(std::span(scores_).subspan(before));
    staged_ = 0;
    progress_.score += seconds_since(began);
  }

  /// Scores what is left of the chunk and makes its rows safe.
  void finish_chunk(bool last) {
    score_staged();
    size_t image = 0;
    for (ScoreRow& row : chunk_rows_) {
      if (row.status == ImageStatus::ok) {
        row.score = scores_[image++];
        if (!std::isfinite(row.score)) {
          row.status = ImageStatus::not_finite;
          row.reason = fmt::format("its score is {}: the model's weights overflow on it",
                                   shortest(row.score));
        }
      }
      if (row.status != ImageStatus::ok) ++progress_.bad;
    }
    progress_.rows += chunk_rows_.size();
    progress_.new_rows += chunk_rows_.size();
    const auto began = Clock::now();
    journal_.append(chunk_rows_, end_, last);
    progress_.write += seconds_since(began);
    progress_.finished = last;
    chunk_rows_.clear();
    scores_.clear();
  }

  void report() {
    progress_.stages = stream_.stage_seconds();
    observer_.update(progress_);
  }

  ImageStream& stream_;
  Engine& engine_;
  Network& network_;
  Journal& journal_;
  ScoreObserver& observer_;
  ExactScores exact_;

  ImageBatch batch_;
  std::unique_ptr<Staging> staging_;
  size_t staged_ = 0;  // images in staging_ that are not scored
  std::vector<ScoreRow> chunk_rows_;
  std::vector<float> scores_;  // of the images of the chunk that are scored
  SourcePosition end_;         // behind the chunk
  ScoreProgress progress_;
};

}  // namespace

ScoreProgress progress_of(const Journal& journal) {
  ScoreProgress progress;
  progress.rows = journal.rows();
  progress.bad = journal.bad_rows();
  // Each entry of a source that has passed is a row or was left out.
  progress.left_out = std::max(journal.position().entries, journal.rows()) - journal.rows();
  progress.finished = journal.complete();
  return progress;
}

void score_stream(ImageStream& stream, Engine& engine, Network& network, Journal& journal,
                  ScoreObserver& observer, const ExactScores& exact) {
  Scorer(stream, engine, network, journal, observer, exact).run();
}

}  // namespace oddity
