// What the parsers of this folder share: blanks cut off, names looked up in a registry.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"

namespace nuri::tasks {

/// Without the blanks and line ends around it.
inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\r";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

/// The end of the blanks and tabs from `at` on, which is at most the size. No line end: a number stands in one line.
inline size_t blanks_from(std::string_view text, size_t at) {
  const size_t end = text.find_first_not_of(" \t", at);
  return end == std::string_view::npos ? text.size() : end;
}

/// The entry of a registry with this name. Error: none, naming `where`, the nearest and all; `what` is "scorer".
template <class Kind>
const Kind& find_kind(std::span<const Kind> kinds, std::string_view name, std::string_view what,
                      const std::string& where) {
  std::vector<std::string_view> names;
  std::string all;
  for (const Kind& kind : kinds) {
    if (kind.name == name) return kind;
    names.push_back(kind.name);
    all += (all.empty() ? "" : ", ") + std::string(kind.name);
  }
  fail("{}: no {} is named '{}'{}; there are {}", where, what, name, did_you_mean(name, names), all);
}

}  // namespace nuri::tasks
