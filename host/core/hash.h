// Fingerprints of data and weights: equal bytes, equal text; for comparing, not for security.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace oddity {

/// XXH3 (64 bits) of everything added, in the order added; where one piece ends and the next begins
/// does not matter.
class Hash {
 public:
  Hash();
  ~Hash();
  Hash(Hash&&) noexcept;
  Hash& operator=(Hash&&) noexcept;

  Hash& add(const void* data, size_t bytes);
  Hash& add(std::string_view bytes) { return add(bytes.data(), bytes.size()); }

  uint64_t value() const;
  /// "xxh3:" and 16 hexadecimal digits.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oddity
