// nuri plan published: the error of predictions on runs that others published, each group of runs left out of the fit.
#include "cli/plan_published.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "cli/documents.h"
#include "plan/fit.h"

namespace nuri {
namespace {

using namespace plan;

struct Options {
  std::string file;
  bool json = false, rows = false, constants = false, fixed = false;
};

/// Errors of counted rows, by group and in all.
struct Table {
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> groups;  // left out, in sample
  std::vector<double> left_out, in_sample, low, derived;
};

Table table_of(const FitResult& result) {
  Table t;
  for (const RunError& e : result.errors) {
    if (e.run->confidence == "low") {
      t.low.push_back(e.left_out);
      continue;
    }
    if (e.run->derived) {
      t.derived.push_back(e.left_out);
      continue;
    }
    t.left_out.push_back(e.left_out);
    t.in_sample.push_back(e.in_sample);
    t.groups[e.run->group].first.push_back(e.left_out);
    t.groups[e.run->group].second.push_back(e.in_sample);
  }
  return t;
}

OrderedJson summary_json(const std::vector<double>& errors) {
  const ErrorSummary s = summarise(errors);
  return {{"rows", s.n}, {"median", s.median}, {"p90", s.p90}, {"bias", std::expm1(s.mean_log)}};
}

OrderedJson result_json(const std::vector<PublishedRun>& runs, const FitResult& result, bool fixed) {
  const Table t = table_of(result);
  OrderedJson out{{"rows", runs.size()},
                  {"constants_fixed", fixed},
                  {fixed ? "errors" : "left_out", summary_json(t.left_out)},
                  {"in_sample", summary_json(t.in_sample)},
                  {"low_confidence", summary_json(t.low)},
                  {"derived_targets", summary_json(t.derived)}};
  OrderedJson constants;
  for (size_t i = 0; i < kConstants; ++i) {
    const ConstantInfo& info = constant_infos()[i];
    constants[std::string(info.name)] = {{"value", result.all.value[i]},
                                         {"prior", info.prior},
                                         {"unit", info.unit},
                                         {"meaning", info.meaning},
                                         {"source", info.source}};
  }
  out["constants"] = constants;
  OrderedJson groups;
  for (const auto& [name, errors] : t.groups)
    groups[name] = {{"left_out", summary_json(errors.first)}, {"in_sample", summary_json(errors.second)}};
  out["groups"] = groups;
  OrderedJson rows = OrderedJson::array();
  for (const RunError& e : result.errors)
    rows.push_back({{"id", e.run->id},
                    {"target", target_name(e.run->target)},
                    {"measured", e.run->measured},
                    {"counts", e.run->counts()},
                    {"left_out", e.left_out},
                    {"in_sample", e.in_sample},
                    {"assumed", e.run->assumed}});
  out["predicted_rows"] = rows;
  OrderedJson refused = OrderedJson::array();
  for (const PublishedRun& run : runs)
    if (!run.job) refused.push_back({{"id", run.id}, {"missing", run.missing}});
  out["refused_rows"] = refused;
  return out;
}

void print_table(const std::vector<PublishedRun>& runs, const FitResult& result, const Options& o) {
  const Table t = table_of(result);
  fmt::print("{:<30} {:>5} {:>22} {:>22}\n{:<30} {:>5} {:>22} {:>22}\n", "", "",
             o.fixed ? "these constants, %" : "group left out, %", o.fixed ? "the same, %" : "in the fit, %", "group",
             "rows", "median   p90    bias", "median   p90    bias");
  const auto line = [](const std::string& name, const std::vector<double>& left_out,
                       const std::vector<double>& in_sample) {
    const ErrorSummary a = summarise(left_out), b = summarise(in_sample);
    fmt::print("{:<30} {:>5} {:>7.1f} {:>6.1f} {:>+7.1f} {:>7.1f} {:>6.1f} {:>+7.1f}\n", name, a.n, 100 * a.median,
               100 * a.p90, 100 * std::expm1(a.mean_log), 100 * b.median, 100 * b.p90, 100 * std::expm1(b.mean_log));
  };
  for (const auto& [name, errors] : t.groups) line(name, errors.first, errors.second);
  line("all that count", t.left_out, t.in_sample);
  const auto apart = [](const char* name, const std::vector<double>& errors) {
    const ErrorSummary s = summarise(errors);
    fmt::print("{:<30} {:>5} {:>7.1f} {:>6.1f} {:>+7.1f}\n", name, s.n, 100 * s.median, 100 * s.p90,
               100 * std::expm1(s.mean_log));
  };
  apart("apart: derived targets", t.derived);
  apart("apart: low confidence", t.low);
  size_t refused = 0;
  for (const PublishedRun& run : runs) refused += !run.job;
  fmt::print("\n{} of {} rows predicted; refused, for want of:\n", runs.size() - refused, runs.size());
  for (const PublishedRun& run : runs)
    if (!run.job) fmt::print("  {:<46} {}\n", run.id, run.missing);
  if (o.constants) {
    fmt::print("\n{:<16} {:>11} {:>9}  {}\n", "constant", "fitted", "prior", "unit: meaning (source of the prior)");
    for (size_t i = 0; i < kConstants; ++i) {
      const ConstantInfo& info = constant_infos()[i];
      fmt::print("{:<16} {:>11.5g} {:>9.4g}  {}: {} ({})\n", info.name, result.all.value[i], info.prior, info.unit,
                 info.meaning, info.source);
    }
  }
  if (!o.rows) return;
  fmt::print("\n{:<50} {:<13} {:>9} {:>9} {:>9}\n", "row", "target", "tokens/s", "left out", "in fit");
  for (const RunError& e : result.errors) {
    std::string assumed;
    for (const std::string& a : e.run->assumed) assumed += (assumed.empty() ? "" : "; ") + a;
    fmt::print("{:<50} {:<13} {:>9.5g} {:>+8.1f}% {:>+8.1f}%{} {}\n", e.run->id, target_name(e.run->target),
               e.run->measured, 100 * e.left_out, 100 * e.in_sample, e.run->counts() ? " " : "*", assumed);
  }
  fmt::print("*: does not count (derived target or low confidence)\n");
}

int run(const Options& o) {
  const std::vector<PublishedRun> runs = read_published(o.file);
  FitResult result;
  if (o.fixed) {
    result.all = fitted_constants();
    for (const PublishedRun& r : runs)
      if (r.job) result.errors.push_back({&r, error_of(r, result.all), error_of(r, result.all)});
  } else {
    ProgressPrinter progress;
    result = cross_validate(
        runs, [&](size_t done, size_t all) { progress.show(fmt::format("fit without group {} of {}", done, all)); });
    progress.end();
  }
  if (o.json)
    fmt::print("{}", json_text(result_json(runs, result, o.fixed)));
  else
    print_table(runs, result, o);
  return kExitOk;
}

}  // namespace

void add_plan_published(Arguments& args, const std::shared_ptr<Action>& action) {
  auto o = std::make_shared<Options>();
  Arguments published =
      args.verb("published", "the error of predictions on published runs, each group left out of the fit");
  published.pass_upwards();
  published.option("RUNS", o->file, "CSV of published runs (columns: docs/plan.md)").required();
  published.flag("--rows", o->rows, "also print each run");
  published.flag("--constants", o->constants,
                 "also print the fitted constants, what they mean and where their priors come from");
  published.flag("--fixed", o->fixed, "no fit: the constants of this program, for runs that it was not fitted to");
  published.flag("--json", o->json, "print JSON");
  published.then([action, o] { *action = [o] { return run(*o); }; });
}

}  // namespace nuri
