// The networks and batches that Keras' goldens were made with.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "model/weights.h"
#include "support/test_images.h"

namespace oddity::test {

/// The default network; its goldens are in init, forward, step and trained.
Architecture mnist_architecture();

/// A small network whose ten steps on one batch are in golden/<folder>.
struct SmallCase {
  std::string folder;
  Architecture architecture;
  TestImages<float> images;
};
std::vector<SmallCase> small_cases();

/// The tensors golden/<folder>/<tensor>.npy.
Weights golden_weights(const Architecture& architecture, const std::string& folder);
/// A tensor, activation or list of golden/<name>.npy.
std::vector<float> golden_values(const std::string& name);

/// The 8 images of golden/forward.
TestImages<float> golden_forward_images();
/// The ten batches of 32 of golden/step, one after the other.
TestImages<uint8_t> golden_step_images();

/// The learning rate of step `step`, from 0.
double golden_learning_rate(int64_t step);

/// Layers or tensors with a file in golden/<folder>, sorted.
std::vector<std::string> golden_names(const std::string& folder);

}  // namespace oddity::test
