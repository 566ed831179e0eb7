// nuri eval MODEL: answers to problems, scored: pass@1 with its interval, pass@k, majority, by category.
#include "cli/eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/documents.h"
#include "cli/eval_choices.h"
#include "cli/eval_compare.h"
#include "cli/eval_overlap.h"
#include "cli/eval_report.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "ledger/noted_run.h"
#include "tasks/generator.h"
#include "tasks/problem_row.h"
#include "train/metrics.h"

namespace nuri {
namespace {

double share_of(const std::vector<Answer>& answers) {
  double right = 0;
  for (const Answer& a : answers) right += a.right();
  return right / static_cast<double>(answers.size());
}

std::string rows_text(const Questions& q, const std::vector<std::vector<Answer>>& answers) {
  std::string text;
  for (size_t i = 0; i < answers.size(); ++i) {
    OrderedJson row = OrderedJson::parse(tasks::problem_row(q.problems[i]));
    row["right"] = share_of(answers[i]);
    for (const Answer& a : answers[i])
      row["answers"].push_back({{"text", a.text},
                                {"tokens", a.tokens},
                                {"finished", a.finished},
                                {"reward", a.reward},
                                {"scores", a.scores}});
    text += row.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  }
  return text;
}

std::vector<std::vector<Answer>> solve_with_progress(DeepseekV3& model, const Tokenizer& tokenizer, const Questions& q,
                                                     const tasks::Reward& reward, const SolveOptions& options,
                                                     const std::string& what) {
  ProgressPrinter progress;
  const double begin = seconds_now();
  const auto all_answers = static_cast<int64_t>(q.problems.size()) * options.samples;
  auto answers = solve(model, tokenizer, q.problems, reward, options, [&](int64_t ended) {
    const double left = (seconds_now() - begin) * static_cast<double>(all_answers - ended);
    progress.show(fmt::format("{}{} of {} answers, ETA {}", what, ended, all_answers,
                              ended ? duration_text(left / static_cast<double>(ended)) : "?"));
  });
  progress.end();
  return answers;
}

/// pass@1 of each seed, their mean and standard deviation.
void show_seeds(const std::vector<double>& passes, bool as_json, OrderedJson& j) {
  const Spread s = spread_of(passes);
  j["seeds"] = {{"pass_1", passes}, {"mean", s.mean}, {"deviation", s.deviation}};
  if (as_json) return;
  std::string list;
  for (const double p : passes) list += fmt::format("{}{:.1f}", list.empty() ? "" : ", ", 100 * p);
  fmt::print("pass@1 of {} seeds: {} %; mean {:.1f}, standard deviation {:.1f}\n", passes.size(), list, 100 * s.mean,
             100 * s.deviation);
}

/// Some right and some wrong answers, each with its reference.
std::vector<report::Sample> samples_of(const std::vector<tasks::Problem>& problems,
                                       const std::vector<std::vector<Answer>>& answers) {
  constexpr int kOfEach = 8;
  std::vector<report::Sample> out;
  for (const bool right : {true, false}) {
    int n = 0;
    for (size_t i = 0; i < answers.size() && n < kOfEach; ++i) {
      const Answer& a = answers[i][0];
      if (a.right() != right) continue;
      const report::Label title = right ? report::Label("right", "정답") : report::Label("wrong", "오답");
      out.push_back({title, problems[i].prompt, fmt::format("\n{}\n\n[{}]", a.text, problems[i].answer)});
      ++n;
    }
  }
  return out;
}

int run(const EvalOptions& o) {
  NURI_CHECK(o.seeds == 1 || (o.sampling.temperature > 0 && (o.choices.empty() || o.generate)),
             "--seeds {}: only drawn answers differ from seed to seed; give --temperature, or leave it out", o.seeds);
  NURI_CHECK(!o.generate || !o.choices.empty(), "--generate goes with --choices; other answers are written anyway");
  if (!o.choices.empty() && !o.generate) {
    NURI_CHECK(o.tasks.empty() && o.problems.empty() && o.reward.empty() && o.samples == 1,
               "--choices stands alone: --task, --problems, --reward and --samples are of answers that are written "
               "(--generate)");
    return eval_choices(o.model, {.file = o.choices,
                                  .out = o.out,
                                  .against = o.against,
                                  .contamination = o.contamination,
                                  .report = o.report,
                                  .count = o.count,
                                  .json = o.json});
  }
  const Questions q = read_questions(o);
  const tasks::Reward reward(q.reward, "--reward");
  for (const tasks::Problem& p : q.problems) reward.check(p);
  std::vector<std::string> ids, texts;
  for (const tasks::Problem& p : q.problems) ids.push_back(p.id), texts.push_back(p.prompt);
  const Comparison comparison(o.against, ids);
  const Contamination contamination(o.contamination, texts);
  const std::unique_ptr<DeepseekV3> model = o.model.load();
  const Tokenizer tokenizer = Tokenizer::load(o.model.directory);
  NotedRun noted("eval", command_line(), {.model = o.model.directory}, active_level_text());
  const double begin = seconds_now();
  SolveOptions solving{
      .samples = o.samples, .sampler = o.sampling.sampler(), .max_tokens = o.max_tokens, .sequences = o.batch};
  const std::vector<std::vector<Answer>> answers =
      noted.watch([&] { return solve_with_progress(*model, tokenizer, q, reward, solving, ""); });
  const double seconds = seconds_now() - begin;
  if (!o.out.empty()) write_file_atomic(o.out, rows_text(q, answers));

  std::map<std::string, std::vector<size_t>> by_category, by_language;
  std::vector<size_t> all;
  std::vector<double> now;
  double tokens = 0;
  for (size_t i = 0; i < q.problems.size(); ++i) {
    const tasks::Problem& p = q.problems[i];
    all.push_back(i);
    by_category[p.category.empty() ? "-" : p.category].push_back(i);
    if (!p.language.empty()) by_language[p.language].push_back(i);
    for (const Answer& a : answers[i]) tokens += static_cast<double>(a.tokens);
    now.push_back(share_of(answers[i]));
  }
  const Solved total = summarise(answers, all);
  OrderedJson j;
  j["reward"] = q.reward;
  if (q.passed_over.rows > 0)
    j["passed_over"] = {{"rows", q.passed_over.rows}, {"of", q.passed_over.of}, {"first", q.passed_over.first}};
  j["all"] = solved_json(total);
  if (!o.json) print_solved_heading(total), print_solved("all", total);
  for (const auto& [kind, groups] : {std::pair("by_category", &by_category), std::pair("by_language", &by_language)})
    for (const auto& [name, chosen] : *groups) {
      const Solved s = summarise(answers, chosen);
      j[kind][name] = solved_json(s);
      if (!o.json && groups->size() > 1) print_solved(name, s);
    }
  // What was read and written, every sequence once.
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < q.problems.size(); ++i)
    for (const Answer& a : answers[i])
      lengths.push_back(static_cast<int64_t>(tokenizer.encode(q.problems[i].prompt).size()) + a.tokens);
  noted.record().tokens = std::accumulate(lengths.begin(), lengths.end(), int64_t(0)) * o.seeds;
  noted.record().flops = forward_flops(model->config(), lengths, false) * static_cast<double>(o.seeds);
  noted.record().family = "deepseek_v3";
  noted.record().results["pass_1"] = total.pass_1;
  if (q.passed_over.rows > 0) noted.record().results["passed_over"] = static_cast<double>(q.passed_over.rows);
  j["seconds"] = seconds;
  j["tokens_per_s"] = tokens / seconds;
  if (!o.json) fmt::print("{:.0f} tokens in {}, {:.0f} tokens/s\n", tokens, duration_text(seconds), tokens / seconds);
  if (o.seeds > 1) {
    std::vector<double> passes{total.pass_1};
    for (int64_t i = 1; i < o.seeds; ++i) {
      ++solving.sampler.seed;
      passes.push_back(
          summarise(solve_with_progress(*model, tokenizer, q, reward, solving, fmt::format("seed {}: ", i + 1)), all)
              .pass_1);
    }
    show_seeds(passes, o.json, j);
  }
  comparison.show(now, o.json, j);
  contamination.show(now, o.json, j);
  if (!o.report.empty()) write_file_atomic(o.report, eval_page(o.model.directory, j, samples_of(q.problems, answers)));
  noted.finish();
  if (o.json) fmt::print("{}", json_text(j));
  return kExitOk;
}

}  // namespace

Action add_eval(Arguments args) {
  auto o = std::make_shared<EvalOptions>();
  o->model.add(args);
  args.option("--task", o->tasks,
              "held-out problems of a generator (`nuri tasks list`), \"word\" or \"word:5\" (repeated)")
      .one_value_each();
  args.option("--problems", o->problems,
              "JSONL of problems instead (prompt and answer, or the keys of known sets: docs/tasks.md)");
  args.option("--choices", o->choices,
              "JSONL of multiple choice instead (query, choices, gold, or the keys of known sets): the likeliest "
              "ending counts");
  args.flag("--generate", o->generate,
            "with --choices: the model writes the letter of its choice, as an answer in a chat");
  args.option("--reward", o->reward, "scorers, the first of which decides what is right (default: the task's)");
  args.option("--count", o->count, "problems of each task (default 200), or of the file (default: all)")
      .between(1, 1 << 30);
  args.option("--difficulty", o->difficulty, "of tasks without their own, 1 to 8 (default 3)")
      .between(1, tasks::kMaxDifficulty);
  args.option("--language", o->language, "of tasks: ko, en or both by turns (default)").one_of({"ko", "en", "both"});
  args.option("--problem-seed", o->problem_seed, "of the tasks' problems (default 0)");
  args.option("--samples", o->samples, "answers to each problem (default 1)").between(1, 4096);
  args.option("--seeds", o->seeds, "the whole again with the next seeds: how far pass@1 moves (default 1)")
      .between(1, 1000);
  args.option("--max-tokens", o->max_tokens, "longest answer, tokens (default 256)").between(1, 1 << 30);
  o->sampling.add(args);
  args.option("--batch", o->batch, "answers decoded together (default 64); no bit depends on it").between(1, 4096);
  args.option("--out", o->out, "JSONL: each problem with its answers and scores");
  args.option("--report", o->report, "HTML page: the table, comparisons, some right and some wrong answers");
  args.option("--against", o->against, "what --out wrote for another model: paired comparison, sign test");
  args.option("--contamination", o->contamination,
              "directory of shards: how many questions share 13 tokens in a row with its training text");
  args.flag("--json", o->json, "print JSON");
  args.footer(
      "pass@1 is the share of right answers, with Wilson's interval for the number of problems; pass@k the chance that "
      "one\n"
      "of k is right; majority that of the most frequent final answer.\n"
      "example: nuri eval runs/sft --task arithmetic:2 --count 500 --temperature 0");
  return [o] { return run(*o); };
}

}  // namespace nuri
