// The structures of an HDF5 file (HDF5 File Format Specification, version 3.0), decoded from
// untrusted bytes. Every function throws Error where something reaches past the end or is not
// supported; addresses are offsets from the start of `file`.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oddity::hdf5 {

inline constexpr uint64_t kUndefinedAddress = ~uint64_t{0};

/// `size` bytes of `file` from `address`; `what` is what messages call them.
std::string_view stretch(std::string_view file, uint64_t address, uint64_t size, const char* what);

/// Reads the fields of one structure one after another.
class Fields {
 public:
  Fields(std::string_view bytes, const char* what) : bytes_(bytes), what_(what) {}
  /// A little-endian number of `width` ≤ 8 bytes.
  uint64_t number(size_t width);
  std::string_view take(uint64_t size);
  std::string_view rest() const { return bytes_; }
  /// Throws Error unless the next bytes are `signature`.
  void expect(std::string_view signature);

 private:
  std::string_view bytes_;
  const char* what_;
};

enum class MessageType : uint16_t {
  dataspace = 0x01,
  link_info = 0x02,  // of groups in the newer format, which external links need
  datatype = 0x03,
  external_files = 0x07,
  layout = 0x08,
  attribute = 0x0C,
  continuation = 0x10,
  symbol_table = 0x11,  // of groups in the oldest format
};

/// One message of an object header.
struct Message {
  MessageType type;
  std::string_view data;
};

std::vector<Message> object_messages(std::string_view file, uint64_t address);

enum class TypeClass { integer, real, text, variable_text, other };

struct Type {
  TypeClass kind = TypeClass::other;
  uint64_t size = 0;  // bytes an element
  bool is_signed = false;
  std::string name;  // "float32", "big-endian int64", "text", …
};

Type parse_type(std::string_view message);
/// Extents; none for a scalar.
std::vector<int64_t> parse_extents(std::string_view message);
/// Bytes of an array of these extents and elements.
uint64_t array_bytes(const std::vector<int64_t>& extents, const Type& type);

struct Attribute {
  Type type;
  std::vector<int64_t> extents;
  std::string_view data;
};

/// The attribute in `message`, where it is the `wanted` one; others may be of any type.
std::optional<Attribute> parse_attribute(std::string_view message, std::string_view wanted);

/// The members of a group, by name, from its symbol-table message.
std::map<std::string, uint64_t> group_members(std::string_view file, std::string_view message);

/// The bytes that the descriptor of a variable-length text (length, heap, index) points at.
std::string_view variable_text(std::string_view file, std::string_view descriptor);

/// The numbers of an array, given the message that says where they lie and how many bytes they are.
std::string_view array_data(std::string_view file, std::string_view layout, uint64_t bytes);

}  // namespace oddity::hdf5
