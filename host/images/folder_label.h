// The label that an image has by lying in a folder of that name, as sets of images are often kept.
#pragma once

#include <cstdint>
#include <string_view>

namespace oddity {

/// The name of a folder as a label: "7" → 7; kUnknownLabel where it is no whole number ≥ 0.
int32_t label_of_folder(std::string_view name);

/// The same of the folder that `path` lies in: "set/7/a.png" → 7.
int32_t label_of_parent(std::string_view path);

}  // namespace oddity
