#include "engine/cuda/shared_library.h"

#include <dlfcn.h>

#include <utility>

#include "core/error.h"

namespace oddity::cuda {
namespace {

/// The last error of the loader, which it forgets when asked.
std::string loader_error() {
  const char* const text = ::dlerror();
  return text == nullptr ? "no reason given" : text;
}

}  // namespace

SharedLibrary::SharedLibrary(std::string name, std::span<const char* const> file_names,
                             std::string cure)
    : name_(std::move(name)), cure_(std::move(cure)) {
  std::string reasons;
  for (const char* const file_name : file_names) {
    library_ = ::dlopen(file_name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library_ != nullptr) {
      file_name_ = file_name;
      return;
    }
    reasons += (reasons.empty() ? "" : "; ") + loader_error();
  }
  throw DeviceError("{} cannot be loaded ({}): {}", name_, reasons, cure_);
}

void* SharedLibrary::address(const char* symbol) const {
  void* const found = ::dlsym(library_, symbol);
  if (found == nullptr) {
    throw DeviceError("{} has no function {} in {} ({}): {}", name_, symbol, file_name_,
                      loader_error(), cure_);
  }
  return found;
}

}  // namespace oddity::cuda
