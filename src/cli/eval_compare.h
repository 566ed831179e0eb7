// Two models on the same questions: what `nuri eval --out` wrote, and the comparison with it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/json.h"

namespace nuri {

/// Adds the comparison of `now` (shares of right answers to the questions `ids`) with a file's to `j`, or prints it.
/// Nothing where `against` is empty. Errors: a row without id or share, a question that the file lacks.
class Comparison {
 public:
  /// Reads the file, so that errors come before the work.
  Comparison(const std::string& against, const std::vector<std::string>& ids);
  void show(const std::vector<double>& now, bool json, OrderedJson& j) const;

 private:
  std::string against_;
  std::vector<double> before_;
};

}  // namespace nuri
