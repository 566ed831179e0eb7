// Style sheet and script of the page.
#pragma once

#include <string_view>

namespace nuri::report {

extern const std::string_view kStyle;   // CSS
extern const std::string_view kScript;  // language button, values under the pointer

}  // namespace nuri::report
