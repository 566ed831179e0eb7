// The text of the demo: which files of Debian's manuals are read, and the generated facts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace nuri {

/// Source arguments (data/source.h) for what lies in `packages` (one unpacked package a folder); packages that are not
/// there are appended to `missing`.
std::vector<std::string> manual_sources(const std::filesystem::path& packages, std::vector<std::string>& missing);

}  // namespace nuri
