// nuri check DIR: the parity table of train/parity.h.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "cli/verbs.h"
#include "train/parity.h"

namespace nuri {
namespace {

int print_json(const ParityReport& report) {
  OrderedJson out;
  out["passed"] = report.passed();
  out["rows"] = OrderedJson::array();
  for (const ParityRow& r : report.rows)
    out["rows"].push_back(
        {{"what", r.what}, {"measured", r.measured}, {"bound", r.bound}, {"passed", r.passed()}, {"detail", r.detail}});
  out["absent"] = report.absent;
  out["notes"] = report.notes;
  fmt::print("{}", json_text(out));
  return report.passed() ? kExitOk : kExitDiffers;
}

int print_table(const ParityReport& report) {
  size_t width = 20;
  for (const ParityRow& r : report.rows) width = std::max(width, r.what.size());
  fmt::print("{:<{}}  {:>10}  {:>10}\n", "compared", width, "measured", "bound");
  for (const ParityRow& r : report.rows)
    fmt::print("{:<{}}  {:>10.3g}  {:>10.3g}  {}  {}\n", r.what, width, r.measured, r.bound,
               r.passed() ? "ok    " : "FAILED", r.detail);
  for (const std::string& a : report.absent) fmt::print("absent: {}\n", a);
  for (const std::string& n : report.notes) fmt::print("note: {}\n", n);
  fmt::print("{}\n", report.passed() ? "all within bounds" : "NOT within bounds");
  return report.passed() ? kExitOk : kExitDiffers;
}

}  // namespace

Action add_check(Arguments args) {
  auto directory = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  args.option("DIR", *directory, "directory with config.json, weights and golden files").required();
  args.flag("--json", *json, "print JSON");
  args.footer("Exit code 0: all within bounds; 1: a bound is passed.\nexample: nuri check golden/deepseek_v3");
  return [directory, json] {
    const ParityReport report = check_parity(*directory);
    NURI_CHECK(!report.rows.empty(), "{}: nothing to compare, for {}", *directory, fmt::join(report.absent, "; "));
    return *json ? print_json(report) : print_table(report);
  };
}

}  // namespace nuri
