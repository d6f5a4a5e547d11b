// Scores images that stream past, on a thread beside the one that brings them.
#pragma once

#include <array>
#include <cstddef>
#include <future>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "images/image_stream.h"

namespace oddity {

/// Images that an engine scores at once: enough to keep all cores or the device busy.
inline constexpr size_t kScoreChunk = 2048;

/// Two memories take turns: while the device scores the images of one, those that come next fill
/// the other and are already on their way to it. Until wait() nobody else may use the network.
class BackgroundScorer {
 public:
  BackgroundScorer(Engine& engine, Network& network, const ExactScores& exact)
      : engine_(engine), network_(network), exact_(exact) {}

  /// Takes the images of a batch over. Throws what the engine throws, also for images before.
  void add(const ImageBatch& batch);
  /// Begins with what was added, once what was begun before is scored.
  void start();
  /// Waits for all that was begun.
  void wait();

  /// The scores that have come and have not been taken, in the order of the images.
  std::vector<float>& scores() { return scores_; }
  /// In which the engine was busy.
  double seconds() const { return seconds_; }

 private:
  struct Scored {
    std::vector<float> scores;
    double seconds = 0;
  };
  /// The memory to fill, with room for numbers of the batch's type.
  Staging& room_for(PixelType type);

  Engine& engine_;
  Network& network_;
  ExactScores exact_;
  std::array<std::unique_ptr<Staging>, 2> stagings_;
  size_t filling_ = 0;
  size_t staged_ = 0;  // images in the memory that is being filled
  std::vector<float> scores_;
  double seconds_ = 0;
  std::future<Scored> running_;  // last: its end is waited for before the rest is gone
};

}  // namespace oddity
