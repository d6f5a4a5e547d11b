// What the program tells the shell.
#pragma once

namespace oddity {

enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        // something wrong in data, model or files, or found by selftest
  kUsage = 2,          // wrong option or value
  kOutliers = 3,       // --fail-on-outliers tripped
  kNoDevice = 6,       // the asked-for device is not available or failed
  kInterrupted = 130,  // Ctrl-C
};

}  // namespace oddity
