// nuri profile [options] -- VERB ...: runs a verb and records some of its steps.
#include "base/profile.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "cli/machine.h"
#include "cli/profile_text.h"
#include "cli/verbs.h"

namespace nuri {
namespace {

struct Options {
  std::string trace = "nuri-trace.json", json;
  int64_t steps = 1, skip = 2;
  int rows = 40;
  std::vector<std::string> verb;
};

/// What is said where a verb takes fewer steps than it was asked for; empty otherwise.
std::string shorter_than_asked(const Options& o, const profile::Recording& r) {
  if (r.whole && r.steps == 0) return fmt::format("{} has no steps: all of it is recorded", o.verb[0]);
  if (r.whole)
    return fmt::format("steps of {}: {}, no more than the {} to skip (--skip): all of it is recorded", o.verb[0],
                       r.steps, o.skip);
  if (r.steps >= o.steps) return "";
  return fmt::format("steps of {}: {}, of which {} after those to skip (--skip) are recorded", o.verb[0],
                     o.skip + r.steps, r.steps);
}

int run(const Options& o) {
  NURI_CHECK(!o.verb.empty(),
             "profile needs a verb after `--`, for example: nuri profile -- generate MODEL --prompt X");
  NURI_CHECK(o.verb[0] != "profile", "profile does not profile itself; name another verb after `--`");
  NURI_CHECK(o.steps >= 0 && o.skip >= 0, "--steps {} and --skip {}: neither may be negative", o.steps, o.skip);
  const cpu::Peaks peaks = machine_peaks();
  const auto write = [&](const profile::Recording& recording) {
    const std::string less = shorter_than_asked(o, recording);
    write_file_atomic(o.trace, chrome_trace(recording, peaks, active_level_text()));
    if (!o.json.empty()) write_file_atomic(o.json, json_text(profile_json(recording, peaks)));
    fmt::print(stderr, "\n{}", profile_table(recording, peaks, static_cast<size_t>(o.rows)));
    if (!less.empty()) fmt::print(stderr, "{}\n", less);
    fmt::print(stderr, "trace: {} ({} steps, {} kernels; open it in chrome://tracing or ui.perfetto.dev)\n", o.trace,
               recording.steps, recording.kernels.size());
  };
  std::optional<profile::Recording> whole;  // shown at the end, and not below an error
  profile::start(thread_count(), o.skip, o.steps, [&](profile::Recording recording) {
    if (recording.whole)
      whole = std::move(recording);
    else
      write(recording);
  });
  std::vector<std::string> words = {command_line()[0]};
  words.insert(words.end(), o.verb.begin(), o.verb.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  const int code = run_line(static_cast<int>(argv.size()), argv.data());
  profile::stop();
  if (whole && code != kExitUsage && code != kExitInternal) write(*whole);
  return code;
}

}  // namespace

Action add_profile(Arguments args) {
  auto o = std::make_shared<Options>();
  args.option(
      "--steps", o->steps,
      "steps to record (default 1): optimizer steps of train, forwards of generate, chat, score and eval, batches of "
      "data build; 0: the whole verb");
  args.option("--skip", o->skip,
              "steps before these, which pack weights and take memory (default 2); a verb without steps, or with no "
              "more than these, is recorded whole");
  args.option("--trace", o->trace,
              "where to write the trace (default nuri-trace.json), in Chrome's trace event format");
  args.option("--json", o->json, "where to write all rows of the table as JSON (default: nowhere)");
  args.option("--rows", o->rows, "rows of the table (default 40)").between(1, 100000);
  args.option("VERB", o->verb, "the verb and its arguments, after `--`");
  args.footer("The verb runs on to its end after the recording. Peaks are measured first, for about a second.");
  return [o] { return run(*o); };
}

}  // namespace nuri
