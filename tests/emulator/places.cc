#include "emulator/places.h"

#include <link.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

namespace oddity::emulator::checker {
namespace {

struct Image {
  std::uintptr_t base = 0;
  std::uintptr_t begin = UINTPTR_MAX;
  std::uintptr_t end = 0;
};

/// The program's own; the first that dl_iterate_phdr visits.
const Image& image() {
  static const Image found = [] {
    Image result;
    dl_iterate_phdr(
        [](dl_phdr_info* information, std::size_t, void* data) {
          auto& program = *static_cast<Image*>(data);
          program.base = information->dlpi_addr;
          for (int i = 0; i < information->dlpi_phnum; ++i) {
            const auto& header = information->dlpi_phdr[i];
            if (header.p_type == PT_LOAD) {
              const std::uintptr_t begin = program.base + header.p_vaddr;
              program.begin = std::min(program.begin, begin);
              program.end = std::max(program.end, begin + header.p_memsz);
            }
          }
          return 1;
        },
        &result);
    return result;
  }();
  return found;
}

std::string look_up(std::uintptr_t address) {
  char command[160];
  std::snprintf(command, sizeof command, "addr2line -i -e /proc/%d/exe %lx", int(getpid()),
                static_cast<unsigned long>(address - image().base));
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "r"), pclose);
  std::string text;
  char line[1000];
  while (pipe != nullptr && std::fgets(line, sizeof line, pipe.get()) != nullptr) {
    std::string name = line;
    name.erase(name.find_last_not_of('\n') + 1);
    name.erase(0, name.rfind('/') + 1);
    name.erase(std::min(name.find(" (disc"), name.size()));
    // Only kernels are of interest, not what the emulator or the library inlined into them.
    if (name.find(".cu") != name.npos) {
      text += (text.empty() ? "" : " in ") + name;
    }
  }
  return text.empty() ? "an unknown place" : text;
}

}  // namespace

const char* place_name(void* return_address) {
  static std::map<void*, std::string> known;
  const auto found = known.find(return_address);
  if (found != known.end()) {
    return found->second.c_str();
  }
  const std::uintptr_t call = reinterpret_cast<std::uintptr_t>(return_address) - 1;
  return known.emplace(return_address, look_up(call)).first->second.c_str();
}

bool is_program_data(const void* address) {
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  return where >= image().begin && where < image().end;
}

}  // namespace oddity::emulator::checker
