#include "reference/adam.h"

#include <cmath>

namespace oddity::reference {

void Adam::update(Parameters& weights, const Parameters& gradients, double learning_rate) {
  constexpr double kBeta1 = 0.9;
  constexpr double kBeta2 = 0.999;
  constexpr double kAdamEpsilon = 1e-7;
  ++steps_;
  const double t = static_cast<double>(steps_);
  const double rate =
      learning_rate * std::sqrt(1 - std::pow(kBeta2, t)) / (1 - std::pow(kBeta1, t));
  for (const auto& [name, gradient] : gradients) {
    Values& w = weights.at(name);
    Values& m = first_.try_emplace(name, gradient.size()).first->second;
    Values& v = second_.try_emplace(name, gradient.size()).first->second;
    for (size_t i = 0; i < gradient.size(); ++i) {
      m[i] = kBeta1 * m[i] + (1 - kBeta1) * gradient[i];
      v[i] = kBeta2 * v[i] + (1 - kBeta2) * gradient[i] * gradient[i];
      w[i] -= rate * m[i] / (std::sqrt(v[i]) + kAdamEpsilon);
    }
  }
}

}  // namespace oddity::reference
