#include "detect/score_stream.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "detect/background_scorer.h"

namespace oddity {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

/// Rows that become safe together, in the order of the stream.
struct Chunk {
  std::vector<ScoreRow> rows;
  size_t images = 0;   // of these, that have a score
  SourcePosition end;  // behind the last row
  bool last = false;
};

class Scorer {
 public:
  Scorer(ImageStream& stream, Engine& engine, Network& network, Journal& journal,
         ScoreObserver& observer, const ExactScores& exact)
      : stream_(stream),
        journal_(journal),
        observer_(observer),
        background_(engine, network, exact),
        progress_(progress_of(journal)) {
    chunk_.end = journal.position();
  }

  void run() {
    observer_.update(progress_);
    while (!progress_.finished) {
      switch (stream_.next(batch_)) {
        case ImageStream::Wait::batch:
          add_batch();
          // What else has come by now is scored with it, as far as there is room.
          if (chunk_.rows.size() < kScoreChunk && stream_.ready()) continue;
          close_chunk();
          break;
        case ImageStream::Wait::end:
          close_chunk();
          background_.wait();
          write_finished();
          report();  // whose last chance it is to stop before the journal is complete
          chunk_.last = true;
          write(chunk_);
          break;
        case ImageStream::Wait::not_yet:
          // Rows must not wait for the next ones to be safe from a power cut.
          background_.wait();
          write_finished();
          journal_.sync();
          break;
      }
      write_finished();
      report();
    }
  }

 private:
  /// Takes rows over as they are, and images to where the engine takes them from.
  void add_batch() {
    progress_.left_out += batch_.left_out;
    progress_.fraction = batch_.fraction;
    background_.add(batch_);
    for (ImageRow& row : batch_.rows) {
      chunk_.rows.push_back({std::move(row.path), row.status, 0, std::move(row.reason)});
    }
    chunk_.images += batch_.images;
    chunk_.end = batch_.end;
  }

  /// Has the chunk scored, and begins the next one.
  void close_chunk() {
    if (chunk_.rows.empty()) return;
    background_.start();
    const SourcePosition end = chunk_.end;
    chunks_.push_back(std::exchange(chunk_, {}));
    chunk_.end = end;
  }

  /// Makes the rows safe that have their scores.
  void write_finished() {
    while (!chunks_.empty() && chunks_.front().images <= background_.scores().size()) {
      write(chunks_.front());
      chunks_.pop_front();
    }
    progress_.score = background_.seconds();
  }

  void write(Chunk& chunk) {
    std::vector<float>& scores = background_.scores();
    size_t image = 0;
    for (ScoreRow& row : chunk.rows) {
      if (row.status == ImageStatus::ok) {
        row.score = scores[image++];
        if (!std::isfinite(row.score)) {
          row.status = ImageStatus::not_finite;
          row.reason = fmt::format("its score is {}: the model's weights overflow on it",
                                   shortest(row.score));
        }
      }
      if (row.status != ImageStatus::ok) ++progress_.bad;
    }
    scores.erase(scores.begin(), scores.begin() + static_cast<ptrdiff_t>(chunk.images));
    progress_.rows += chunk.rows.size();
    progress_.new_rows += chunk.rows.size();
    const auto began = Clock::now();
    journal_.append(chunk.rows, chunk.end, chunk.last);
    progress_.write += seconds_since(began);
    progress_.finished = chunk.last;
  }

  void report() {
    progress_.stages = stream_.stage_seconds();
    try {
      observer_.update(progress_);
    } catch (...) {
      // What the engine is at must be waited for anyway.
      background_.wait();
      write_finished();
      throw;
    }
  }

  ImageStream& stream_;
  Journal& journal_;
  ScoreObserver& observer_;
  BackgroundScorer background_;

  ImageBatch batch_;
  Chunk chunk_;               // that grows
  std::deque<Chunk> chunks_;  // that are being scored
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
