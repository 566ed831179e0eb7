// The later stages of the demo: fine-tuning on worked solutions, reinforcement learning, the same questions to all.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/demo.h"
#include "cli/eval.h"
#include "cli/tuning.h"
#include "cli/verbs.h"
#include "tasks/problem_row.h"
#include "tasks/problem_set.h"

namespace nuri {
namespace {

constexpr int64_t kSolutions = 2000, kQuestions = 500, kQuickQuestions = 60;
constexpr uint64_t kSolutionsSeed = 1, kQuestionsSeed = 7;

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

/// Runs a stage, or says that it is finished. `options`: of its verb, all but recipe, directory and settings.
template <class Run, class Options>
int tune(const DemoOptions& o, std::vector<DemoModel>& models, const char* name, Run run, Options options,
         const std::vector<std::string>& settings) {
  const fs::path dir = fs::path(o.out) / name;
  int code = kExitOk;
  if (demo_finished(dir)) {
    fmt::print("  {} is finished (remove it to train again)\n", dir.string());
  } else {
    options.recipe = demo_recipe(o, name);
    options.training.out = dir.string();
    options.training.init_from = models.back().dir.string();
    options.training.resume = true;
    options.training.settings.insert(options.training.settings.end(), settings.begin(), settings.end());
    code = run(options);
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
  demo_stage(5, "fine-tuning on worked solutions", "풀이로 미세 조정");
  SftOptions sft;
  sft.files.train = {make_solutions(o).string()};
  if (o.quick) sft.training.settings = {"epochs=2"};
  if (const int code = tune(o, models, "sft", run_sft, sft, o.sft_settings); code != kExitOk || o.skips("rl"))
    return code;
  demo_stage(6, "reinforcement learning: problems without solutions, rewards by a program",
             "강화 학습: 풀이 없는 문제, 프로그램이 주는 보상");
  RlOptions rl;
  rl.training.settings = {"tasks=" + o.task};
  if (o.quick) rl.training.settings.insert(rl.training.settings.end(), {"steps=10", "eval_problems=0"});
  return tune(o, models, "rl", run_rl, rl, o.rl_settings);
}

fs::path demo_answers_file(const DemoOptions& o, const DemoModel& model) {
  return fs::path(o.out) / "answers" / (model.name + ".jsonl");
}

void demo_answers(const DemoOptions& o, const std::vector<DemoModel>& models) {
  demo_stage(7, "evaluation: the same held-out questions to all", "평가: 모두에게 같은 새 문제");
  fs::create_directories(fs::path(o.out) / "answers");
  std::string before;
  for (const DemoModel& model : models) {
    const fs::path file = demo_answers_file(o, model), weights = model.dir / "model.safetensors";
    fmt::print("{}:\n", model.name);
    if (fs::exists(file) && fs::last_write_time(file) > fs::last_write_time(weights)) {
      fmt::print("  {} is there\n", file.string());
    } else {
      EvalOptions e;
      e.model.directory = model.dir.string();
      e.model.form = "absorbed";  // that of reinforcement learning, and the faster one to decode with
      e.sampling.temperature = 0;
      e.tasks = {o.task};
      e.count = o.quick ? kQuickQuestions : kQuestions;
      e.problem_seed = kQuestionsSeed;
      e.max_tokens = o.answer_tokens;
      e.out = file.string();
      e.against = before;
      run_eval(e);
    }
    before = file.string();
  }
}

}  // namespace nuri
