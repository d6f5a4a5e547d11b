// What this machine and this build are, for `oddity info` and error reports.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace oddity {

struct Build {
  std::string compiler;  // "GCC 12.2.0"
  std::string type;      // "Release"
  std::string flags;
  std::string architecture;  // "x86_64"
};
Build build();

/// Name and version of each library, as found at run time where it says so itself.
std::vector<std::pair<std::string, std::string>> libraries();

struct Cpu {
  std::string name;
  std::vector<std::string> features;  // what the engine can make use of
  int threads = 0;                    // of the machine
  int available = 0;                  // to this process
  std::optional<double> quota;        // CPUs the cgroup allows on average; none: no limit
};
Cpu cpu();

}  // namespace oddity
