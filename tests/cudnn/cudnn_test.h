// What the tests that need libcudnn.so.9 share.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "core/error.h"
#include "engine/cuda/cudnn_library.h"

namespace oddity::test {

/// Skips its tests, with the reason, where cuDNN is not installed; in CI they fail.
class CudnnTest : public testing::Test {
 protected:
  void SetUp() override {
    try {
      library_ = std::make_shared<const cuda::CudnnLibrary>();
    } catch (const DeviceError& error) {
      if (std::getenv("CI") != nullptr) FAIL() << error.what();
      GTEST_SKIP() << error.what();
    }
  }

  std::shared_ptr<const cuda::CudnnLibrary> library_;
};

}  // namespace oddity::test
