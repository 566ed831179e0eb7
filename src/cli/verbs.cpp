#include "cli/verbs.h"

#include <clocale>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

#include "base/error.h"
#include "base/threads.h"
#include "ledger/ledger.h"
#include "nuri_commit.h"

namespace nuri {
namespace {

constexpr Verb kVerbs[] = {
    {"info", "this machine: CPU level, peaks, bandwidth, cores and memory allowed", add_info},
    {"selftest", "check this build on this machine against committed hashes (about 2 s)", add_selftest},
    {"tokenizer", "train, encode, decode", add_tokenizer},
    {"data", "build token shards from text; show what a step saw", add_data},
    {"tasks", "problems whose answers a program checks: make them, score answers", add_tasks},
    {"train", "train a model by a recipe", add_train},
    {"sft", "fine-tune a model on chats: only what the assistant says is learned", add_sft},
    {"rl", "reinforcement learning: a model answers, a program rewards, the model learns", add_rl},
    {"report", "write report.html of a run from its log", add_report},
    {"check", "compare a model directory with golden outputs, gradients and optimizer steps", add_check},
    {"score", "log-probability of each token of a text; bits per byte of held-out data", add_score},
    {"eval", "answer problems and score them: pass@k with intervals, by category, two models compared", add_eval},
    {"generate", "continue prompts", add_generate},
    {"chat", "talk to a model in the terminal", add_chat},
    {"diff", "compare two sets of weights: first differing tensor, largest difference, equal bits or not", add_diff},
    {"inspect", "configuration, tensors, parameters, bytes, tokenizer and provenance of a model", add_inspect},
    {"bench", "measure kernels, steps, decoding and text on this machine", add_bench},
    {"profile", "run a verb and record where the time of its steps goes: table and trace", add_profile},
    {"plan", "time, memory, energy and money of a training run, before it begins", add_plan},
    {"ledger", "what was run and what it took: every run, failed ones too; where a model comes from", add_ledger},
    {"demo", "the whole road: text, tokenizer, pre-training, fine-tuning, rewards, evaluation, chat", add_demo},
};

std::vector<std::string> g_command_line;

}  // namespace

std::span<const Verb> verbs() { return kVerbs; }
const std::vector<std::string>& command_line() { return g_command_line; }

int run_program(int argc, char** argv) {
  const FlushSubnormals flush;
  std::setlocale(LC_ALL, "C");
  g_command_line.assign(argv, argv + argc);
  use_ledger(default_ledger_path());
  return run_line(argc, argv);
}

int run_line(int argc, char** argv) {
  CommandLine line("nuri: raw text in, a served reasoning model out", "nuri 0.1.0, commit " NURI_COMMIT);
  Arguments args = line.arguments();
  args.need_verb();
  args.footer(
      "Exit codes: 0 done; 1 a comparison or check did not hold; 2 bad input or usage; 3 internal error;\n"
      "4 sampler and trainer differed (rl); 130 stopped by a signal after saving.");
  int threads = 0;
  args.option("--threads", threads, "threads to use (default: the cores this process may use, or NURI_THREADS)")
      .between(1, 1024);
  Action action;
  for (const Verb& verb : kVerbs) {
    Arguments of_verb = args.verb(std::string(verb.name), std::string(verb.summary));
    of_verb.pass_upwards();
    Action run = verb.add(of_verb);
    of_verb.then([&action, run] {
      if (!action) action = run;
    });
  }
  if (const auto ended = line.parse(argc, argv)) {
    if (ended->empty()) return kExitOk;
    std::fprintf(stderr, "nuri: %s\n", ended->c_str());
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
  } catch (const std::bad_alloc&) {  // nothing is allocated here
    std::fprintf(stderr,
                 "nuri: no memory is left; allow this process more (ulimit, control group), or ask for less at once "
                 "(--memory and the sizes of the verb)\n");
    return kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nuri: internal error: %s\n", error.what());
    return kExitInternal;
  }
}

}  // namespace nuri
