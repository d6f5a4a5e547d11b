// What a call throws, as text: a test then looks for the thing, both values and the cure in it.
#pragma once

#include <exception>
#include <string>

namespace oddity::test {

/// The message of the `Exception` that `call` throws; where it throws none, a text that says so.
template <typename Exception, typename Call>
std::string error_text(Call&& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("(another type of error) ") + error.what();
  }
  return "(no error)";
}

}  // namespace oddity::test
