// What the CUDA engine would launch for a network, described where there is no device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace oddity {

/// What of a card decides how the engine launches.
struct CardLimits {
  int64_t multiprocessors = 0;
  size_t shared = 0;  // bytes of shared memory that a block may ask for
};

struct PlannedLaunch {
  std::string name;    // "encoder.conv1 forward"
  std::string kernel;  // file and line that launch it: "stage_conv2d.cu:48"
  std::array<int64_t, 3> grid{};
  std::array<int64_t, 3> block{};
  size_t shared = 0;  // bytes of dynamic shared memory of a block
  // Of device memory, each number once however many blocks ask for it.
  int64_t bytes_read = 0;
  int64_t bytes_written = 0;
  /// Two a multiply-add of convolutions and dense layers. Elementwise work (activations,
  /// normalisation, loss, Adam) is not counted.
  int64_t flop = 0;
  std::vector<size_t> after;  // earlier launches; none of which comes after another of them

  int64_t bytes() const { return bytes_read + bytes_written; }
  int64_t blocks() const { return grid[0] * grid[1] * grid[2]; }
};

/// Launches that follow from each other.
struct PlannedLaunches {
  int64_t images = 0;                   // that they are for
  std::vector<PlannedLaunch> launches;  // in order
  size_t critical_path = 0;             // launches of the longest chain of dependencies
  int64_t memory = 0;                   // bytes of device memory that they keep and move
};

/// A scorer that is one launch.
struct PlannedScorer {
  Precision precision = Precision::fp32;  // or fp16
  std::string way;                        // of fp16, by the card's shared memory: "large"
  int64_t images = 0;                     // of this launch
  PlannedLaunch launch;
};

struct LaunchReport {
  PlannedLaunches step;                // of training; no launches where it goes layer by layer
  int64_t steps_a_graph = 1;           // launched at once while an epoch has so many left
  std::vector<PlannedScorer> scorers;  // none where it takes more than one launch
  PlannedLaunches scores;              // of a block, where it does; none layer by layer
  std::string scoring;                 // DeviceInfo::scoring
};

}  // namespace oddity
