// Cells of a table of published runs that hold "key=value" pairs joined by semicolons.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/shape.h"

namespace nuri::plan {

using Pairs = std::map<std::string, std::string, std::less<>>;

/// "a=1;b=2" in order of names; a part without "=" has the value "".
Pairs pairs_of(std::string_view text);
/// The integer that a text begins with, up to 10^9, or the fallback.
int64_t leading(std::string_view text, int64_t fallback);
int64_t number(const Pairs& pairs, std::string_view key, int64_t fallback);

/// The shape that an architecture cell describes, or nothing and in `missing` what it lacks; `assumed` gets what was
/// filled in.
std::optional<ModelShape> shape_of_cell(const std::string& cell, std::string& missing,
                                        std::vector<std::string>& assumed);

}  // namespace nuri::plan
