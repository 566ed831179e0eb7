// nuri tasks list | make | score.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_rows.h"
#include "cli/verbs.h"
#include "tasks/generator.h"
#include "tasks/problem_row.h"
#include "tasks/problem_set.h"
#include "tasks/scorer.h"

namespace nuri {
namespace {

int list(bool json) {
  OrderedJson j;
  if (!json) fmt::print("generators (nuri tasks make NAME):\n");
  for (const tasks::GeneratorKind& kind : tasks::generator_kinds()) {
    j["generators"].push_back({{"name", kind.name}, {"means", kind.means}, {"reward", kind.reward}});
    if (!json) fmt::print("  {:<12} {} [{}]\n", kind.name, kind.means, kind.reward);
  }
  if (!json) fmt::print("scorers (rewards are weighted sums: \"numeric=1, format=0.1, language(ko)=0.2\"):\n");
  for (const tasks::ScorerKind& kind : tasks::scorer_kinds()) {
    j["scorers"].push_back({{"name", kind.name}, {"arguments", kind.arguments}, {"means", kind.means}});
    const std::string written = *kind.arguments ? fmt::format("{}({})", kind.name, kind.arguments) : kind.name;
    if (!json) fmt::print("  {:<12} {}\n", written, kind.means);
  }
  if (json) fmt::print("{}", json_text(j));
  return kExitOk;
}

struct Make {
  std::string name, language = "both", out;
  int difficulty = 3;
  int64_t count = 10;
  uint64_t first = 0, seed = 0;
  bool held_out = false, chat = false;
};

int make(const Make& o) {
  NURI_CHECK(o.count >= 1, "--count {}: at least 1 problem", o.count);
  const tasks::ProblemSource source(tasks::generator_named(o.name, "tasks make"),
                                    tasks::parse_language(o.language, "--language"), o.difficulty, o.seed,
                                    o.held_out ? tasks::Side::held_out : tasks::Side::train);
  std::string text;
  for (uint64_t i = 0; i < static_cast<uint64_t>(o.count); ++i) {
    const tasks::Problem p = source.at(o.first + i);
    text += (o.chat ? tasks::chat_row(p) : tasks::problem_row(p)) + "\n";
    if (!o.out.empty() || text.size() < (size_t(1) << 20)) continue;
    fmt::print("{}", text);
    text.clear();
  }
  if (o.out.empty())
    fmt::print("{}", text);
  else
    write_file_atomic(o.out, text);
  return kExitOk;
}

struct ScoreFiles {
  std::string reward, problems, answers;
  bool json = false;
};

int score(const ScoreFiles& o) {
  const tasks::Reward reward(o.reward, "REWARD");
  std::vector<tasks::Problem> problems;
  for_each_json_row(read_file(o.problems), o.problems, [&](std::string_view row, const std::string& where) {
    problems.push_back(tasks::parse_problem(row, where));
    if (problems.back().id.empty()) problems.back().id = where;
    reward.check(problems.back());
  });
  NURI_CHECK(!problems.empty(), "{}: no problems", o.problems);
  struct Sums {
    int64_t n = 0;
    double reward = 0;
    std::vector<double> parts;
  };
  std::map<std::string, Sums> by_category;  // "" is all of them
  OrderedJson rows = OrderedJson::array();
  size_t at = 0;
  for_each_json_row(read_file(o.answers), o.answers, [&](std::string_view text, const std::string& where) {
    const Json json = parse_json(text, where);
    NURI_CHECK(json.is_object(), "{}: found {}; an answer is an object with \"text\"", where, json_kind(json));
    const JsonObject row(json, where);
    NURI_CHECK(at < problems.size(), "{}: there are only {} problems", where, problems.size());
    const tasks::Problem& p = problems[at++];
    const std::string answer = row.text("text");
    std::vector<double> parts;
    const double sum =
        reward.of(p, {answer, row.integer_or("tokens", 0, 0, INT64_MAX), row.boolean_or("finished", true)}, &parts);
    for (const std::string& category : {std::string(), p.category.empty() ? std::string("-") : p.category}) {
      Sums& s = by_category[category];
      ++s.n, s.reward += sum;
      s.parts.resize(parts.size());
      for (size_t i = 0; i < parts.size(); ++i) s.parts[i] += parts[i];
    }
    rows.push_back({{"id", p.id}, {"reward", sum}, {"scores", parts}});
  });
  NURI_CHECK(at == problems.size(), "{}: {} answers to {} problems; one row for each, in their order", o.answers, at,
             problems.size());
  OrderedJson j;
  for (const tasks::Reward::Part& part : reward.parts())
    j["parts"].push_back({{"name", part.name}, {"weight", part.weight}});
  if (!o.json) {
    fmt::print("{:<16} {:>8} {:>9}", "category", "answers", "reward");
    for (const tasks::Reward::Part& part : reward.parts()) fmt::print(" {:>12}", part.name);
    fmt::print("\n");
  }
  for (const auto& [category, s] : by_category) {
    const double n = static_cast<double>(s.n);
    OrderedJson means = OrderedJson::array();
    if (!o.json) fmt::print("{:<16} {:>8} {:>9.4f}", category.empty() ? "all" : category, s.n, s.reward / n);
    for (const double sum : s.parts) {
      means.push_back(sum / n);
      if (!o.json) fmt::print(" {:>12.4f}", sum / n);
    }
    if (!o.json) fmt::print("\n");
    j["categories"][category.empty() ? "all" : category] = {
        {"answers", s.n}, {"reward", s.reward / n}, {"scores", means}};
  }
  j["rows"] = std::move(rows);
  if (o.json) fmt::print("{}", json_text(j));
  return kExitOk;
}

}  // namespace

Action add_tasks(Arguments args) {
  args.need_verb();
  auto action = std::make_shared<Action>();
  auto json = std::make_shared<bool>(false);
  Arguments list_args = args.verb("list", "generators and scorers");
  list_args.flag("--json", *json, "print JSON");
  list_args.then([action, json] { *action = [json] { return list(*json); }; });

  auto m = std::make_shared<Make>();
  Arguments make_args = args.verb("make", "problems with worked solutions as JSONL, a function of seed and index");
  make_args.option("NAME", m->name, "a generator of `nuri tasks list`").required();
  make_args.option("--count", m->count, "problems (default 10)");
  make_args.option("--first", m->first, "index of the first one (default 0)");
  make_args.option("--difficulty", m->difficulty, "1 to 8 (default 3)").between(1, tasks::kMaxDifficulty);
  make_args.option("--language", m->language, "ko, en or both by turns (default)").one_of({"ko", "en", "both"});
  make_args.option("--seed", m->seed, "of the problems (default 0)");
  make_args.flag("--held-out", m->held_out, "of the eighth that training never sees, instead of the others");
  make_args.flag("--chat", m->chat, "as chats with the solution as the thought, for fine-tuning");
  make_args.option("--out", m->out, "file (default: standard output)");
  make_args.then([action, m] { *action = [m] { return make(*m); }; });

  auto s = std::make_shared<ScoreFiles>();
  Arguments score_args = args.verb("score", "what a reward gives to answers");
  score_args.option("REWARD", s->reward, "scorers with weights: \"numeric=1, format=0.1\"").required();
  score_args.option("--problems", s->problems, "JSONL as `tasks make` writes it, or as GSM8K has it").required();
  score_args.option("--answers", s->answers, "JSONL with text (also tokens, finished), a row for each problem")
      .required();
  score_args.flag("--json", s->json, "print JSON, with the scores of each answer");
  score_args.then([action, s] { *action = [s] { return score(*s); }; });
  return [action] { return (*action)(); };
}

}  // namespace nuri
