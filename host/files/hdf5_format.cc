#include "files/hdf5_format.h"

#include <limits>

#include "core/error.h"
#include "core/text.h"

namespace oddity::hdf5 {
namespace {

// More than any Keras file holds, and few enough to walk however they are arranged.
constexpr size_t kMaxMessages = 65536;
constexpr size_t kMaxMembers = 65536;
constexpr size_t kMaxName = 4096;
constexpr size_t kMaxRank = 32;

// Structures of the oldest format are padded to multiples of eight.
uint64_t padded(uint64_t size) { return (size + 7) / 8 * 8; }

// Bits of a message's flags and of an attribute's.
constexpr uint64_t kSharedMessage = 2;
constexpr uint64_t kSharedParts = 3;

// Properties of IEEE numbers, as they stand in a datatype message behind class, bits and size.
constexpr std::string_view kFloat16("\x00\x00\x10\x00\x0a\x05\x00\x0a\x0f\x00\x00\x00", 12);
constexpr std::string_view kFloat32("\x00\x00\x20\x00\x17\x08\x00\x17\x7f\x00\x00\x00", 12);
constexpr std::string_view kFloat64("\x00\x00\x40\x00\x34\x0b\x00\x34\xff\x03\x00\x00", 12);

Type real_type(uint64_t bits, uint64_t size, Fields& fields) {
  const std::string_view properties = fields.take(12);
  const uint64_t normalisation = bits >> 4 & 3;  // 2: the leading 1 is not stored
  const uint64_t sign_bit = bits >> 8 & 0xff;
  const bool ieee =
      normalisation == 2 && sign_bit == 8 * size - 1 &&
      ((size == 2 && properties == kFloat16) || (size == 4 && properties == kFloat32) ||
       (size == 8 && properties == kFloat64));
  if (!ieee) return {TypeClass::other, size, true, "an unusual floating-point type"};
  const bool big_endian = (bits & 1) != 0;
  return {big_endian ? TypeClass::other : TypeClass::real, size, true,
          fmt::format("{}float{}", big_endian ? "big-endian " : "", 8 * size)};
}

Type integer_type(uint64_t bits, uint64_t size, Fields& fields) {
  const uint64_t offset = fields.number(2);
  const uint64_t precision = fields.number(2);
  if (size > 8 || offset != 0 || precision != 8 * size) {
    return {TypeClass::other, size, false, "an unusual integer type"};
  }
  const bool big_endian = (bits & 1) != 0;
  const bool is_signed = (bits & 8) != 0;
  return {
      big_endian ? TypeClass::other : TypeClass::integer, size, is_signed,
      fmt::format("{}{}int{}", big_endian ? "big-endian " : "", is_signed ? "" : "u", 8 * size)};
}

// Takes `count` entries from what a group may still hold; a damaged tree may come by the same
// entries many times.
void spend(size_t& budget, uint64_t count) {
  if (count > budget) throw Error("a group has more than {} members", kMaxMembers);
  budget -= count;
}

void append_members(std::string_view file, std::string_view names, uint64_t node_address,
                    size_t& budget, std::map<std::string, uint64_t>& members) {
  Fields node(stretch(file, node_address, 8, "a symbol table"), "a symbol table");
  node.expect("SNOD");
  node.take(2);
  const uint64_t count = node.number(2);
  spend(budget, count);
  Fields entries(stretch(file, node_address + 8, 40 * count, "a symbol table"), "a symbol table");
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t name_offset = entries.number(8);
    const uint64_t object = entries.number(8);
    const uint64_t kind = entries.number(4);
    entries.take(20);
    if (name_offset >= names.size()) throw Error("damaged HDF5: a name lies outside its heap");
    const std::string_view from = names.substr(name_offset, kMaxName);
    const size_t length = from.find('\0');
    if (length == from.npos) throw Error("damaged HDF5: a name does not end");
    constexpr uint64_t kSymbolicLink = 2;
    // Links by name lead to other places, in time to other files; Keras writes none.
    members[std::string(from.substr(0, length))] =
        kind == kSymbolicLink ? kUndefinedAddress : object;
  }
}

void walk_tree(std::string_view file, std::string_view names, uint64_t address, uint64_t level,
               size_t& budget, std::map<std::string, uint64_t>& members) {
  Fields head(stretch(file, address, 24, "a group's tree"), "a group's tree");
  head.expect("TREE");
  const uint64_t type = head.number(1);
  const uint64_t found_level = head.number(1);
  const uint64_t count = head.number(2);
  if (type != 0 || found_level != level) {
    throw Error("damaged HDF5: a group's tree is malformed at byte {}", address);
  }
  spend(budget, count);
  Fields entries(stretch(file, address + 24, 16 * count, "a group's tree"), "a group's tree");
  for (uint64_t i = 0; i < count; ++i) {
    entries.take(8);  // key
    const uint64_t child = entries.number(8);
    if (level == 0) {
      append_members(file, names, child, budget, members);
    } else {
      walk_tree(file, names, child, level - 1, budget, members);
    }
  }
}

}  // namespace

std::string_view stretch(std::string_view file, uint64_t address, uint64_t size, const char* what) {
  if (address > file.size() || size > file.size() - address) {
    throw Error(
        "damaged HDF5: {} of {} bytes at byte {} reaches past the end of the file, {} bytes", what,
        size, address, file.size());
  }
  return file.substr(address, size);
}

uint64_t Fields::number(size_t width) {
  const std::string_view bytes = take(width);
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  return value;
}

std::string_view Fields::take(uint64_t size) {
  if (size > bytes_.size()) throw Error("damaged HDF5: {} ends too early", what_);
  const std::string_view taken = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return taken;
}

void Fields::expect(std::string_view signature) {
  if (take(signature.size()) != signature) {
    throw Error("damaged HDF5: {} does not begin with {}", what_, signature);
  }
}

std::vector<Message> object_messages(std::string_view file, uint64_t address) {
  Fields header(stretch(file, address, 16, "an object"), "an object");
  if (const uint64_t version = header.number(1); version != 1) {
    throw Error(
        "an object header at byte {} has version {}, version 1 is read: the file is damaged "
        "or was written with another libver than Keras uses; save it from Keras again",
        address, version);
  }
  header.take(7);
  std::vector<std::string_view> blocks = {
      stretch(file, address + 16, header.number(4), "an object")};
  std::vector<Message> messages;
  for (size_t b = 0; b < blocks.size(); ++b) {
    Fields block(blocks[b], "an object");
    while (block.rest().size() >= 8) {
      const auto type = static_cast<MessageType>(block.number(2));
      const uint64_t size = block.number(2);
      const uint64_t flags = block.number(1);
      block.take(3);
      const std::string_view data = block.take(size);
      if (messages.size() == kMaxMessages) {
        throw Error("damaged HDF5: an object has more than {} messages", kMaxMessages);
      }
      if (type == MessageType::continuation) {
        Fields where(data, "a continuation");
        const uint64_t offset = where.number(8);
        blocks.push_back(stretch(file, offset, where.number(8), "a continuation"));
      } else if ((flags & kSharedMessage) != 0) {
        throw Error("an object uses a named datatype, which is not supported");
      }
      messages.push_back({type, data});
    }
  }
  return messages;
}

Type parse_type(std::string_view message) {
  Fields fields(message, "a datatype");
  const uint64_t kind = fields.number(1) & 15;
  const uint64_t bits = fields.number(3);
  const uint64_t size = fields.number(4);
  if (size == 0) throw Error("damaged HDF5: a datatype of 0 bytes");
  switch (kind) {
    case 0:
      return integer_type(bits, size, fields);
    case 1:
      return real_type(bits, size, fields);
    case 3:
      return {TypeClass::text, size, false, "text"};
    case 9:
      if ((bits & 15) == 1 && size == 16) return {TypeClass::variable_text, size, false, "text"};
      return {TypeClass::other, size, false, "a list"};
    default:
      return {TypeClass::other, size, false, fmt::format("HDF5 type class {}", kind)};
  }
}

std::vector<int64_t> parse_extents(std::string_view message) {
  Fields fields(message, "a dataspace");
  const uint64_t version = fields.number(1);
  const uint64_t rank = fields.number(1);
  fields.take(1);  // flags: whether largest extents follow
  if (version == 1) {
    fields.take(5);
  } else if (version == 2) {
    constexpr uint64_t kNull = 2;
    if (fields.number(1) == kNull) throw Error("an array or attribute has no value");
  } else {
    throw Error("damaged HDF5: a dataspace of version {}", version);
  }
  if (rank > kMaxRank) throw Error("damaged HDF5: an array of {} dimensions", rank);
  std::vector<int64_t> extents;
  for (uint64_t i = 0; i < rank; ++i) {
    const uint64_t extent = fields.number(8);
    if (extent > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      throw Error("damaged HDF5: an extent of {}", extent);
    }
    extents.push_back(static_cast<int64_t>(extent));
  }
  return extents;
}

uint64_t array_bytes(const std::vector<int64_t>& extents, const Type& type) {
  uint64_t bytes = type.size;
  for (const int64_t extent : extents) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(extent), &bytes)) {
      throw Error("an array's extents multiply to more than 2^64 bytes");
    }
  }
  return bytes;
}

std::optional<Attribute> parse_attribute(std::string_view message, std::string_view wanted) {
  Fields fields(message, "an attribute");
  const uint64_t version = fields.number(1);
  if (version < 1 || version > 3) throw Error("damaged HDF5: an attribute of version {}", version);
  const uint64_t flags = fields.number(1);
  const uint64_t name_size = fields.number(2);
  const uint64_t type_size = fields.number(2);
  const uint64_t space_size = fields.number(2);
  if (version == 3) fields.take(1);  // character set of the name
  const auto part = [&](uint64_t size) { return fields.take(version == 1 ? padded(size) : size); };
  const std::string_view name = part(name_size);
  if (name.substr(0, name.find('\0')) != wanted) return std::nullopt;
  if (version > 1 && (flags & kSharedParts) != 0) {
    throw Error("attribute {} uses a named datatype, which is not supported", printable(wanted));
  }
  Attribute attribute;
  attribute.type = parse_type(part(type_size).substr(0, type_size));
  attribute.extents = parse_extents(part(space_size).substr(0, space_size));
  attribute.data = fields.take(array_bytes(attribute.extents, attribute.type));
  return attribute;
}

std::map<std::string, uint64_t> group_members(std::string_view file, std::string_view message) {
  Fields table(message, "a group");
  const uint64_t tree = table.number(8);
  const uint64_t heap_address = table.number(8);
  Fields heap(stretch(file, heap_address, 32, "a group's names"), "a group's names");
  heap.expect("HEAP");
  heap.take(4);
  const uint64_t names_size = heap.number(8);
  heap.take(8);
  const std::string_view names = stretch(file, heap.number(8), names_size, "a group's names");

  std::map<std::string, uint64_t> members;
  size_t budget = kMaxMembers;
  const uint64_t level =
      Fields(stretch(file, tree, 24, "a group's tree").substr(5), "a group's tree").number(1);
  walk_tree(file, names, tree, level, budget, members);
  return members;
}

std::string_view variable_text(std::string_view file, std::string_view descriptor) {
  Fields fields(descriptor, "a text");
  const uint64_t length = fields.number(4);
  const uint64_t collection = fields.number(8);
  const uint64_t index = fields.number(4);
  if (length == 0) return {};
  Fields head(stretch(file, collection, 16, "a heap"), "a heap");
  head.expect("GCOL");
  head.take(4);
  const uint64_t size = head.number(8);
  Fields objects(stretch(file, collection, size, "a heap"), "a heap");
  objects.take(16);
  while (objects.rest().size() >= 16) {
    const uint64_t found = objects.number(2);
    objects.take(6);
    const uint64_t object_size = objects.number(8);
    if (found == 0) break;  // the free space at the end
    if (found == index) {
      if (length > object_size) throw Error("damaged HDF5: a text is longer than its place");
      return objects.take(object_size).substr(0, length);
    }
    if (object_size > objects.rest().size()) break;
    objects.take(padded(object_size));
  }
  throw Error("damaged HDF5: a text is missing from the heap at byte {}", collection);
}

std::string_view array_data(std::string_view file, std::string_view layout, uint64_t bytes) {
  Fields fields(layout, "an array");
  const uint64_t version = fields.number(1);
  const uint64_t kind = fields.number(1);
  if (version == 3 && kind == 0) {
    const uint64_t size = fields.number(2);
    if (size != bytes) throw Error("declares {} bytes and stores {}", bytes, size);
    return fields.take(size);
  }
  if (version == 3 && kind == 1) {
    const uint64_t address = fields.number(8);
    const uint64_t size = fields.number(8);
    if (bytes == 0) return {};
    if (address == kUndefinedAddress) throw Error("was never written");
    if (size != bytes) throw Error("declares {} bytes and stores {}", bytes, size);
    return stretch(file, address, size, "an array");
  }
  throw Error(
      "is stored in chunks or other files; contiguous arrays, as Keras writes them, are "
      "read: use h5repack --layout=CONTI --filter=NONE, or save it from Keras again");
}

}  // namespace oddity::hdf5
