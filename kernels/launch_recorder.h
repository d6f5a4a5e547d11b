// What would be launched: for plans that are looked at where there is no device.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <vector>

namespace oddity::kernels {

struct LaunchRecord {
  const char* file = "";  // of the launch, and its line
  int line = 0;
  dim3 grid;
  dim3 block;
  std::size_t shared = 0;  // bytes of dynamic shared memory
};

/// While it lives, what this thread launches is recorded here instead of launched.
class LaunchRecorder {
 public:
  LaunchRecorder();
  ~LaunchRecorder();
  LaunchRecorder(const LaunchRecorder&) = delete;
  LaunchRecorder& operator=(const LaunchRecorder&) = delete;

  const std::vector<LaunchRecord>& records() const { return records_; }

 private:
  friend bool record_launch(const LaunchRecord& record);

  LaunchRecorder* outer_;
  std::vector<LaunchRecord> records_;
};

/// Records a launch; false where nobody wants it recorded, and it is to happen.
bool record_launch(const LaunchRecord& record);
/// Whether somebody does.
bool records_launches();

}  // namespace oddity::kernels
