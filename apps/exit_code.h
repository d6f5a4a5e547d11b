// What the program tells the shell.
#pragma once

namespace oddity {

enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        // something wrong in data, model or files
  kUsage = 2,          // wrong option or value
  kOutliers = 3,       // --fail-on-outliers tripped
  kNoDevice = 6,       // the asked-for device is not available
  kInterrupted = 130,  // Ctrl-C
};

}  // namespace oddity
