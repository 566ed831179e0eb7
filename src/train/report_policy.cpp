#include <algorithm>
#include <set>
#include <string>

#include "train/report_charts.h"

namespace nuri {
namespace {

using report::Label;
using report::LineChart;
using report::Series;

constexpr size_t kMostParts = 64;  // of a log from elsewhere: each is a series over all steps

double part_of(const std::map<std::string, double>& parts, const std::string& name) {
  const auto found = parts.find(name);
  return found == parts.end() ? 0 : found->second;
}

template <class Row>
std::set<std::string> names_of(const std::vector<Row>& rows, std::map<std::string, double> Row::*values) {
  std::set<std::string> names;
  for (const Row& row : rows)
    for (const auto& [name, value] : row.*values)
      if (names.size() < kMostParts) names.insert(name);
  return names;
}

LineChart of_policy(Label title, Label y, const std::vector<PolicyRow>& rows, Label name, double PolicyRow::*value,
                    double factor = 1) {
  return chart_of(std::move(title), std::move(y),
                  {series_of(std::move(name), rows, [&](const PolicyRow& r) { return factor * (r.*value); })});
}

LineChart from_zero(LineChart chart) {
  chart.from_zero = true;
  return chart;
}

void add_held_out(report::Page& page, const std::vector<SolveRow>& rows) {
  const auto percent = [&](Label name, double SolveRow::*value, bool dashed) {
    return series_of(
        std::move(name), rows, [&](const SolveRow& r) { return 100 * (r.*value); }, dashed);
  };
  page.add_line_chart(from_zero(chart_of({"Held-out problems", "따로 떼어 둔 문제"}, {"right, %", "정답, %"},
                                         {percent({"pass@1", "pass@1"}, &SolveRow::pass_1, false),
                                          percent({"95 %, low", "95 %, 아래"}, &SolveRow::low, true),
                                          percent({"95 %, high", "95 %, 위"}, &SolveRow::high, true)})));
  std::vector<Series> groups;
  for (const auto values : {&SolveRow::by_category, &SolveRow::by_language})
    for (const std::string& name : names_of(rows, values))
      groups.push_back(
          series_of({name, name}, rows, [&](const SolveRow& r) { return 100 * part_of(r.*values, name); }));
  if (groups.size() > 1)
    page.add_line_chart(from_zero(chart_of({"Held-out problems by kind and language", "문제 종류와 언어별"},
                                           {"right, %", "정답, %"}, std::move(groups))));
}

/// Where the time between two rows went; nothing of logs that do not say.
void add_shares(report::Page& page, const std::vector<PolicyRow>& rows) {
  const std::pair<const char*, Label> parts[] = {{"rollout", {"answers", "답 생성"}},
                                                 {"training", {"training", "학습"}},
                                                 {"evaluation", {"evaluation", "평가"}},
                                                 {"reference", {"reference", "기준 모델"}},
                                                 {"comparison", {"comparison alone", "비교만"}},
                                                 {"other", {"other", "나머지"}}};
  std::vector<PolicyRow> timed;
  for (const PolicyRow& row : rows)
    if (row.seconds > 0) timed.push_back(row);
  if (timed.empty()) return;
  std::vector<Series> series;
  for (const auto& [key, name] : parts)
    series.push_back(
        series_of(name, timed, [&, part = key](const PolicyRow& r) { return 100 * part_of(r.shares(), part); }));
  page.add_line_chart(from_zero(chart_of({"Shares of time", "시간의 비율"}, {"%", "%"}, std::move(series))));
}

}  // namespace

void add_policy_charts(report::Page& page, const RunLog& log) {
  const std::vector<PolicyRow>& rows = log.policy;
  page.add_heading({"Reward", "보상"});
  page.add_line_chart(of_policy({"Reward of the answers", "답의 보상"}, {"mean", "평균"}, rows, {"reward", "보상"},
                                &PolicyRow::reward));
  std::vector<Series> parts;
  for (const std::string& name : names_of(rows, &PolicyRow::parts))
    parts.push_back(series_of({name, name}, rows, [&](const PolicyRow& r) { return part_of(r.parts, name); }));
  if (!parts.empty())
    page.add_line_chart(chart_of({"Parts of the reward", "보상의 구성"}, {"score", "점수"}, std::move(parts)));
  if (!log.solves.empty()) add_held_out(page, log.solves);
  page.add_line_chart(from_zero(
      of_policy({"Length of answers", "답의 길이"}, {"tokens", "토큰"}, rows, {"mean", "평균"}, &PolicyRow::length)));
  page.add_line_chart(from_zero(chart_of({"Groups and ends", "그룹과 끝맺음"}, {"%", "%"},
                                         {series_of({"groups of equal rewards", "보상이 모두 같은 그룹"}, rows,
                                                    [](const PolicyRow& r) { return 100 * r.equal_groups; }),
                                          series_of(
                                              {"answers that ended by themselves", "스스로 끝맺은 답"}, rows,
                                              [](const PolicyRow& r) { return 100 * r.finished; }, true)})));

  if (rows.back().dropped > 0)
    page.add_line_chart(
        from_zero(chart_of({"Problems left out", "제외된 문제"}, {"problems", "문제"},
                           {series_of({"always or never solved", "늘 풀거나 늘 못 푼 문제"}, rows,
                                      [](const PolicyRow& r) { return static_cast<double>(r.dropped); })})));

  page.add_heading({"Policy", "정책"});
  page.add_line_chart(
      from_zero(of_policy({"Entropy", "엔트로피"}, {"nats per token", "토큰당 내트"}, rows,
                          {"estimate from the drawn tokens", "뽑힌 토큰으로 추정"}, &PolicyRow::entropy)));
  page.add_line_chart(of_policy({"Divergence from the reference (KL)", "기준 모델과의 차이 (KL)"},
                                {"nats per token", "토큰당 내트"}, rows, {"KL", "KL"}, &PolicyRow::kl));
  page.add_line_chart(
      of_policy({"Clipped tokens", "잘린 토큰"}, {"%", "%"}, rows, {"clipped", "잘림"}, &PolicyRow::clipped, 100));
  page.add_line_chart(of_policy({"Sampler against trainer", "샘플러와 학습기의 차이"},
                                {"largest difference, nats", "최대 차이, 내트"}, rows,
                                {"of log-probabilities", "로그 확률"}, &PolicyRow::sampler_difference));
  page.add_line_chart(from_zero(chart_of({"Compared tokens", "비교한 토큰"}, {"tokens", "토큰"},
                                         {series_of({"of answers", "답"}, rows, [](const PolicyRow& r) {
                                           return static_cast<double>(r.compared_tokens);
                                         })})));
  int64_t other = 0;
  double largest = 0;
  for (const PolicyRow& r : rows) {
    other += r.other_experts;
    largest = std::max(largest, r.sampler_difference);
  }
  page.add_text(
      {fmt::format("Over all steps the log-probabilities of sampler and trainer differ by at most {}, and {} "
                   "tokens were routed to other experts.",
                   largest, other),
       fmt::format("모든 스텝에서 샘플러와 학습기의 로그 확률 차이는 최대 {}이고, 다른 전문가로 간 토큰은 {}개입니다.",
                   largest, other)});

  page.add_heading({"Time", "시간"});
  page.add_line_chart(from_zero(
      chart_of({"Seconds of a step", "스텝당 초"}, {"s", "초"},
               {series_of({"answers", "답 생성"}, rows, [](const PolicyRow& r) { return r.rollout_seconds; }),
                series_of({"training", "학습"}, rows, [](const PolicyRow& r) { return r.training_seconds; }),
                series_of(
                    {"reference", "기준 모델"}, rows, [](const PolicyRow& r) { return r.reference_seconds; }, true)})));
  add_shares(page, rows);
  page.add_line_chart(from_zero(
      chart_of({"Tokens per second", "초당 토큰"}, {"tokens/s", "토큰/초"},
               {series_of({"drawn", "생성"}, rows, [](const PolicyRow& r) { return r.rollout_tokens_per_s(); }),
                series_of({"trained, prompts included", "학습 (질문 포함)"}, rows,
                          [](const PolicyRow& r) { return r.training_tokens_per_s(); })})));
}

}  // namespace nuri
