// nuri selftest: this build on this machine against the committed hashes.
#include "backend/selftest.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/x1.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "train/bits.h"

namespace nuri {
namespace {

struct Options {
  std::string prefix, write;
  bool json = false, verbose = false, ops_only = false;
};

int run(const Options& o) {
  const double begin = seconds_now();
  std::vector<SelftestLine> lines = run_selftest(o.prefix);
  if (!o.ops_only)
    for (SelftestLine& line : model_bits(o.prefix)) lines.push_back(std::move(line));
  const bool passed = selftest_passed(lines);
  if (!o.write.empty()) write_file_atomic(o.write, with_hashes(read_file(o.write), lines));
  if (o.json) {
    OrderedJson j;
    j["passed"] = passed;
    j["level"] = active_level_text();
    j["profile"] = x1::kProfile;
    j["lines"] = OrderedJson::array();
    for (const SelftestLine& line : lines)
      j["lines"].push_back(
          {{"name", line.name}, {"hash", fmt::format("{:016x}", line.hash)}, {"verdict", verdict_name(line.verdict)}});
    fmt::print("{}", json_text(j));
    return passed ? kExitOk : kExitDiffers;
  }
  size_t equal = 0;
  for (const SelftestLine& line : lines) {
    equal += line.verdict == SelftestLine::Verdict::equal;
    if (o.verbose || line.verdict != SelftestLine::Verdict::equal)
      fmt::print("{:<40} {:016x}  {}\n", line.name, line.hash, verdict_name(line.verdict));
  }
  fmt::print("profile {}, level {}: {} of {} hashes equal the committed ones ({:.1f} s){}\n", x1::kProfile,
             active_level_text(), equal, lines.size(), seconds_now() - begin,
             passed ? "" : "\nThis build or machine does not compute profile x1: do not train with it.");
  return passed ? kExitOk : kExitDiffers;
}

}  // namespace

Action add_selftest(Arguments args) {
  auto o = std::make_shared<Options>();
  args.option("--prefix", o->prefix, "only entries whose name begins so");
  args.flag("--ops", o->ops_only, "functions and kernels only, no model");
  args.flag("--verbose", o->verbose, "print every hash");
  args.flag("--json", o->json, "print JSON");
  args.option("--write", o->write, "put the hashes of this run into this file (tests/bits/x1.txt)");
  args.footer("Exit code 1: a hash differs.");
  return [o] { return run(*o); };
}

}  // namespace nuri
