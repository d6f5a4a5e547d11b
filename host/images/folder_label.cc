#include "images/folder_label.h"

#include <charconv>
#include <system_error>

#include "data/dataset.h"

namespace oddity {

int32_t label_of_folder(std::string_view name) {
  int32_t label = kUnknownLabel;
  const char* last = name.data() + name.size();
  const auto [end, error] = std::from_chars(name.data(), last, label);
  return error == std::errc() && end == last && label >= 0 ? label : kUnknownLabel;
}

int32_t label_of_parent(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return kUnknownLabel;
  const std::string_view folder = path.substr(0, slash);
  return label_of_folder(folder.substr(folder.rfind('/') + 1));
}

}  // namespace oddity
