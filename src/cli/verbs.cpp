#include "cli/verbs.h"

#include <clocale>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "base/error.h"
#include "base/nearest.h"
#include "base/threads.h"
#include "nuri_commit.h"

namespace nuri {
namespace {

constexpr Verb kVerbs[] = {
    {"info", "this machine: CPU level, peaks, bandwidth, cores and memory allowed", add_info},
    {"selftest", "check this build on this machine against committed hashes (about 2 s)", add_selftest},
    {"tokenizer", "train, encode, decode", add_tokenizer},
    {"data", "build token shards from text; show what a step saw", add_data},
    {"train", "train a model by a recipe", add_train},
    {"report", "write report.html of a run from its log", add_report},
    {"check", "compare a model directory with golden outputs, gradients and optimizer steps", add_check},
    {"score", "log-probability of each token of a text", add_score},
    {"generate", "continue prompts", add_generate},
    {"chat", "talk to a model in the terminal", add_chat},
    {"diff", "compare two sets of weights: first differing tensor, largest difference, equal bits or not", add_diff},
    {"inspect", "configuration, tensors, parameters, bytes, tokenizer and provenance of a model", add_inspect},
    {"bench", "measure kernels, steps, decoding and text on this machine", add_bench},
    {"demo", "the whole road: text, tokenizer, shards, training, report, chat", add_demo},
};

std::vector<std::string> g_command_line;

/// What to say where the first word that is no option, at either level, names no verb; "" where all do.
std::string unknown_verb(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--threads") ++i;  // and its value
    if (word.starts_with("-")) continue;
    std::vector<std::string> names;
    const CLI::App* next = nullptr;
    for (const CLI::App* sub : at->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(sub->get_name());
      if (sub->get_name() == word) next = sub;
    }
    if (names.empty()) return {};
    const std::vector<std::string_view> views(names.begin(), names.end());
    if (!next)
      return fmt::format("unknown verb \"{}{}\"{}; allowed are {}", path, word, did_you_mean(word, views),
                         fmt::join(names, ", "));
    path += word + " ";
    at = next;
  }
  return {};
}

}  // namespace

std::span<const Verb> verbs() { return kVerbs; }
const std::vector<std::string>& command_line() { return g_command_line; }

int run_program(int argc, char** argv) {
  const FlushSubnormals flush;
  std::setlocale(LC_ALL, "C");
  g_command_line.assign(argv, argv + argc);

  CLI::App app{"nuri: raw text in, a served reasoning model out"};
  app.set_version_flag("--version", std::string("nuri 0.1.0, commit ") + NURI_COMMIT);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done; 1 a comparison or check did not hold; 2 bad input or usage; 3 internal error;\n"
      "130 stopped by a signal after saving.");
  int threads = 0;
  app.add_option("--threads", threads, "threads to use (default: the cores this process may use, or NURI_THREADS)")
      ->check(CLI::Range(1, 1024));
  Action action;
  for (const Verb& verb : kVerbs) {
    CLI::App* sub = app.add_subcommand(std::string(verb.name), std::string(verb.summary));
    sub->fallthrough();
    Action run = verb.add(*sub);
    sub->final_callback([&action, run] {
      if (!action) action = run;
    });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error), kExitOk;  // help and version
    const std::string found = unknown_verb(app, argc, argv);
    if (!found.empty()) {
      std::fprintf(stderr, "nuri: %s\n", found.c_str());
    } else {
      std::fprintf(stderr, "nuri: %s; see --help\n", error.what());
    }
    return kExitUsage;
  }
  try {
    if (threads > 0) set_thread_count(threads);
    return action();
  } catch (const Error& error) {
    std::fprintf(stderr, "nuri: %s\n", error.what());
    return kExitUsage;
  } catch (const std::filesystem::filesystem_error& error) {
    std::fprintf(stderr, "nuri: %s; check the path, the permissions and the space left\n", error.what());
    return kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nuri: internal error: %s\n", error.what());
    return kExitInternal;
  }
}

}  // namespace nuri
