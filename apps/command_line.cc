#include "command_line.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>

#include "core/text.h"

namespace oddity {

std::vector<std::string> command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\0', begin), text.size());
    words.push_back(printable(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return words;
}

}  // namespace oddity
