// nuri demo: text -> tokenizer -> shards -> pre-training -> fine-tuning -> reinforcement learning -> evaluation ->
// report -> chat.
#include "cli/demo.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/chat.h"
#include "cli/verbs.h"
#include "data/facts.h"
#include "ledger/run_record.h"
#include "models/load.h"
#include "tasks/problem_set.h"
#include "train/metrics.h"
#include "train/recipe.h"

namespace nuri {

void demo_stage(int number, const char* english, const char* korean) {
  fmt::print("\n[{}/9] {} · {}\n", number, english, korean);
  std::fflush(stdout);
}

bool demo_finished(const fs::path& run) {
  return fs::exists(run / "config.json") && fs::exists(run / "run.json") &&
         read_run_record(run / "run.json").outcome == "finished";
}

namespace {

constexpr const char* kTask = "letters:2";  // where neither option nor recipe says
constexpr int kDifficulty = 3;              // of a task without its own, as in `nuri rl` and `nuri eval`

/// To ask a model without anybody at the terminal: held-out problems of what it was taught, or facts like those of the
/// text it read.
std::vector<std::string> questions_for(const DemoOptions& o, bool tuned) {
  std::vector<std::string> questions;
  const std::vector<tasks::TaskSpec> taught = tasks::parse_tasks(o.task, kDifficulty, "--task");
  for (uint64_t i = 0; i < 4; ++i) {
    if (!tuned) {
      questions.push_back(data::make_fact(1, 20 * i + i % 2).question);
      continue;
    }
    const tasks::TaskSpec& spec = taught[i % taught.size()];
    const tasks::ProblemSource source(*spec.kind, tasks::parse_language(o.language, "language"), spec.difficulty, 1,
                                      tasks::Side::held_out);
    questions.push_back(source.at(i).prompt);
  }
  return questions;
}

int talk(const DemoOptions& o, const fs::path& run_dir, bool tuned) {
  demo_stage(9, "chat", "대화");
  LoadOptions load;
  load.dtype = DType::bf16;
  load.serving = true;
  const LoadedModel loaded = load_model(run_dir, load);
  const Tokenizer tokenizer = Tokenizer::load(run_dir);
  SamplerOptions sampler;
  sampler.temperature = 0;
  Conversation conversation(*loaded.model, tokenizer, sampler, 96);
  if (!o.no_chat && !o.json && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) return chat_loop(conversation);
  for (const std::string& question : questions_for(o, tuned)) {
    conversation.clear();
    fmt::print("  > {}\n", question);
    std::string answer = conversation.ask(question);
    for (size_t at = 0; (at = answer.find('\n', at)) != std::string::npos; at += 5) answer.replace(at, 1, "\n    ");
    fmt::print("    {}\n", answer);
  }
  return kExitOk;
}

/// While alive, what is printed to standard output goes to standard error.
class AsideScope {
 public:
  explicit AsideScope(bool on) : kept_(on ? ::dup(STDOUT_FILENO) : -1) { point(on ? STDERR_FILENO : -1); }
  ~AsideScope() {
    point(kept_);
    if (kept_ >= 0) ::close(kept_);
  }
  AsideScope(const AsideScope&) = delete;
  AsideScope& operator=(const AsideScope&) = delete;

 private:
  static void point(int fd) {
    std::fflush(stdout);
    if (fd >= 0) ::dup2(fd, STDOUT_FILENO);
  }
  int kept_;
};

int run_stages(const DemoOptions& o, OrderedJson& result) {
  const double begin = seconds_now();
  fs::create_directories(o.out);
  demo_keep_setup(o);
  std::vector<DemoModel> models{{"base", o.base.empty() ? fs::path(o.out) / "run" : fs::path(o.base)}};
  const auto stopped = [] {
    fmt::print("stopped and saved; run the same command again to continue\n");
    return kExitInterrupted;
  };
  if (o.base.empty())
    if (const int code = demo_base(o, models[0].dir, result); code != kExitOk) return stopped();
  if (const int code = demo_tune(o, models); code != kExitOk) return code == kExitInterrupted ? stopped() : code;
  if (!o.skips("eval"))
    if (const int code = demo_answers(o, models); code != kExitOk) return code == kExitInterrupted ? stopped() : code;
  if (!o.skips("report")) {
    if (demo_answered(o, models))
      result["report"] = demo_report(o, models, result).string();
    else
      fmt::print("  no report: stage 7 (eval) was skipped, and not all of these models have answered yet\n");
  }
  fmt::print("  all stages so far: {}\n", duration_text(seconds_now() - begin));
  result["model"] = models.back().dir.string();
  return o.skips("chat") ? kExitOk : talk(o, models.back().dir, models.size() > 1);
}

/// What the recipe of reinforcement learning says of problems and answers; --task comes before it.
void follow_recipe(DemoOptions& o) {
  const ResolvedRecipe r = load_recipe(demo_recipe(o, "rl"), o.rl_settings, {.policy = true, .checked = false});
  NURI_CHECK(r.policy->problems.empty(),
             "problems = {}: the demo makes its problems and their solutions itself (--task); `nuri rl` takes files",
             r.policy->problems);
  std::string tasks;
  for (const tasks::TaskSpec& spec : tasks::parse_tasks(!o.task.empty()           ? o.task
                                                        : r.policy->tasks.empty() ? kTask
                                                                                  : r.policy->tasks,
                                                        kDifficulty, "--task"))
    tasks += fmt::format("{}{}:{}", tasks.empty() ? "" : ",", spec.kind->name, spec.difficulty);
  o.task = tasks;
  o.reward = r.policy->reward;
  o.language = r.policy->language;
  o.answer_tokens = r.policy->answer_tokens > 0 ? r.policy->answer_tokens : r.recipe.length / 2;
}

int run(DemoOptions o) {
  demo_check_skips(o);
  follow_recipe(o);
  OrderedJson result;
  int code = kExitOk;
  {
    const AsideScope aside(o.json);
    code = run_stages(o, result);
  }
  if (o.json && code == kExitOk) fmt::print("{}", json_text(result));
  return code;
}

}  // namespace

Action add_demo(Arguments args) {
  auto o = std::make_shared<DemoOptions>();
  args.option("--packages", o->packages, "directory with unpacked Debian manuals (./run demo fetches them)");
  args.option("--text", o->text, "your own text instead: PATH or PATH::key=value,... (may be repeated)")
      .one_value_each();
  args.option("--out", o->out, "directory for everything (default demo)");
  args.option("--recipe", o->recipe, "recipe (default recipes/nano/recipe.toml)");
  args.option("--set", o->settings, "key=value over the recipe's (may be repeated)").one_value_each();
  args.option("--base", o->base, "a model directory in place of stages 1 to 4, with a chat template");
  args.option(
      "--task", o->task,
      "problems to learn, with difficulty (`nuri tasks list`; default: those that rl.toml beside --recipe names)");
  args.option("--set-sft", o->sft_settings, "key=value for fine-tuning (recipe: sft.toml beside --recipe; repeated)")
      .one_value_each();
  args.option("--set-rl", o->rl_settings, "key=value for reinforcement learning (rl.toml; repeated)").one_value_each();
  args.option(
          "--skip", o->skip,
          "text, tokenizer, shards, train, sft, rl, eval, report or chat (repeated): its result is there, or nothing "
          "needs it")
      .one_value_each();
  args.option("--minutes", o->minutes,
              "minutes of training, as many steps as fit (default: 3000 steps, or 240 with --quick, and "
              "down to a third where all stages would take over 20 minutes with AVX-512 or 30 without, with --quick "
              "fewer where these would take over 2)")
      .between(0.0, 100000.0);
  args.flag("--quick", o->quick, "a few minutes in all: to see every stage, not a good model");
  args.flag("--json", o->json, "print the closing figures as JSON; the stages report on standard error");
  args.flag("--no-chat", o->no_chat, "samples instead of a conversation");
  return [o] { return run(*o); };
}

}  // namespace nuri
