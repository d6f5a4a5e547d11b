// How long work reports where it stands, and how it is stopped.
#pragma once

#include <cstddef>

namespace oddity {

/// Told by an engine after every training step or block of images. `update` may throw
/// (Interrupted): the work stops there, and the exception reaches the caller of the work.
class Progress {
 public:
  virtual ~Progress() = default;
  /// `done` of `total` images are finished; `value` is the mean loss over them (training) or
  /// unused.
  virtual void update(size_t done, size_t total, double value) = 0;
};

/// Reports to nobody.
class NoProgress final : public Progress {
 public:
  void update(size_t, size_t, double) override {}
};

}  // namespace oddity
