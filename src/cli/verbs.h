// The verbs of the program, one file each, and what all of them share.
//
// Exit codes: 0 done; 1 a comparison or check did not hold; 2 bad input or usage, with a message that says what to do;
// 3 an internal error; 4 sampler and trainer of reinforcement learning differed, which they never may; 130 stopped by
// Ctrl-C after saving.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"

namespace nuri {

inline constexpr int kExitOk = 0, kExitDiffers = 1, kExitUsage = 2, kExitInternal = 3, kExitInexact = 4,
                     kExitInterrupted = 130;

/// A verb adds its arguments to `args` and returns what runs it.
using Action = std::function<int()>;
struct Verb {
  std::string_view name;
  std::string_view summary;
  Action (*add)(Arguments args);
};
std::span<const Verb> verbs();

// One function per file of this folder; the registry in verbs.cpp has a row for each.
Action add_info(Arguments args);
Action add_selftest(Arguments args);
Action add_tokenizer(Arguments args);
Action add_data(Arguments args);
Action add_tasks(Arguments args);
Action add_train(Arguments args);
Action add_sft(Arguments args);
Action add_rl(Arguments args);
Action add_report(Arguments args);
Action add_check(Arguments args);
Action add_score(Arguments args);
Action add_eval(Arguments args);
Action add_generate(Arguments args);
Action add_chat(Arguments args);
Action add_inspect(Arguments args);
Action add_diff(Arguments args);
Action add_bench(Arguments args);
Action add_profile(Arguments args);
Action add_plan(Arguments args);
Action add_ledger(Arguments args);
Action add_demo(Arguments args);

/// Parses the command line, runs the verb, turns exceptions into messages and exit codes.
int run_program(int argc, char** argv);
/// The same for a line that a verb makes: command_line() stays what was typed.
int run_line(int argc, char** argv);

/// The arguments as typed, the program first, for run records.
const std::vector<std::string>& command_line();

}  // namespace nuri
