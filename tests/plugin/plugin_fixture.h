// A copy of the program in a folder of its own, and plugins that are placed beside it.
#pragma once

#include "cli/cli_fixture.h"

namespace oddity::test {

class PluginTest : public CliTest {
 protected:
  PluginTest() {
    std::filesystem::create_directory(folder_ / "bin");
    std::error_code on_another_disk;
    std::filesystem::create_hard_link(ODDITY_PROGRAM, program(), on_another_disk);
    if (on_another_disk) std::filesystem::copy_file(ODDITY_PROGRAM, program());
  }

  /// As in build and install trees: ../lib seen from the program.
  void place_plugin(const std::string& file, const std::string& folder = "lib") const {
    std::filesystem::create_directory(folder_ / folder);
    std::filesystem::copy_file(file, folder_ / folder / "liboddity_cuda.so");
  }
  void place_driver() const {
    std::filesystem::create_directory(folder_ / "driver");
    std::filesystem::copy_file(ODDITY_FAKE_DRIVER, folder_ / "driver/libcuda.so.1");
  }
  void place_fake() const {
    place_driver();
    place_plugin(ODDITY_FAKE_PLUGIN);
  }

  /// Runs the copy; the loader finds a driver in driver/ first.
  ProgramResult run_with(const std::map<std::string, std::string>& variables,
                         const Arguments& arguments) const {
    ProgramOptions options;
    options.variables = variables;
    options.variables["LD_LIBRARY_PATH"] = (folder_ / "driver").string();
    return run(arguments, options);
  }
  ProgramResult run_here(const Arguments& arguments) const { return run_with({}, arguments); }

  /// What `oddity info` says of CUDA's only row.
  std::string why_not() const {
    const ProgramResult result = run_here({"info", "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto json = nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded() || json["devices"].size() != 2) return "no such row: " + result.out;
    EXPECT_EQ(json["devices"][1]["name"], "cuda");
    EXPECT_EQ(json["devices"][1]["available"], false);
    return json["devices"][1]["why"];
  }

 private:
  std::filesystem::path program() const { return folder_ / "bin/oddity"; }
};

}  // namespace oddity::test
