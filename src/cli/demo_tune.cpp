// The later stages of the demo: fine-tuning on worked solutions, reinforcement learning, the same questions to all.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "cli/demo.h"
#include "cli/own_process.h"
#include "cli/training.h"
#include "cli/verbs.h"
#include "ledger/run_record.h"
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
  const std::vector<tasks::TaskSpec> specs = tasks::parse_tasks(o.task, 0, "--task");  // each has its difficulty
  for (const tasks::TaskSpec& spec : specs) {
    const tasks::ProblemSource source(*spec.kind, tasks::parse_language(o.language, "language"), spec.difficulty,
                                      kSolutionsSeed, tasks::Side::train);
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
  Words told{"nuri"};
  told.insert(told.end(), arguments.begin(), arguments.end());
  fmt::print("  {}\n", shell_text(told));
  return run_in_own_process(arguments);
}

/// What a model's weights are known by: their hash, or where no run made them their place and time.
std::string weights_of(const fs::path& dir) {
  if (fs::exists(dir / "run.json"))
    if (const RunRecord r = read_run_record(dir / "run.json"); r.hashes.contains("weights"))
      return r.hashes.at("weights");
  fs::file_time_type newest{};
  for (const fs::directory_entry& file : fs::directory_iterator(dir))
    if (file.path().extension() == ".safetensors") newest = std::max(newest, fs::last_write_time(file));
  return fmt::format("{} {}", fs::canonical(dir).string(), newest.time_since_epoch().count());
}

/// Whether the finished run there began as this model, as far as that is known.
bool began_as(const fs::path& dir, const fs::path& model) {
  const RunRecord run = read_run_record(dir / "run.json");
  if (!fs::exists(model / "run.json") || !run.hashes.contains("initial_weights")) return true;
  return run.hashes.at("initial_weights") == weights_of(model);
}

void check_began_as(const fs::path& dir, const fs::path& model) {
  NURI_CHECK(began_as(dir, model), "{} began as another model than {}; remove it and what came after it to train again",
             dir.string(), model.string());
}

/// Runs `nuri NAME` on the last of the models with these arguments and settings (key=value), or says that it is
/// finished.
int tune(const DemoOptions& o, std::vector<DemoModel>& models, const char* name, const Words& arguments,
         const Words& settings, const Words& more_settings) {
  const fs::path dir = fs::path(o.out) / name;
  int code = kExitOk;
  if (demo_finished(dir)) {
    check_began_as(dir, models.back().dir);
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

void demo_keep_setup(const DemoOptions& o) {
  const std::string base = o.base.empty() ? "" : fs::weakly_canonical(o.base).string();
  const std::string setup = fmt::format("task {} ({})\nbase {}\n", o.task, o.language, base);
  const fs::path path = fs::path(o.out) / "setup";
  if (!fs::exists(path)) write_file_atomic(path, setup);
  const std::string before = read_file(path, 1 << 16);
  NURI_CHECK(before == setup, "{} was begun with other options, now\n{}then\n{}choose another --out ({})", o.out, setup,
             before, "--base PATH of a base model goes without pre-training it again");
}

int demo_tune(const DemoOptions& o, std::vector<DemoModel>& models) {
  const Words quick_sft{"epochs=2"}, quick_rl{"steps=10", "eval_problems=0"}, usual;
  const auto wanted = [&](const char* name) {
    const fs::path dir = fs::path(o.out) / name;
    if (!o.skips(name)) return true;
    if (!demo_finished(dir)) return false;
    if (began_as(dir, models.back().dir) || !o.skips("rl")) return true;
    fmt::print("  {} began as another model than {}: left out\n", dir.string(), models.back().dir.string());
    return false;
  };
  if (!wanted("sft")) return kExitOk;
  demo_stage(5, "fine-tuning on worked solutions", "풀이로 미세 조정");
  if (const int code =
          tune(o, models, "sft", {"--chats", make_solutions(o).string()}, o.quick ? quick_sft : usual, o.sft_settings);
      code != kExitOk || !wanted("rl"))
    return code;
  demo_stage(6, "reinforcement learning: problems without solutions, rewards by a program",
             "강화 학습: 풀이 없는 문제, 프로그램이 주는 보상");
  Words settings = o.rl_settings;
  settings.push_back("tasks=" + o.task);
  return tune(o, models, "rl", {}, o.quick ? quick_rl : usual, settings);
}

fs::path demo_answers_file(const DemoOptions& o, const DemoModel& model) {
  return fs::path(o.out) / "answers" / (model.name + ".jsonl");
}

namespace {

/// What asks a model: in the form of reinforcement learning, which is the faster one to decode with.
Words question_words(const DemoOptions& o, const DemoModel& model) {
  Words words{"eval", model.dir.string(), "--mla-form", "absorbed", "--temperature", "0", "--task", o.task};
  words.insert(words.end(),
               {"--language", o.language, "--count", std::to_string(o.quick ? kQuickQuestions : kQuestions),
                "--problem-seed", std::to_string(kQuestionsSeed), "--max-tokens", std::to_string(o.answer_tokens)});
  if (!o.reward.empty()) words.insert(words.end(), {"--reward", o.reward});
  return words;
}

/// What answers are known by: the weights and what was asked.
std::string answers_key(const DemoOptions& o, const DemoModel& model) {
  return weights_of(model.dir) + "\n" + shell_text(question_words(o, model)) + "\n";
}
fs::path key_file(const fs::path& answers) { return answers.string() + ".key"; }

bool has_answered(const DemoOptions& o, const DemoModel& model) {
  const fs::path file = demo_answers_file(o, model);
  return fs::exists(file) && fs::exists(key_file(file)) && read_file(key_file(file), 1 << 16) == answers_key(o, model);
}

}  // namespace

bool demo_answered(const DemoOptions& o, const std::vector<DemoModel>& models) {
  return std::all_of(models.begin(), models.end(), [&](const DemoModel& model) { return has_answered(o, model); });
}

int demo_answers(const DemoOptions& o, const std::vector<DemoModel>& models) {
  demo_stage(7, "evaluation: the same held-out questions to all", "평가: 모두에게 같은 새 문제");
  fs::create_directories(fs::path(o.out) / "answers");
  std::string before;
  for (const DemoModel& model : models) {
    const fs::path file = demo_answers_file(o, model);
    fmt::print("{}:\n", model.name);
    if (has_answered(o, model)) {
      fmt::print("  {} is there\n", file.string());
    } else {
      Words words = question_words(o, model);
      words.insert(words.end(), {"--out", file.string()});
      if (!before.empty()) words.insert(words.end(), {"--against", before});
      if (const int code = run_verb(words); code != kExitOk) return code;
      write_file_atomic(key_file(file), answers_key(o, model));
    }
    before = file.string();
  }
  return kExitOk;
}

}  // namespace nuri
