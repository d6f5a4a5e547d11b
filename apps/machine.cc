#include "machine.h"

#include <H5public.h>
#include <archive.h>
#include <cairo.h>
#include <fmt/format.h>
#include <google/protobuf/stubs/common.h>
#include <hwy/highway.h>
#include <jpeglib.h>
#include <libdeflate.h>
#include <spng.h>
#include <sys/utsname.h>
#include <tiffio.h>
#include <toml++/toml.h>
#include <xxhash.h>
#include <zlib.h>

#include <CLI/Version.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "core/text.h"
#include "core/thread_pool.h"

namespace oddity {
namespace {

// libjpeg-turbo tells its version as bare tokens, and only at compile time.
#define ODDITY_TEXT_OF(tokens) #tokens
#define ODDITY_TEXT(tokens) ODDITY_TEXT_OF(tokens)

/// "LIBTIFF, Version 4.5.0", then a copyright.
std::string tiff_version() {
  const std::string text = TIFFGetVersion();
  const size_t begin = text.find_last_of(' ', text.find('\n')) + 1;
  return text.substr(begin, text.find('\n') - begin);
}

std::string version(int major, int minor, int patch) {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return printable(line.substr(colon + 2));
    }
  }
  return "unknown";
}

}  // namespace

Build build() {
#if defined(__clang__)
  const std::string compiler = version(__clang_major__, __clang_minor__, __clang_patchlevel__);
  const char* const name = "Clang ";
#else
  const std::string compiler = version(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
  const char* const name = "GCC ";
#endif
  utsname system{};
  ::uname(&system);
  return {name + compiler, ODDITY_BUILD_TYPE, ODDITY_BUILD_FLAGS, system.machine};
}

std::vector<std::pair<std::string, std::string>> libraries() {
  return {
      {"cairo", cairo_version_string()},
      {"CLI11", CLI11_VERSION},
      {"fmt", version(FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
      {"HDF5", hdf5_version()},
      {"Highway", version(HWY_MAJOR, HWY_MINOR, HWY_PATCH)},
      {"libarchive", std::string(archive_version_string()).substr(sizeof "libarchive")},
      {"libdeflate", LIBDEFLATE_VERSION_STRING},
      {"libjpeg-turbo", ODDITY_TEXT(LIBJPEG_TURBO_VERSION)},
      {"libspng", spng_version_string()},
      {"libtiff", tiff_version()},
      {"nlohmann-json", version(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                NLOHMANN_JSON_VERSION_PATCH)},
      {"protobuf", google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION)},
      {"toml++", version(TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH)},
      {"xxHash", version(static_cast<int>(XXH_versionNumber() / 10000),
                         static_cast<int>(XXH_versionNumber() / 100 % 100),
                         static_cast<int>(XXH_versionNumber() % 100))},
      {"zlib", zlibVersion()},
  };
}

Cpu cpu() {
  Cpu found;
  found.name = cpu_name();
  constexpr std::pair<int64_t, const char*> kTargets[] = {
      {HWY_NEON, "NEON"}, {HWY_SSE4, "SSE4"}, {HWY_AVX2, "AVX2"}, {HWY_AVX3, "AVX-512"}};
  for (const auto& [target, name] : kTargets) {
    if ((hwy::SupportedTargets() & target) != 0) found.features.emplace_back(name);
  }
  found.threads = static_cast<int>(std::thread::hardware_concurrency());
  found.available = available_threads();
  found.quota = cgroup_quota();
  return found;
}

}  // namespace oddity
