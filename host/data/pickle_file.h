// The bytes of a pickle, taken one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace oddity::pickle {

/// Every method throws Error beginning with the name where the pickle ends too early.
class PickleFile {
 public:
  PickleFile(std::string_view bytes, std::string_view name)
      : name_(name), rest_(bytes), size_(bytes.size()) {}

  std::string_view name() const { return name_; }
  size_t size() const { return size_; }
  size_t at() const { return size_ - rest_.size(); }

  std::string_view take(uint64_t size);
  /// Little-endian, of 0 to 8 bytes.
  uint64_t unsigned_integer(size_t size);
  /// Little-endian two's complement; throws Error for more than 8 bytes.
  int64_t signed_integer(uint64_t size);
  /// Up to the next newline, which is taken but not returned.
  std::string_view line();
  /// Decimal digits as a number; throws Error where `text` is anything else.
  int64_t decimal(std::string_view text) const;
  void expect_end() const;

  /// Throws Error: the pickle is something else.
  [[noreturn]] void not_plain() const;

 private:
  std::string_view name_;
  std::string_view rest_;
  size_t size_;
};

}  // namespace oddity::pickle
