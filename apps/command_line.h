// The command line, as records and reports quote it.
#pragma once

#include <string>
#include <vector>

namespace oddity {

/// The words of this process's command line, each printable().
std::vector<std::string> command_line();

}  // namespace oddity
