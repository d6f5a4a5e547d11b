// What the program tells the shell.
#pragma once

namespace oddity {

enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        // something wrong in data, model or files, or found by selftest
  kUsage = 2,          // wrong option or value
  kOutliers = 3,       // --fail-on-outliers tripped
  kTooManyBad = 4,     // more images than --max-bad allows cannot be used
  kDrift = 5,          // compare found one
  kNoDevice = 6,       // the asked-for device is not available or failed
  kInterrupted = 130,  // Ctrl-C
};

}  // namespace oddity
