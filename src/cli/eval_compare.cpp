#include "cli/eval_compare.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_rows.h"
#include "eval/statistics.h"

namespace nuri {

Comparison::Comparison(const std::string& against, const std::vector<std::string>& ids) : against_(against) {
  if (against.empty()) return;
  std::map<std::string, double> shares;
  for_each_json_row(read_file(against), against, [&](std::string_view text, const std::string& where) {
    const Json json = parse_json(text, where);
    NURI_CHECK(json.is_object(), "{}: found {}; a row that `nuri eval --out` wrote is needed", where, json_kind(json));
    const JsonObject row(json, where);
    shares[row.text("id")] = row.number("right", 0, 1);
  });
  for (const std::string& id : ids) {
    const auto found = shares.find(id);
    NURI_CHECK(found != shares.end(), "{}: problem {} is not there; both models have to answer the same ones", against,
               id);
    before_.push_back(found->second);
  }
}

void Comparison::show(const std::vector<double>& now, bool json, OrderedJson& j) const {
  if (against_.empty()) return;
  const Paired p = compare_paired(now, before_);
  j["against"] = {
      {"file", against_}, {"difference", p.mean_difference}, {"better", p.a_better}, {"worse", p.b_better}, {"p", p.p}};
  if (json) return;
  fmt::print("against {}: {:+.1f} points; better on {} problems, worse on {}, equal on {}; sign test p = {:.2g}\n",
             against_, 100 * p.mean_difference, p.a_better, p.b_better, p.n - p.a_better - p.b_better, p.p);
}

}  // namespace nuri
