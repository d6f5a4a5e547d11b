// A library that is opened when it is first needed, so that the program starts without it and says
// what is missing in words of its own.
#pragma once

#include <span>
#include <string>

namespace oddity::cuda {

/// An opened shared library. It stays in memory until the process ends, whatever becomes of this
/// object: cuDNN and cuBLAS keep state of threads and of the driver that outlives their handles.
class SharedLibrary {
 public:
  /// Opens the first of `file_names` (in the loader's search order) that there is. Throws
  /// DeviceError with `name`, what the loader said of each file, and `cure` ("install cuDNN 9").
  SharedLibrary(std::string name, std::span<const char* const> file_names, std::string cure);

  /// What messages call the library, and what helps where it cannot be used.
  const std::string& name() const { return name_; }
  const std::string& cure() const { return cure_; }

  /// Sets `function` to the library's function `symbol`. Throws DeviceError where it has none.
  template <typename Function>
  void load(Function*& function, const char* symbol) const {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  void* address(const char* symbol) const;

  std::string name_;
  std::string cure_;
  std::string file_name_;
  void* library_ = nullptr;
};

}  // namespace oddity::cuda
