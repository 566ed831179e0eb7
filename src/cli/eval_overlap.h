// nuri eval --contamination DATA: how much of the questions stands in training text.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace nuri {

class Contamination {
 public:
  /// 13-grams of the questions' tokens against the training shards of a data directory, by its own tokenizer. Nothing
  /// where `data` is empty. Errors: those of Dataset::open.
  Contamination(const std::string& data, const std::vector<std::string>& questions);
  /// shares [questions]: of right answers. Adds "contamination" to the JSON, and prints how many questions share a
  /// 13-gram and how the others went unless it is what is printed.
  void show(const std::vector<double>& shares, bool as_json, OrderedJson& json) const;

 private:
  bool asked_ = false;
  std::vector<char> touched_;  ///< by question
  int64_t too_short_ = 0, grams_ = 0, shared_ = 0;
};

}  // namespace nuri
