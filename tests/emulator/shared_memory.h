// The shared memory of the block that a worker runs: one arena, in which every array lies between
// red zones and is filled with NaN.
#pragma once

#include <cstddef>
#include <vector>

namespace oddity::emulator {

class SharedMemory {
 public:
  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  /// Forgets all arrays; `dynamic` bytes belong to the launch.
  void reset(std::size_t dynamic);
  /// The array of `key`, made at its first use. Ends the block beyond shared_maximum() in all.
  void* array(const void* key, std::size_t bytes, std::size_t alignment);
  void* dynamic();

 private:
  struct Array {
    const void* key;
    std::size_t offset;
    std::size_t bytes;
  };
  char* arena_;
  std::size_t used_ = 0;
  std::size_t dynamic_ = 0;
  std::vector<Array> arrays_;
};

}  // namespace oddity::emulator
