#include "cli/eval_overlap.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "data/ngram.h"
#include "eval/statistics.h"
#include "text/tokenizer.h"

namespace nuri {

Contamination::Contamination(const std::string& data, const std::vector<std::string>& questions) {
  if (data.empty()) return;
  asked_ = true;
  const data::Dataset dataset = data::Dataset::open(data);
  const Tokenizer tokenizer = Tokenizer::load(dataset.tokenizer_dir());
  std::vector<std::vector<int32_t>> ids(questions.size());
  for (size_t i = 0; i < questions.size(); ++i) tokenizer.encode_plain_to(questions[i], ids[i]);
  for (const data::Overlap& o : data::ngram_overlap(dataset, ids)) {
    touched_.push_back(o.touched > 0);
    too_short_ += o.documents == 0;
    grams_ += o.grams;
    shared_ += o.shared;
  }
}

void Contamination::show(const std::vector<double>& shares, bool as_json, OrderedJson& json) const {
  if (!asked_) return;
  int64_t touched = 0;
  double clean_right = 0;
  for (size_t i = 0; i < touched_.size(); ++i) {
    touched += touched_[i];
    if (!touched_[i]) clean_right += shares[i];
  }
  const auto n = static_cast<int64_t>(touched_.size()), clean = n - touched;
  const double share = grams_ > 0 ? static_cast<double>(shared_) / static_cast<double>(grams_) : 0;
  const double pass = clean > 0 ? std::min(1.0, clean_right / static_cast<double>(clean)) : 0;
  OrderedJson found;
  found["questions"] = n;
  found["touched"] = touched;
  found["too_short"] = too_short_;
  found["shared_grams"] = share;
  found["pass_1_untouched"] = clean > 0 ? OrderedJson(pass) : OrderedJson(nullptr);
  json["contamination"] = found;
  if (as_json) return;
  fmt::print(
      "contamination: {} of {} questions share 13 tokens in a row with the training text ({:.2f} % of all their "
      "13-grams; {} are shorter)",
      touched, n, 100 * share, too_short_);
  if (clean > 0 && touched > 0) {
    const Interval i = wilson(pass, static_cast<double>(clean));
    fmt::print("; of the others {:.1f} % ({:.1f} to {:.1f}) are right", 100 * pass, 100 * i.low, 100 * i.high);
  }
  fmt::print("\n");
}

}  // namespace nuri
