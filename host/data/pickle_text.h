// How pickles of protocols 0 to 2 write bytes: as text, a character for each byte.
#pragma once

#include <string>

#include "data/pickle_values.h"

namespace oddity::pickle {

/// Appends the bytes that `text` encodes as Latin-1 does; at most as many as it is long. False,
/// with `out` unspecified, where it is malformed or holds a character beyond Latin-1.
bool append_latin1(const Text& text, std::string& out);

}  // namespace oddity::pickle
