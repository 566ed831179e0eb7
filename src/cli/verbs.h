// The verbs of the program, one file each, and what all of them share.
//
// Exit codes: 0 done; 1 a comparison or check did not hold; 2 bad input or usage, with a message that says what to do;
// 3 an internal error; 130 stopped by Ctrl-C after saving.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

inline constexpr int kExitOk = 0, kExitDiffers = 1, kExitUsage = 2, kExitInternal = 3, kExitInterrupted = 130;

/// A verb adds its options to `app` and returns what runs it.
using Action = std::function<int()>;
struct Verb {
  std::string_view name;
  std::string_view summary;
  Action (*add)(CLI::App& app);
};
std::span<const Verb> verbs();

// One function per file of this folder; the registry in verbs.cpp has a row for each.
Action add_info(CLI::App& app);
Action add_selftest(CLI::App& app);
Action add_tokenizer(CLI::App& app);
Action add_data(CLI::App& app);
Action add_train(CLI::App& app);
Action add_report(CLI::App& app);
Action add_check(CLI::App& app);
Action add_score(CLI::App& app);
Action add_generate(CLI::App& app);
Action add_chat(CLI::App& app);
Action add_inspect(CLI::App& app);
Action add_diff(CLI::App& app);
Action add_bench(CLI::App& app);
Action add_demo(CLI::App& app);

/// Parses the command line, runs the verb, turns exceptions into messages and exit codes.
int run_program(int argc, char** argv);

/// The arguments as typed, the program first, for run records.
const std::vector<std::string>& command_line();

}  // namespace nuri
