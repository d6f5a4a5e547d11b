// What may occur in the pickle of a plain NumPy array: instructions and names.
#pragma once

#include <string_view>

#include "data/pickle_values.h"

namespace oddity::pickle {

/// The opcodes of Python's pickle.py that occur in a plain array.
enum Opcode : unsigned char {
  kMark = '(',
  kStop = '.',
  kInt = 'I',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kLong = 'L',
  kBinInt2 = 'M',
  kNone = 'N',
  kReduce = 'R',
  kUnicode = 'V',
  kBinUnicode = 'X',
  kBuild = 'b',
  kGlobal = 'c',
  kGet = 'g',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kPut = 'p',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kTuple = 't',
  kEmptyTuple = ')',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
};

struct KnownName {
  std::string_view module;
  std::string_view name;
  Global global;
};
// NumPy 2 renamed numpy.core to numpy._core. _codecs.encode is how protocols 0 to 2 write bytes.
inline constexpr KnownName kKnownNames[] = {
    {"numpy", "ndarray", Global::ndarray},
    {"numpy", "dtype", Global::dtype},
    {"numpy.core.multiarray", "_reconstruct", Global::reconstruct},
    {"numpy._core.multiarray", "_reconstruct", Global::reconstruct},
    {"numpy.core.numeric", "_frombuffer", Global::frombuffer},
    {"numpy._core.numeric", "_frombuffer", Global::frombuffer},
    {"_codecs", "encode", Global::encode},
};

}  // namespace oddity::pickle
