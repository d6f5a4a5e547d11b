// What the tests of the program share: a folder to run in, a small set of images, a quick network.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/dataset.h"
#include "support/program.h"
#include "support/temporary_folder.h"

namespace oddity::test {

class CliTest : public testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  /// Runs in the test's folder.
  ProgramResult run(const Arguments& arguments, ProgramOptions options = {}) const {
    options.folder = folder_.path();
    // These tests are of the program on the CPU, also where there is a GPU.
    options.variables.emplace("CUDA_VISIBLE_DEVICES", "");
    return run_program(arguments, options);
  }

  /// `oddity train` on images.npy (see write_images), quickly.
  static Arguments train_arguments(const Arguments& more = {}, int64_t epochs = 2) {
    Arguments all = {"train", "--images", "images.npy",          "-d", "set.npz",
                     "-m",    "model.h5", "--filters",           "4",  "--latent-dim",
                     "3",     "--epochs", std::to_string(epochs)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  static Dataset make_images(size_t count = 60, ImageShape shape = {8, 6, 1}) {
    Dataset dataset;
    dataset.images = ImageArray(PixelType::u8, shape, count);
    Philox random(7, 0);
    const size_t bytes = count * dataset.images.view().image_bytes();
    for (size_t i = 0; i < bytes; ++i) dataset.images.data()[i] = static_cast<std::byte>(random());
    for (size_t i = 0; i < count; ++i) {
      dataset.index.push_back(static_cast<int64_t>(i));
      dataset.label.push_back(kUnknownLabel);
    }
    return dataset;
  }
  void write_images(const std::string& name = "images.npy", size_t count = 60,
                    ImageShape shape = {8, 6, 1}) const {
    write_dataset(folder_ / name, make_images(count, shape));
  }

  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  std::string bytes(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    EXPECT_TRUE(in) << name << " is not there";
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  TemporaryFolder folder_;
};

/// One line that begins as errors do and holds every part.
inline void expect_error(const ProgramResult& result, int exit_code,
                         const std::vector<std::string>& parts) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_EQ(result.out, "");
  const size_t at = result.err.find("[ERROR] ");
  ASSERT_NE(at, std::string::npos) << result.err;
  const std::string line = result.err.substr(at);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line, the last: " << line;
  for (const std::string& part : parts) EXPECT_THAT(line, testing::HasSubstr(part));
}

}  // namespace oddity::test
