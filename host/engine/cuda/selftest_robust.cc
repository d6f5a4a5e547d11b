// The kernels of robust training and scores.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/variation.h"
#include "engine/cuda/selftest.h"
#include "engine/cuda/selftest_case.h"
#include "engine/robust_reference.h"
#include "robust_error.h"
#include "trim.h"
#include "variation.h"

namespace oddity::cuda {
namespace {

// One rounding.
constexpr double kRounding = 1e-7;

}  // namespace

std::vector<SelfTestResult> selftest_robust(cudaStream_t stream, const Plan& plan, int64_t images) {
  const kernels::Conv2dShape& last = plan.stages.back().convolution;
  const ImageShape shape{last.height, last.width, last.channels};
  const auto size = static_cast<size_t>(plan.image);
  const std::vector<float> x = random_numbers(images * plan.image, 18, 0, 1);
  const std::vector<float> y = random_numbers(images * plan.image, 19, 0, 1);
  std::vector<double> variations, errors;
  for (size_t i = 0; i < x.size(); i += size) {
    const std::span<const float> image(x.data() + i, size);
    variations.push_back(std::pow(total_variation(image, shape), 0.75));
    errors.push_back(robust_score(image, {y.data() + i, size}, shape, /*variation_floor=*/0));
  }
  const std::string extents =
      fmt::format("{}x{}x{}x{}", images, shape.height, shape.width, shape.channels);
  std::vector<SelfTestResult> results;
  const auto add = [&](const TestCase& test) { results.push_back(run_case(test, stream)); };
  add({.operation = "variations " + extents,
       .tolerance = kSum,
       .tensors = {input(x), output(variations)},
       .enqueue = [=](cudaStream_t on, Pointers t, void*) {
         kernels::variations(on, kernels::Pixels::f32, t[0], images, shape.height, shape.width,
                             shape.channels, t[1]);
       }});
  add({.operation = "robust_errors " + extents,
       .tolerance = kSum,
       .tensors = {input(x), input(y), output(errors)},
       .enqueue = [=](cudaStream_t on, Pointers t, void*) {
         kernels::robust_errors(on, images, shape.height, shape.width, shape.channels, t[1],
                                {.type = kernels::Pixels::f32, .pixels = t[0]}, 0, t[2]);
       }});

  // The images lie in a set in the opposite order; a third of them is left out.
  const int64_t left_out = images / 3;
  const std::vector<float> losses = random_numbers(images, 20, 0, 1);
  const std::vector<float> of_set = random_numbers(images, 21, 1, 2);
  std::vector<uint32_t> order(static_cast<size_t>(images));
  std::iota(order.rbegin(), order.rend(), 0u);
  std::vector<size_t> ranked(order.size());
  std::iota(ranked.begin(), ranked.end(), size_t{0});
  std::sort(ranked.begin(), ranked.end(), [&](size_t a, size_t b) {
    return losses[a] / of_set[order[a]] > losses[b] / of_set[order[b]];
  });
  std::vector<double> trimmed = widen(y);
  for (double& gradient : trimmed) {
    gradient *= static_cast<double>(images) / static_cast<double>(images - left_out);
  }
  for (int64_t k = 0; k < left_out; ++k) {
    std::fill_n(trimmed.begin() + static_cast<ptrdiff_t>(ranked[static_cast<size_t>(k)] * size),
                size, 0.0);
  }
  const auto positions = on_device(order, stream);
  add({.operation = fmt::format("trim_gradients {}, {}", extents, left_out),
       .tolerance = kRounding,
       .tensors = {input(losses), input(of_set), {y, trimmed}},
       .enqueue = [=, image = plan.image](cudaStream_t on, Pointers t, void*) {
         kernels::trim_gradients(on, {t[0], images}, {.positions = positions->data()}, t[1],
                                 left_out, {.dx = t[2], .size = image});
       }});
  return results;
}

}  // namespace oddity::cuda
