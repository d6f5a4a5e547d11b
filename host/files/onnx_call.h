// How an operator takes what it is given: every input of the type and rank it knows, every
// attribute it knows, and no other.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"
#include "files/onnx_operators.h"

namespace oddity {

/// Inputs and attributes of one call. Every member throws Error naming the node.
class OnnxArguments {
 public:
  OnnxArguments(const OnnxCall& call, size_t inputs);

  const std::vector<int64_t>& shape(size_t input) const { return call_.inputs[input]->shape; }
  const OnnxTensor& tensor(size_t input) const { return *call_.inputs[input]; }
  /// The numbers of an input that is of just this type.
  template <typename T>
  const std::vector<T>& values(size_t input) const {
    const auto* found = std::get_if<std::vector<T>>(&call_.inputs[input]->values);
    if (found == nullptr) refuse_type(input);
    return *found;
  }
  /// Throws unless the input has this shape; −1: any extent.
  void expect_shape(size_t input, const std::vector<int64_t>& shape) const;

  /// Attributes, each of which must be there.
  int64_t whole(const char* name) { return take<int64_t>(name); }
  double real(const char* name) { return static_cast<double>(take<float>(name)); }
  std::vector<int64_t> list(const char* name) { return take<std::vector<int64_t>>(name); }
  /// To be called when all attributes are taken: what is left would change the result.
  void done() const;

  /// An array to be filled.
  template <typename T>
  std::vector<T> make(const std::vector<int64_t>& shape) const {
    return std::vector<T>(call_.budget.claim(shape, where()));
  }
  void spend(double operations) const { call_.budget.spend(operations, where()); }

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: {}", where(), fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::string where() const;
  [[noreturn]] void refuse_type(size_t input) const;
  template <typename T>
  T take(const char* name) {
    const auto found = attributes_.find(name);
    const T* const value = found == attributes_.end() ? nullptr : std::get_if<T>(&found->second);
    if (value == nullptr) refuse("attribute {} is missing or of another type", name);
    T taken = *value;
    attributes_.erase(found);
    return taken;
  }

  const OnnxCall& call_;
  std::map<std::string, OnnxAttribute> attributes_;  // not taken yet
};

}  // namespace oddity
