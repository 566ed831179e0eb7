#include "train/live_report.h"

#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace nuri {
namespace {

/// The value of "kind" where a row begins with it, as all of LogWriter do; else nothing.
std::string_view kind_of(std::string_view line) {
  constexpr std::string_view kBegin = "{\"kind\":\"";
  if (!line.starts_with(kBegin)) return {};
  line.remove_prefix(kBegin.size());
  return line.substr(0, line.find('"'));
}

void each_line(const std::filesystem::path& path, const std::function<void(const std::string&)>& see) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) see(line);
}

}  // namespace

RunLog thinned_log(const std::filesystem::path& path, int64_t most) {
  std::map<std::string, int64_t, std::less<>> rows, seen;
  each_line(path, [&](const std::string& line) { ++rows[std::string(kind_of(line))]; });
  std::string text;
  each_line(path, [&](const std::string& line) {
    const std::string kind(kind_of(line));
    const int64_t n = rows[kind], left = n - ++seen[kind], stride = (n + most - 1) / most;
    // Counted from the newest row, which may be half written, or have come since the rows were counted.
    if (stride <= 1 || left % stride == 0) text += line, text += '\n';
  });
  return parse_log(text);
}

}  // namespace nuri
