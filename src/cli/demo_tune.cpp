// The later stages of the demo: fine-tuning on worked solutions, reinforcement learning, the same questions to all.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/demo.h"
#include "cli/own_process.h"
#include "cli/verbs.h"
#include "tasks/problem_row.h"
#include "tasks/problem_set.h"

namespace nuri {
namespace {

constexpr int64_t kSolutions = 2000, kQuestions = 500, kQuickQuestions = 60;
constexpr uint64_t kSolutionsSeed = 1, kQuestionsSeed = 7;

/// Remembers the task, so that a folder never mixes what belongs to two of them.
void keep_task(const DemoOptions& o) {
  const fs::path path = fs::path(o.out) / "task";
  if (!fs::exists(path)) write_file_atomic(path, o.task + "\n");
  const std::string before = read_file(path, 4096);
  NURI_CHECK(before == o.task + "\n", "{} learns {}, not {}; choose another --out (--base {} keeps the base model)",
             o.out, before.substr(0, before.find('\n')), o.task, (fs::path(o.out) / "run").string());
}

/// Worked solutions as chats.
fs::path make_solutions(const DemoOptions& o) {
  const fs::path path = fs::path(o.out) / "solutions.jsonl";
  if (fs::exists(path)) return path;
  std::string text;
  const std::vector<tasks::TaskSpec> specs = tasks::parse_tasks(o.task, 1, "--task");
  for (const tasks::TaskSpec& spec : specs) {
    const tasks::ProblemSource source(*spec.kind, tasks::ProblemSource::Language::both, spec.difficulty, kSolutionsSeed,
                                      tasks::Side::train);
    for (uint64_t i = 0; i < static_cast<uint64_t>(kSolutions) / specs.size(); ++i)
      text += tasks::chat_row(source.at(i)) + "\n";
  }
  write_file_atomic(path, text);
  return path;
}

using Words = std::vector<std::string>;

/// `nuri ARGUMENTS` in a process of its own, told before: it takes the memory that its verb plans, and a user can type
/// the same.
int run_verb(const Words& arguments) {
  std::string told;
  for (const std::string& word : arguments)
    told += word.find_first_of(" |\"") == std::string::npos ? " " + word : " '" + word + "'";
  fmt::print("  nuri{}\n", told);
  return run_in_own_process(arguments);
}

/// Runs `nuri NAME` on the last of the models with these arguments and settings (key=value), or says that it is
/// finished.
int tune(const DemoOptions& o, std::vector<DemoModel>& models, const char* name, const Words& arguments,
         const Words& settings, const Words& more_settings) {
  const fs::path dir = fs::path(o.out) / name;
  int code = kExitOk;
  if (demo_finished(dir)) {
    fmt::print("  {} is finished (remove it to train again)\n", dir.string());
  } else {
    Words words{name};
    if (const std::string recipe = demo_recipe(o, name); !recipe.empty()) words.push_back(recipe);
    words.insert(words.end(), {"--init-from", models.back().dir.string(), "--out", dir.string(), "--resume"});
    words.insert(words.end(), arguments.begin(), arguments.end());
    for (const Words* some : {&settings, &more_settings})
      for (const std::string& setting : *some) words.insert(words.end(), {"--set", setting});
    code = run_verb(words);
  }
  if (code == kExitOk) models.push_back({name, dir});
  return code;
}

}  // namespace

std::string demo_recipe(const DemoOptions& o, const char* name) {
  const fs::path path = fs::path(o.recipe).parent_path() / fmt::format("{}.toml", name);
  return fs::exists(path) ? path.string() : std::string();
}

int demo_tune(const DemoOptions& o, std::vector<DemoModel>& models) {
  if (o.skips("sft")) return kExitOk;
  keep_task(o);
  demo_stage(5, "fine-tuning on worked solutions", "풀이로 미세 조정");
  const Words quick_sft{"epochs=2"}, quick_rl{"steps=10", "eval_problems=0"}, usual;
  if (const int code =
          tune(o, models, "sft", {"--chats", make_solutions(o).string()}, o.quick ? quick_sft : usual, o.sft_settings);
      code != kExitOk || o.skips("rl"))
    return code;
  demo_stage(6, "reinforcement learning: problems without solutions, rewards by a program",
             "강화 학습: 풀이 없는 문제, 프로그램이 주는 보상");
  Words settings = o.quick ? quick_rl : usual;
  settings.insert(settings.begin(), "tasks=" + o.task);
  return tune(o, models, "rl", {}, settings, o.rl_settings);
}

fs::path demo_answers_file(const DemoOptions& o, const DemoModel& model) {
  return fs::path(o.out) / "answers" / (model.name + ".jsonl");
}

int demo_answers(const DemoOptions& o, const std::vector<DemoModel>& models) {
  demo_stage(7, "evaluation: the same held-out questions to all", "평가: 모두에게 같은 새 문제");
  fs::create_directories(fs::path(o.out) / "answers");
  std::string before;
  for (const DemoModel& model : models) {
    const fs::path file = demo_answers_file(o, model), weights = model.dir / "model.safetensors";
    fmt::print("{}:\n", model.name);
    if (fs::exists(file) && fs::last_write_time(file) > fs::last_write_time(weights)) {
      fmt::print("  {} is there\n", file.string());
    } else {
      // In the form of reinforcement learning, which is the faster one to decode with.
      Words words{"eval", model.dir.string(), "--mla-form", "absorbed", "--temperature", "0", "--task", o.task};
      words.insert(words.end(), {"--count", std::to_string(o.quick ? kQuickQuestions : kQuestions), "--problem-seed",
                                 std::to_string(kQuestionsSeed), "--max-tokens", std::to_string(o.answer_tokens),
                                 "--out", file.string()});
      if (!before.empty()) words.insert(words.end(), {"--against", before});
      if (const int code = run_verb(words); code != kExitOk) return code;
    }
    before = file.string();
  }
  return kExitOk;
}

}  // namespace nuri
