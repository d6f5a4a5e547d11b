// What the checker knows of every byte of device and shared memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace oddity::emulator::checker {

/// The number of a stretch of one thread's work between two resumptions; 0 is none. Later stretches
/// have greater numbers.
using Stretch = std::uint32_t;

struct Cell {
  Stretch write = 0;  ///< the last one that wrote the byte
  Stretch read = 0;   ///< the last one that read it
  bool addressable : 1 = false;
  bool initialised : 1 = false;
  bool write_was_atomic : 1 = false;
  bool read_was_atomic : 1 = false;
  bool many_readers : 1 = false;      ///< several threads since the last barrier
  bool readers_in_warps : 1 = false;  ///< of several warps or blocks

  bool operator==(const Cell&) const = default;
};

/// The cells of an address, or why there are none.
struct Found {
  enum class Place { kUnwatched, kShared, kGlobal, kFreed, kBeyond, kNowhere };
  Place place = Place::kUnwatched;
  Cell* cells = nullptr;
  std::size_t count = 0;  ///< cells from there on; of a kBeyond, the bytes past the end
};

class Shadow {
 public:
  Found find(const void* address);
  /// The cells of `bytes` at an address in a live allocation; null elsewhere.
  Cell* device_cells(const void* address);

  void allocate(const void* memory, std::size_t bytes);
  void free(const void* memory);
  void reset_shared(const char* arena, std::size_t size, std::size_t used);
  void allocate_shared(const void* array, std::size_t bytes);

 private:
  std::map<std::uintptr_t, std::vector<Cell>> device_;  // by first address; live ones only
  std::uintptr_t last_begin_ = 0;                       // the allocation found last
  std::vector<Cell>* last_ = nullptr;
  std::uintptr_t arena_ = 0;
  std::vector<Cell> shared_;
};

}  // namespace oddity::emulator::checker
