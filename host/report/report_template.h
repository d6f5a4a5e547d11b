// The page that write_report() fills: report.html and, of each of its images, report_card.html, as
// they were when the library was built.
#pragma once

#include <string_view>

namespace oddity {

/// Mustache templates; the first has the second as its partial "card".
std::string_view report_template();
std::string_view report_card();

}  // namespace oddity
