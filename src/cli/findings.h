// What a verification found, line by line on standard output.
#pragma once

#include <fmt/format.h>

#include <string>

namespace nuri {

/// Lines of what holds ("ok"), what does not ("NOT"), and what was not looked at ("--").
class Findings {
 public:
  void add(bool holds, const std::string& text) {
    fmt::print("{} {}\n", holds ? "ok  " : "NOT ", text);
    all_ &= holds;
  }
  void note(const std::string& text) { fmt::print("--   {}\n", text); }
  bool all() const { return all_; }

 private:
  bool all_ = true;
};

}  // namespace nuri
