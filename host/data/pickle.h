// Pickles of one plain NumPy array, read as data. Nothing in a pickle is ever executed: a small
// interpreter knows the few opcodes and names such a file is made of and refuses every other.
#pragma once

#include <string>
#include <string_view>

#include "files/npy.h"

namespace oddity {

/// A NumPy array found in a pickle.
struct PickledArray {
  NpyHeader array;           // data_offset is unused
  std::string decoded;       // holds the numbers where the pickle stores them as text
  std::string_view numbers;  // exactly array.bytes(): in the pickle's own bytes or in `decoded`

  PickledArray() = default;
  PickledArray(const PickledArray&) = delete;  // `numbers` may point into `decoded`
  PickledArray& operator=(const PickledArray&) = delete;
};

/// Whether a file that starts so may be a pickle of any protocol.
bool is_pickle(std::string_view start);

/// Finds the array in a pickle of protocol 0 to 5 as Python 3 and NumPy 1 or 2 write it. `pickle`
/// must outlive `found`. Throws Error beginning with `name`, naming what is refused.
void read_pickle(std::string_view pickle, std::string_view name, PickledArray& found);

}  // namespace oddity
