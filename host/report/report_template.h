// The page that write_report() fills: report.html, as it was when the library was built.
#pragma once

#include <string_view>

namespace oddity {

/// A Mustache template.
std::string_view report_template();

}  // namespace oddity
