#include "engine/load_cuda.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

#include "core/error.h"
#include "core/text.h"
#include "engine/cuda_plugin.h"

namespace oddity {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNoEngine = "this build has no CUDA engine";
constexpr const char* kDriver = "libcuda.so.1";

/// One of the two.
struct Loaded {
  const CudaPlugin* plugin = nullptr;
  std::string why_not;
};

/// What the loader said of its last failure, on one line.
std::string loader_error() {
  const char* const text = ::dlerror();
  return text != nullptr ? printable(std::string_view(text)) : "the loader gives no reason";
}

bool says_missing(const std::string& loader_text) {
  return loader_text.find("No such file or directory") != std::string::npos;
}

/// The plugin's file relative to the program, so that build and install trees can be moved; its
/// plain name, which the loader looks for, where no file is there.
fs::path plugin_path() {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  if (!error) {
    for (const fs::path& candidate :
         {folder.parent_path() / "lib" / kCudaPluginFile, folder / kCudaPluginFile}) {
      if (fs::exists(candidate, error)) return candidate;
    }
  }
  return kCudaPluginFile;
}

// Nothing opened here is ever closed: the driver and the plugin's libraries keep threads and state
// that end with the process.

Loaded open_plugin() {
  const fs::path path = plugin_path();
  const bool has_file = path.has_parent_path();
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string reason = loader_error();
    if (!has_file && says_missing(reason)) return {nullptr, kNoEngine};
    return {nullptr, "the CUDA engine cannot be opened: " + reason};
  }
  const auto entry = reinterpret_cast<CudaPluginEntry>(::dlsym(library, kCudaPluginEntry));
  if (entry == nullptr) {
    return {nullptr, fmt::format("{} is not Oddity's CUDA engine: it has no {}", printable(path),
                                 kCudaPluginEntry)};
  }
  // The interface beyond the version is known only where the version is the same.
  const CudaPlugin* const plugin = entry();
  const std::string version = plugin != nullptr && plugin->version != nullptr
                                  ? printable(std::string_view(plugin->version))
                                  : "none";
  if (version != ODDITY_VERSION) {
    return {nullptr, fmt::format("the CUDA engine is of version {}, the program of {}", version,
                                 ODDITY_VERSION)};
  }
  return {plugin, ""};
}

/// Whether there is a driver or not: for what needs none.
const Loaded& opened_plugin() {
  static const Loaded once = open_plugin();
  return once;
}

/// The plugin where there is a driver, else it is not even opened.
Loaded open_driver_and_plugin() {
  if (::dlopen(kDriver, RTLD_NOW | RTLD_LOCAL) == nullptr) {
    const std::string reason = loader_error();
    // Where there is no plugin either, a driver would not help.
    if (!plugin_path().has_parent_path()) return {nullptr, kNoEngine};
    if (says_missing(reason)) return {nullptr, "no NVIDIA driver found"};
    return {nullptr, "the NVIDIA driver cannot be opened: " + reason};
  }
  return opened_plugin();
}

const Loaded& loaded() {
  static const Loaded once = open_driver_and_plugin();
  return once;
}

}  // namespace

std::string why_no_cuda(int ordinal) {
  const Loaded& cuda = loaded();
  return cuda.plugin == nullptr ? cuda.why_not : cuda.plugin->why_not(ordinal);
}

std::string why_no_cuda() { return why_no_cuda(0); }

std::unique_ptr<Engine> make_cuda_engine(int ordinal, const EngineOptions& options) {
  const CudaPlugin* const plugin = loaded().plugin;
  const std::string why_not = why_no_cuda(ordinal);
  if (plugin == nullptr || !why_not.empty()) {
    throw DeviceError("device cuda:{} is not available: {}; use --device cpu or auto", ordinal,
                      why_not);
  }
  return plugin->make_engine(ordinal, options);
}

LaunchReport cuda_launches(const Architecture& architecture, int64_t images,
                           const CardLimits& card) {
  const Loaded& cuda = opened_plugin();
  if (cuda.plugin == nullptr) {
    throw DeviceError(
        "the launches cannot be planned: {}; use a build with the CUDA engine, whose kernels they "
        "are",
        cuda.why_not);
  }
  return cuda.plugin->report_launches(architecture, images, card);
}

std::string cuda_libraries() {
  const Loaded& cuda = loaded();
  if (cuda.plugin == nullptr) return "";
  try {
    return cuda.plugin->libraries();
  } catch (const DeviceError& missing) {
    return missing.what();
  }
}

}  // namespace oddity
