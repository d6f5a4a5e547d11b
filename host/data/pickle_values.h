// What the stack of the pickle interpreter holds (pickle.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace oddity::pickle {

/// The names a plain NumPy array is made of. Each is a symbol here, not something to call.
enum class Global { ndarray, dtype, reconstruct, frombuffer, encode };

struct Value;

struct None {};
/// Bytes of the file, or bytes decoded from text.
struct Bytes {
  std::string_view view;
};
/// A string: UTF-8, or in protocol 0 Latin-1 with \u escapes.
struct Text {
  std::string_view raw;
  bool escaped;
};
struct Tuple {
  std::vector<Value> items;
  int depth;  // of tuples in tuples: bounded, so that freeing them cannot exhaust the stack
};
struct Dtype {
  std::string type;  // as NumPy's descr, its byte order known only after BUILD
};
struct Array {
  bool complete = false;
  std::string type;
  std::vector<int64_t> shape;
  std::string_view numbers;
};

/// Dtype and Array are shared: BUILD changes what the memo may also hold.
struct Value {
  std::variant<None, bool, int64_t, Bytes, Text, Global, std::shared_ptr<const Tuple>,
               std::shared_ptr<Dtype>, std::shared_ptr<Array>>
      held;
};

}  // namespace oddity::pickle
