#include "files/hdf5_reader.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace oddity {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are given as they lie in files");

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
// All texts of one attribute together; Keras' largest, the configuration, takes a few 10 kB.
constexpr size_t kMaxText = size_t{16} << 20;

std::string attribute_name(std::string_view path, std::string_view name) {
  return path.empty() ? fmt::format("attribute {}", name)
                      : fmt::format("attribute {} of {}", name, printable(path));
}

const hdf5::Message* first(const std::vector<hdf5::Message>& messages, hdf5::MessageType type) {
  for (const hdf5::Message& message : messages) {
    if (message.type == type) return &message;
  }
  return nullptr;
}

}  // namespace

bool Hdf5Reader::recognises(std::string_view bytes) { return bytes.starts_with(kSignature); }

Hdf5Reader::Hdf5Reader(std::string bytes) : bytes_(std::move(bytes)) {
  hdf5::Fields fields(bytes_, "the superblock");
  fields.expect(kSignature);
  const uint64_t version = fields.number(1);
  if (version > 1) {
    throw Error(
        "HDF5 superblock version {} is newer than 1, which h5py and Keras write: save it "
        "from Keras again, without libver",
        version);
  }
  fields.take(4);
  const uint64_t address_size = fields.number(1);
  const uint64_t length_size = fields.number(1);
  if (address_size != 8 || length_size != 8) {
    throw Error("HDF5 addresses of {} and lengths of {} bytes are not supported, only 8",
                address_size, length_size);
  }
  fields.take(version == 0 ? 9 : 13);
  const uint64_t base = fields.number(8);
  fields.take(8);
  const uint64_t end = fields.number(8);
  const uint64_t driver = fields.number(8);
  fields.take(8);
  root_ = fields.number(8);
  if (base != 0 || driver != hdf5::kUndefinedAddress) {
    throw Error("damaged HDF5, or a part of a file in several parts");
  }
  if (end > bytes_.size()) {
    throw Error("truncated: the HDF5 file had {} bytes and holds {}", end, bytes_.size());
  }
}

std::optional<uint64_t> Hdf5Reader::find(std::string_view path) const {
  uint64_t address = root_;
  std::string_view walked;
  for (size_t at = 0; at < path.size();) {
    const std::string name(path.substr(at, path.find('/', at) - at));
    const auto messages = hdf5::object_messages(bytes_, address);
    const hdf5::Message* table = first(messages, hdf5::MessageType::symbol_table);
    if (first(messages, hdf5::MessageType::link_info) != nullptr) {
      throw Error(
          "{} holds links to other files, or is in a newer format: save the model from "
          "Keras again",
          walked.empty() ? "the root group" : printable(walked));
    }
    if (table == nullptr) return std::nullopt;  // not a group
    const auto members = hdf5::group_members(bytes_, table->data);
    const auto member = members.find(name);
    if (member == members.end()) return std::nullopt;
    if (member->second == hdf5::kUndefinedAddress) {
      throw Error("{} is a link by name, which is not followed: save the model from Keras again",
                  printable(name));
    }
    address = member->second;
    at += name.size() + 1;
    walked = path.substr(0, at - 1);
  }
  return address;
}

uint64_t Hdf5Reader::address_of(std::string_view path) const {
  const std::optional<uint64_t> address = find(path);
  if (!address) throw Error("there is no {} in the file", printable(path));
  return *address;
}

bool Hdf5Reader::has(std::string_view path) const { return find(path).has_value(); }

std::optional<hdf5::Attribute> Hdf5Reader::find_attribute(std::string_view path,
                                                          std::string_view name) const {
  for (const hdf5::Message& message : hdf5::object_messages(bytes_, address_of(path))) {
    if (message.type != hdf5::MessageType::attribute) continue;
    if (auto attribute = hdf5::parse_attribute(message.data, name)) return attribute;
  }
  return std::nullopt;
}

bool Hdf5Reader::has_attribute(std::string_view path, std::string_view name) const {
  return find_attribute(path, name).has_value();
}

hdf5::Attribute Hdf5Reader::attribute(std::string_view path, std::string_view name) const {
  auto found = find_attribute(path, name);
  if (!found) throw Error("{} is missing", attribute_name(path, name));
  return std::move(*found);
}

std::vector<std::string> Hdf5Reader::texts(std::string_view path, std::string_view name) const {
  const hdf5::Attribute found = attribute(path, name);
  const uint64_t count = found.data.size() / found.type.size;
  std::vector<std::string> texts;
  size_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view text = found.data.substr(i * found.type.size, found.type.size);
    if (found.type.kind == hdf5::TypeClass::variable_text) {
      text = hdf5::variable_text(bytes_, text);
    } else if (found.type.kind != hdf5::TypeClass::text) {
      throw Error("{} is {}, not text", attribute_name(path, name), found.type.name);
    }
    total += text.size();
    if (total > kMaxText) {
      throw Error("{} is longer than {} bytes", attribute_name(path, name), kMaxText);
    }
    texts.emplace_back(text.substr(0, text.find('\0')));
  }
  return texts;
}

std::string Hdf5Reader::text(std::string_view path, std::string_view name) const {
  std::vector<std::string> all = texts(path, name);
  if (all.size() != 1) {
    throw Error("{} holds {} texts, not 1", attribute_name(path, name), all.size());
  }
  return std::move(all.front());
}

double Hdf5Reader::real(std::string_view path, std::string_view name) const {
  const hdf5::Attribute found = attribute(path, name);
  if (found.type.kind != hdf5::TypeClass::real || found.type.size != 8 || found.data.size() != 8) {
    throw Error("{} is {}, not one float64", attribute_name(path, name), found.type.name);
  }
  return std::bit_cast<double>(hdf5::Fields(found.data, "an attribute").number(8));
}

uint64_t Hdf5Reader::natural(std::string_view path, std::string_view name) const {
  const hdf5::Attribute found = attribute(path, name);
  if (found.type.kind != hdf5::TypeClass::integer || found.type.is_signed ||
      found.data.size() != found.type.size) {
    throw Error("{} is {}, not one unsigned integer", attribute_name(path, name), found.type.name);
  }
  return hdf5::Fields(found.data, "an attribute").number(found.type.size);
}

Hdf5Reader::Array Hdf5Reader::array(std::string_view path) const {
  const auto messages = hdf5::object_messages(bytes_, address_of(path));
  const hdf5::Message* space = first(messages, hdf5::MessageType::dataspace);
  const hdf5::Message* type = first(messages, hdf5::MessageType::datatype);
  const hdf5::Message* layout = first(messages, hdf5::MessageType::layout);
  if (space == nullptr || type == nullptr || layout == nullptr) {
    throw Error("{} is not an array", printable(path));
  }
  try {
    if (first(messages, hdf5::MessageType::external_files) != nullptr) {
      throw Error("keeps its numbers in another file, which is not opened");
    }
    const hdf5::Type element = hdf5::parse_type(type->data);
    Array array{hdf5::parse_extents(space->data), element.name, {}};
    array.bytes = hdf5::array_data(bytes_, layout->data, hdf5::array_bytes(array.shape, element));
    return array;
  } catch (const Error& error) {
    throw Error("array {}: {}", printable(path), error.what());
  }
}

template <typename T>
std::vector<T> Hdf5Reader::list(std::string_view path) const {
  constexpr const char* kType = sizeof(T) == sizeof(float) ? "float32" : "float64";
  const Array found = array(path);
  if (found.type != kType || found.shape.size() != 1) {
    throw Error("array {} has {} dimensions of {}, a list of {} was expected", printable(path),
                found.shape.size(), found.type, kType);
  }
  std::vector<T> values(found.bytes.size() / sizeof(T));
  std::copy_n(found.bytes.data(), found.bytes.size(), reinterpret_cast<char*>(values.data()));
  return values;
}

template std::vector<float> Hdf5Reader::list(std::string_view path) const;
template std::vector<double> Hdf5Reader::list(std::string_view path) const;

}  // namespace oddity
