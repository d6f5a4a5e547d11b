// Scores a set of any size as it streams past: batches of images in, rows of a journal out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "detect/journal.h"
#include "engine/engine.h"
#include "images/image_status.h"
#include "images/image_stream.h"

namespace oddity {

/// Where a run stands.
struct ScoreProgress {
  uint64_t rows = 0;      // finished, those of the runs before that this one goes on with included
  uint64_t bad = 0;       // of these
  uint64_t new_rows = 0;  // of this run
  uint64_t left_out = 0;  // files that are no images, of the runs before included
  double fraction = 0;    // of the set; 0 where that is not known
  StageSeconds stages;    // of this run
  double score = 0;       // seconds in which the engine was busy
  double write = 0;       // seconds in which rows were written
  bool finished = false;
};

/// Where the run stands that a journal is of, before anything is added to it.
ScoreProgress progress_of(const Journal& journal);

class ScoreObserver {
 public:
  virtual ~ScoreObserver() = default;
  /// After every chunk of rows that is safe in the journal, and every tenth of a second while
  /// nothing comes. May throw: the work stops there, what was reported stays.
  virtual void update(const ScoreProgress& progress) = 0;
};

/// Scores everything that `stream` still holds with `network` and appends it to `journal`, block
/// by block, the last one marked; `exact` are not those from a rank, which nobody knows yet. An
/// image whose score is not finite is a row of status not-finite. Throws what the stream, the
/// engine, the journal or the observer throws.
void score_stream(ImageStream& stream, Engine& engine, Network& network, Journal& journal,
                  ScoreObserver& observer, const ExactScores& exact);

}  // namespace oddity
