// What the tests of the engines share: every test runs once a device, through the public interface.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "reference/network.h"
#include "support/golden_cases.h"
#include "support/near.h"

namespace oddity::test {

/// Devices that can be tested here, as make_engine names them.
std::vector<std::string> device_names();
/// The same, and cpu_<instruction set> for those that the CPU engine does not choose by itself.
std::vector<std::string> engine_names();

/// The parameter is one of engine_names().
class EngineTest : public testing::TestWithParam<std::string> {
 protected:
  static std::unique_ptr<Engine> engine(const EngineOptions& options = {.threads = 2});
};

/// What takes long, or does not touch a pixel: on devices only.
class DeviceTest : public EngineTest {};

/// Keeps what a network reports while it trains.
class StepRecorder final : public Progress {
 public:
  void update(size_t done, size_t total, double value) override;
  /// The mean loss over the images of each step.
  const std::vector<double>& losses() const { return losses_; }
  const std::vector<size_t>& done() const { return done_; }
  size_t total() const { return total_; }

 private:
  std::vector<double> losses_;
  std::vector<size_t> done_;
  size_t total_ = 0;
  double sum_ = 0;
};

/// The scores of a range, downloaded.
std::vector<float> scores(Network& network, const Images& images, Range range);
std::vector<float> scores(Network& network, const Images& images);
std::vector<float> latent(Network& network, const Images& images, Range range);
std::vector<float> reconstruction(Network& network, const Images& images, Range range);
std::vector<float> pixel_errors(Network& network, const Images& images, Range range);

/// The gradients of the only step made since a zero state: Adam's first moment is a tenth of them.
Weights gradients_of_first_step(const Network& network);

/// Each tensor of `expected` against that of `actual`.
void expect_near(const Weights& actual, const reference::Parameters& expected,
                 const Tolerance& tolerance);

/// The tensors with a golden in golden/<folder>.
reference::Parameters golden_parameters(const std::string& folder);

/// Initial weights with everything that starts as 0 or 1 moved away from it.
Weights lively_weights(const Architecture& architecture, uint64_t seed);

}  // namespace oddity::test
