// The nearest of a list of names, for messages such as "did you mean ...".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace nuri {

/// The candidate with the fewest single-character edits from `name` (ties: the first), or "" where even that one
/// differs in more than a third of its characters (at least two edits are always forgiven).
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates);

/// " (did you mean \"x\"?)", or "" where nothing is near.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace nuri
