// The errors of the library. A library never exits: it throws one of these, and the program turns
// them into exit codes (apps/main.cc). Messages are one line and name the thing, both values and
// the cure: `model expects 28x28x1, a.npy holds 32x32x3: train a model for that size`.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace oddity {

/// Something is wrong with the data, the model or a file: the caller's or the data's fault.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

/// A value given by the caller is out of its range, whatever the data.
class ArgumentError : public Error {
  using Error::Error;
};

/// The work was stopped on request (Ctrl-C); everything reported so far is safe.
class Interrupted : public Error {
  using Error::Error;
};

/// A device is missing, or failed while working.
class DeviceError : public std::runtime_error {
 public:
  template <typename... Args>
  explicit DeviceError(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

}  // namespace oddity
