#include "cli/eval_choices.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "arch/counts.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/documents.h"
#include "cli/eval_compare.h"
#include "cli/eval_overlap.h"
#include "cli/eval_report.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "eval/choices.h"
#include "eval/statistics.h"
#include "ledger/noted_run.h"
#include "train/metrics.h"

namespace nuri {
namespace {

struct Sums {
  int64_t n = 0, right = 0, right_per_byte = 0;
  double by_chance = 0;
};

OrderedJson json_of(const Sums& s) {
  const double n = static_cast<double>(s.n), share = static_cast<double>(s.right) / n,
               per_byte = static_cast<double>(s.right_per_byte) / n;
  const Interval i = wilson(share, n), j = wilson(per_byte, n);
  return {{"questions", s.n},
          {"accuracy", share},
          {"low", i.low},
          {"high", i.high},
          {"accuracy_per_byte", per_byte},
          {"low_per_byte", j.low},
          {"high_per_byte", j.high},
          {"by_chance", s.by_chance / n}};
}

void print_row(const std::string& what, const Sums& s) {
  const OrderedJson j = json_of(s);
  const auto percent = [&](const char* key) { return 100 * j[key].get<double>(); };
  fmt::print("{:<20} {:>9} {:>8.1f} % {:>5.1f} to {:>5.1f} {:>8.1f} % {:>5.1f} to {:>5.1f} {:>8.1f} %\n", what, s.n,
             percent("accuracy"), percent("low"), percent("high"), percent("accuracy_per_byte"),
             percent("low_per_byte"), percent("high_per_byte"), percent("by_chance"));
}

}  // namespace

int eval_choices(const ModelOptions& model_options, const ChoiceOptions& o) {
  const std::vector<ChoiceQuestion> questions = read_choices(o.file, o.count);
  std::vector<std::string> ids, texts;
  for (const ChoiceQuestion& q : questions) {
    ids.push_back(q.id);
    texts.push_back(q.contexts[q.contexts.size() > 1 ? q.gold : 0] + q.endings[q.gold]);
  }
  const Comparison comparison(o.against, ids);
  const Contamination contamination(o.contamination, texts);
  const std::unique_ptr<DeepseekV3> model = model_options.load();
  const Tokenizer tokenizer = Tokenizer::load(model_options.directory);
  NotedRun noted("eval", command_line(), {.model = model_options.directory}, active_level_text());
  ProgressPrinter progress;
  const double begin = seconds_now(), all_questions = static_cast<double>(questions.size());
  const std::vector<Chosen> chosen = choose(*model, tokenizer, questions, [&](int64_t done) {
    const double share = static_cast<double>(done) / all_questions;
    progress.show(fmt::format("{} of {} questions, ETA {}", done, questions.size(),
                              done ? duration_text((seconds_now() - begin) * (1 - share) / share) : "?"));
  });
  progress.end();
  const double seconds = seconds_now() - begin;
  // Every ending behind its context, each read by itself.
  std::vector<int64_t> lengths;
  for (const ChoiceQuestion& q : questions)
    for (size_t e = 0; e < q.endings.size(); ++e)
      lengths.push_back(
          static_cast<int64_t>(tokenizer.encode(q.contexts[q.contexts.size() > 1 ? e : 0] + q.endings[e]).size()));
  noted.record().family = "deepseek_v3";
  noted.record().tokens = std::accumulate(lengths.begin(), lengths.end(), int64_t(0));
  noted.record().flops = forward_flops(model->config(), lengths, false);
  Sums total;
  std::map<std::string, Sums> by_category;
  std::vector<double> now;
  std::string rows;
  for (size_t i = 0; i < questions.size(); ++i) {
    const ChoiceQuestion& q = questions[i];
    const bool right = chosen[i].most == q.gold;
    for (Sums* s : {&total, &by_category[q.category.empty() ? "-" : q.category]}) {
      ++s->n;
      s->right += right;
      s->right_per_byte += chosen[i].most_per_byte == q.gold;
      s->by_chance += 1 / static_cast<double>(q.endings.size());
    }
    now.push_back(right);
    const OrderedJson row = {{"id", q.id},
                             {"category", q.category},
                             {"right", right ? 1 : 0},
                             {"gold", q.gold},
                             {"chosen", chosen[i].most},
                             {"chosen_per_byte", chosen[i].most_per_byte},
                             {"log_likelihoods", chosen[i].log_likelihoods}};
    rows += row.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  }
  if (!o.out.empty()) write_file_atomic(o.out, rows);
  OrderedJson j;
  j["all"] = json_of(total);
  for (const auto& [name, sums] : by_category) j["by_category"][name] = json_of(sums);
  j["seconds"] = seconds;
  if (!o.json) {
    fmt::print("{:<20} {:>9} {:>10} {:>14} {:>10} {:>14} {:>10}\n", "category", "questions", "right", "95 %",
               "per byte", "95 %", "by chance");
    print_row("all", total);
    for (const auto& [name, sums] : by_category)
      if (by_category.size() > 1) print_row(name, sums);
    fmt::print("{}\n", duration_text(seconds));
  }
  comparison.show(now, o.json, j);
  contamination.show(now, o.json, j);
  if (!o.report.empty()) write_file_atomic(o.report, eval_page(model_options.directory, j, {}));
  noted.record().results["accuracy"] = static_cast<double>(total.right) / static_cast<double>(total.n);
  noted.finish();
  if (o.json) fmt::print("{}", json_text(j));
  return kExitOk;
}

}  // namespace nuri
