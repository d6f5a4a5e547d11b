#include "files/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <optional>

#include "core/error.h"
#include "core/text.h"

namespace oddity {

static_assert(std::endian::native == std::endian::little,
              "numbers of NPY files are used as they lie in the file");

namespace {

constexpr std::string_view kMagic{"\x93NUMPY", 6};
constexpr size_t kMaxHeader = 65536;  // NumPy's own fit in 200 bytes
constexpr size_t kMaxDimensions = 64;
constexpr size_t kAlignment = 64;
// NumPy leaves room for the first extent to grow to this many digits.
constexpr size_t kGrowthDigits = 21;

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// Reads the one Python literal a header may be: a dict of a string, a bool and a tuple of
/// integers.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  NpyHeader parse() {
    std::optional<std::string> type;
    std::optional<bool> fortran_order;
    std::optional<std::vector<int64_t>> shape;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !type) {
        if (peek() == '[') {
          throw Error("{}: a structured array: save its fields as arrays of numbers", name_);
        }
        type = quoted();
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = tuple();
      } else {
        fail();
      }
      if (!accept(',') && peek() != '}') fail();
    }
    skip_space();
    if (at_ != text_.size() || !type || !fortran_order || !shape) fail();
    if (*fortran_order) {
      throw Error("{}: the array is in Fortran order: save np.ascontiguousarray(array)", name_);
    }
    return {std::move(*type), std::move(*shape), 0};
  }

 private:
  [[noreturn]] void fail() const {
    throw Error("{}: damaged NPY header at byte {} of {}: write the file again", name_, at_,
                text_.size());
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail();
  }

  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail();
    const size_t end = text_.find(quote, at_ + 1);
    if (end == text_.npos) fail();
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return inside;
  }

  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    }
    fail();
  }

  int64_t integer() {
    skip_space();
    int64_t value = 0;
    const char* first = text_.data() + at_;
    const char* last = text_.data() + text_.size();
    const auto [end, error] = std::from_chars(first, last, value);
    if (error == std::errc::result_out_of_range) {
      throw Error("{}: the array's extent {} is out of range", name_,
                  printable(std::string_view(first, end)));
    }
    // Like Python: no leading zeros.
    if (error != std::errc() || (*first == '0' && end != first + 1)) fail();
    at_ += static_cast<size_t>(end - first);
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2's long integers
    return value;
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect('(');
    while (!accept(')')) {
      values.push_back(integer());
      if (!accept(',') && peek() != ')') fail();
    }
    return values;
  }

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
};

}  // namespace

size_t NpyHeader::count() const {
  size_t product = 1;
  for (const int64_t extent : shape) product *= static_cast<size_t>(extent);
  return product;
}

size_t NpyHeader::item_size() const { return static_cast<size_t>(type.at(2) - '0'); }

std::string shape_text(std::span<const int64_t> shape) {
  return shape.size() == 1 ? fmt::format("({},)", shape[0])
                           : fmt::format("({})", fmt::join(shape, ", "));
}

void check_array(const NpyHeader& array, std::string_view name) {
  const std::string_view type = array.type;
  if (type.find('O') != type.npos) {
    throw Error("{}: an array of Python objects, which are never loaded: save an array of numbers",
                name);
  }
  if (type.starts_with('>')) {
    throw Error("{}: big-endian numbers ({}): save array.astype('<{}')", name, printable(type),
                printable(type.substr(1)));
  }
  const bool known =
      type.size() == 3 && (type[0] == '<' || (type[0] == '|' && type[2] == '1')) &&
      ((type[1] == 'f' && std::string_view("248").find(type[2]) != type.npos) ||
       ((type[1] == 'u' || type[1] == 'i') && std::string_view("1248").find(type[2]) != type.npos));
  if (!known) {
    throw Error("{}: numbers of type {} are not supported: save uint8, uint16 or float32", name,
                printable(type));
  }
  if (array.shape.size() > kMaxDimensions) {
    throw Error("{}: {} dimensions, at most {} are supported", name, array.shape.size(),
                kMaxDimensions);
  }
  int64_t bytes = static_cast<int64_t>(array.item_size());
  for (const int64_t extent : array.shape) {
    if (extent < 0) {
      throw Error("{}: shape {} has a negative extent", name, shape_text(array.shape));
    }
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(extent, 1), &bytes)) {
      throw Error("{}: shape {} is larger than any file", name, shape_text(array.shape));
    }
  }
}

size_t npy_header_size(std::string_view prefix, std::string_view name) {
  if (!prefix.starts_with(kMagic)) throw Error("{}: not an NPY file", name);
  if (prefix.size() < kNpyPrefix) {
    throw Error("{}: truncated: {} bytes are too few for an NPY file", name, prefix.size());
  }
  const int major = static_cast<unsigned char>(prefix[6]);
  const int minor = static_cast<unsigned char>(prefix[7]);
  if (major < 1 || major > 3 || minor != 0) {
    throw Error("{}: NPY version {}.{} is not known: 1.0, 2.0 and 3.0 are", name, major, minor);
  }
  const size_t before = major == 1 ? 10 : 12;
  const size_t length = little_endian(prefix.substr(8, before - 8));
  if (before + length < kNpyPrefix || length > kMaxHeader) {
    throw Error("{}: an NPY header of {} bytes, expected at most {}", name, length, kMaxHeader);
  }
  return before + length;
}

NpyHeader parse_npy_header(std::string_view header, std::string_view name) {
  const size_t size = npy_header_size(header.substr(0, kNpyPrefix), name);
  if (header.size() < size) {
    throw Error("{}: truncated: the NPY header needs {} bytes, there are {}", name, size,
                header.size());
  }
  const size_t before = header[6] == 1 ? 10 : 12;
  NpyHeader parsed = HeaderParser(header.substr(before, size - before), name).parse();
  parsed.data_offset = size;
  check_array(parsed, name);
  return parsed;
}

NpyHeader parse_npy(std::string_view bytes, std::string_view name) {
  NpyHeader header = parse_npy_header(bytes, name);
  const size_t present = bytes.size() - header.data_offset;
  if (present != header.bytes()) {
    throw Error("{}: {} of shape {} need {} bytes, there are {}: write the file again", name,
                header.type, shape_text(header.shape), header.bytes(), present);
  }
  return header;
}

std::string npy_header(std::string_view type, std::span<const int64_t> shape) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", type,
                                 shape_text(shape));
  if (!shape.empty()) text.append(kGrowthDigits - fmt::formatted_size("{}", shape[0]), ' ');
  const size_t before = kMagic.size() + 4;
  const size_t unpadded = before + text.size() + 1;
  text.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  text.push_back('\n');

  std::string header(kMagic);
  header += {'\x01', '\x00'};
  header.push_back(static_cast<char>(text.size() & 0xff));
  header.push_back(static_cast<char>(text.size() >> 8));
  return header + text;
}

}  // namespace oddity
