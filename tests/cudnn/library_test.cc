// What is said where a library is missing, too old or has no device.
#include <gmock/gmock.h>

#include <array>

#include "cudnn_test.h"
#include "engine/cuda/library_planner.h"
#include "support/error_text.h"

namespace oddity::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr const char* kCure = "install cuDNN 9 or use --precision fp32";

TEST(SharedLibraryTest, MissingLibraryIsNamedWithTheLoadersReasonAndTheCure) {
  constexpr std::array kNames = {"liboddity_absent.so.13", "liboddity_absent.so.12"};
  EXPECT_THAT(
      error_text<DeviceError>([&] { cuda::SharedLibrary("cuDNN", kNames, kCure); }),
      AllOf(StartsWith("cuDNN cannot be loaded (liboddity_absent.so.13: cannot open shared object"),
            HasSubstr("; liboddity_absent.so.12: cannot open shared object"), HasSubstr(kCure)));
}

TEST(SharedLibraryTest, SecondNameIsTried) {
  constexpr std::array kNames = {"liboddity_absent.so.13", "libc.so.6"};
  const cuda::SharedLibrary library("the C library", kNames, "reinstall the system");
  size_t (*length)(const char*) = nullptr;
  library.load(length, "strlen");
  EXPECT_EQ(length("four"), 4u);
}

TEST(SharedLibraryTest, MissingFunctionIsNamed) {
  constexpr std::array kNames = {"libc.so.6"};
  const cuda::SharedLibrary library("the C library", kNames, "reinstall the system");
  void (*function)() = nullptr;
  EXPECT_THAT(
      error_text<DeviceError>([&] { library.load(function, "oddity_absent"); }),
      AllOf(StartsWith("the C library has no function oddity_absent in libc.so.6"),
            HasSubstr("undefined symbol: oddity_absent"), HasSubstr("reinstall the system")));
}

TEST(CudnnVersionTest, OlderThanNeededIsNamedWithBothVersions) {
  EXPECT_EQ(error_text<DeviceError>([] { cuda::require_cudnn_version(8907); }),
            "cuDNN 9.0.0 or newer is needed, this is 8.9.7: " + std::string(kCure));
  EXPECT_NO_THROW(cuda::require_cudnn_version(90000));
  EXPECT_NO_THROW(cuda::require_cudnn_version(91900));
}

class CudnnLibraryTest : public CudnnTest {};

TEST_F(CudnnLibraryTest, SaysItsVersion) {
  EXPECT_THAT(library_->version(), MatchesRegex("9\\.[0-9]+\\.[0-9]+"));
}

TEST_F(CudnnLibraryTest, FailedCallIsNamedWithStatusAndLastError) {
  EXPECT_THAT(error_text<DeviceError>([&] { library_->check(CUDNN_STATUS_BAD_PARAM, "thisCall"); }),
              StartsWith("cuDNN: thisCall: CUDNN_STATUS_BAD_PARAM"));
}

TEST_F(CudnnLibraryTest, HandleWithoutADeviceIsAnError) {
  EXPECT_THAT(error_text<DeviceError>([&] { cuda::CudnnHandle handle(library_); }),
              StartsWith("cuDNN: cudnnCreate: CUDNN_STATUS_"));
}

TEST_F(CudnnLibraryTest, BothLibrariesAreNamedWithTheirVersions) {
  const std::string text = error_text<DeviceError>([] {
    EXPECT_THAT(cuda::library_versions(),
                MatchesRegex("cuDNN 9[0-9.]+, cuBLAS 1[0-9]\\.[0-9]+\\.[0-9]+"));
  });
  if (text == "(no error)") return;
  // cuBLAS alone is missing.
  if (std::getenv("CI") != nullptr) FAIL() << text;
  GTEST_SKIP() << text;
}

}  // namespace
}  // namespace oddity::test
