#include "data/pickle_file.h"

#include <charconv>

#include "core/error.h"

namespace oddity::pickle {

void PickleFile::not_plain() const {
  throw Error("{}: not a pickle of one plain NumPy array of numbers (at byte {}): save NPZ", name_,
              at());
}

std::string_view PickleFile::take(uint64_t size) {
  if (size > rest_.size()) {
    throw Error("{}: truncated: the pickle goes on for {} bytes, {} follow: copy it again", name_,
                size, rest_.size());
  }
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

uint64_t PickleFile::unsigned_integer(size_t size) {
  uint64_t value = 0;
  const std::string_view bytes = take(size);
  for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

int64_t PickleFile::signed_integer(uint64_t size) {
  if (size > 8) not_plain();
  if (size == 0) return 0;
  const auto unused = static_cast<int>(64 - 8 * size);
  return static_cast<int64_t>(unsigned_integer(size) << unused) >> unused;
}

std::string_view PickleFile::line() {
  const size_t end = rest_.find('\n');
  if (end == rest_.npos) take(rest_.size() + 1);
  const std::string_view text = take(end);
  take(1);
  return text;
}

int64_t PickleFile::decimal(std::string_view text) const {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) not_plain();
  return value;
}

void PickleFile::expect_end() const {
  if (rest_.empty()) return;
  throw Error("{}: {} bytes follow the end of the pickle: write the file again", name_,
              rest_.size());
}

}  // namespace oddity::pickle
