// report.html of a run, from its log.
#include "base/file.h"
#include "ledger/run_record.h"
#include "report/page.h"
#include "train/metrics.h"
#include "train/trainer.h"

namespace nuri {
namespace {

using report::Label;
using report::LineChart;
using report::Point;
using report::Series;

template <class Value>
Series series_of(Label name, const std::vector<StepRow>& steps, Value value, bool dashed = false) {
  Series s{std::move(name), {}, dashed};
  for (const StepRow& row : steps) s.points.push_back({static_cast<double>(row.step), value(row)});
  return s;
}

LineChart chart_of(Label title, Label y, std::vector<Series> series) {
  LineChart c;
  c.title = std::move(title);
  c.x_title = {"step", "스텝"};
  c.y_title = std::move(y);
  c.series = std::move(series);
  return c;
}

LineChart bits_chart(Label title, const std::vector<EvalRow>& evals, bool by_language) {
  std::map<std::string, Series> lines;
  Series all{{"all", "전체"}, {}};
  for (const EvalRow& row : evals) {
    const double x = static_cast<double>(row.step);
    all.points.push_back({x, row.bits_per_byte});
    for (const auto& [name, bits] : by_language ? row.by_language : row.by_source) {
      Series& line = lines.try_emplace(name, Series{{name, name}, {}, true}).first->second;
      line.points.push_back({x, bits});
    }
  }
  std::vector<Series> series{all};
  for (auto& [name, line] : lines) series.push_back(std::move(line));
  return chart_of(std::move(title), {"bits per byte", "바이트당 비트"}, std::move(series));
}

/// Rows: layers with experts; columns: experts; load relative to the mean, over the last steps of the log.
report::HeatMap load_map(const std::vector<StepRow>& steps) {
  constexpr size_t kLast = 20;
  report::HeatMap map;
  map.title = {"Load of experts, last steps", "전문가별 부하 (마지막 스텝들)"};
  map.row_title = {"layer with experts", "전문가 층"};
  map.column_title = {"expert", "전문가"};
  map.value_title = {"tokens / mean", "토큰 / 평균"};
  map.scale = report::Scale::diverging;
  map.centre = 1;
  const auto& shape = steps.back().expert_counts;
  map.n_rows = static_cast<int64_t>(shape.size());
  map.n_columns = shape.empty() ? 0 : static_cast<int64_t>(shape[0].size());
  for (size_t layer = 0; layer < shape.size(); ++layer) {
    std::vector<double> sums(shape[layer].size(), 0);
    double total = 0;
    for (size_t i = steps.size() > kLast ? steps.size() - kLast : 0; i < steps.size(); ++i)
      for (size_t e = 0; e < sums.size(); ++e) {
        const double n = static_cast<double>(steps[i].expert_counts[layer][e]);
        sums[e] += n;
        total += n;
      }
    for (double sum : sums) map.values.push_back(total > 0 ? sum * static_cast<double>(sums.size()) / total : 0);
  }
  return map;
}

LineChart layer_chart(Label title, Label y, const std::vector<StepRow>& steps,
                      const std::vector<double> StepRow::*values) {
  std::vector<Series> series;
  for (size_t layer = 0; layer < (steps.back().*values).size(); ++layer) {
    const std::string name = std::to_string(layer);
    series.push_back(series_of({"layer " + name, name + "층"}, steps, [&](const StepRow& row) {
      return layer < (row.*values).size() ? (row.*values)[layer] : 0.0;
    }));
  }
  return chart_of(std::move(title), std::move(y), std::move(series));
}

}  // namespace

void write_report(const std::filesystem::path& out) {
  const RunLog log = read_log(out / "log.jsonl");
  const RunRecord record = read_run_record(out / "run.json");
  report::Page page({"Training run " + out.filename().string(), "학습 보고서 " + out.filename().string()},
                    {record.started + ", " + record.outcome, record.started + ", " + record.outcome});
  page.add_heading({"The run", "실행"});
  std::vector<std::pair<Label, std::string>> facts = {
      {{"outcome", "결과"}, record.outcome + (record.reason.empty() ? "" : ": " + record.reason)},
      {{"steps", "스텝"}, std::to_string(record.steps)},
      {{"tokens", "토큰"}, std::to_string(record.tokens)},
      {{"FLOPs", "연산량 (FLOP)"}, fmt::format("{:.4g}", record.flops)},
      {{"time", "시간"}, duration_text(record.seconds)},
      {{"memory planned / peak", "메모리 계획 / 최대"},
       bytes_text(record.memory_planned_bytes) + " / " + bytes_text(record.memory_peak_bytes)},
      {{"machine", "장비"},
       fmt::format("{}, {} threads, {}", record.machine.cpu, record.machine.threads, record.machine.level)},
      {{"arithmetic profile", "연산 프로파일"}, record.profile},
      {{"commit", "커밋"}, record.commit}};
  for (const auto& [name, value] : record.results) facts.push_back({{name, name}, fmt::format("{:.5g}", value)});
  for (const auto& [name, value] : record.hashes) facts.push_back({{"hash of " + name, name + " 해시"}, value});
  page.add_key_values(facts);
  if (!log.steps.empty()) {
    const auto& steps = log.steps;
    page.add_heading({"Learning", "학습"});
    page.add_line_chart(chart_of(
        {"Training loss", "학습 손실"}, {"nats per token", "토큰당 내트"},
        {series_of({"next token", "다음 토큰"}, steps, [](const StepRow& r) { return r.main; }),
         series_of(
             {"token after next (MTP)", "다다음 토큰 (MTP)"}, steps, [](const StepRow& r) { return r.mtp; }, true)}));
    if (!log.evals.empty()) {
      page.add_line_chart(bits_chart({"Validation by language", "언어별 검증"}, log.evals, true));
      page.add_line_chart(bits_chart({"Validation by source", "출처별 검증"}, log.evals, false));
    }
    page.add_line_chart(chart_of({"Learning rate", "학습률"}, {"", ""},
                                 {series_of({"lr", "lr"}, steps, [](const StepRow& r) { return r.lr; })}));
    page.add_line_chart(chart_of({"Gradient norm", "기울기 노름"}, {"before clipping", "자르기 전"},
                                 {series_of({"norm", "노름"}, steps, [](const StepRow& r) { return r.grad_norm; })}));
    LineChart speed = chart_of({"Throughput", "처리량"}, {"tokens/s", "토큰/초"},
                               {series_of({"tokens/s", "토큰/초"}, steps, [&](const StepRow& r) {
                                 const double tokens = static_cast<double>(r.tokens) / static_cast<double>(r.step);
                                 return r.seconds > 0 ? tokens / r.seconds : 0.0;
                               })});
    speed.from_zero = true;
    page.add_line_chart(speed);
    page.add_heading({"Balance and health", "균형과 상태"});
    if (!steps.back().expert_counts.empty()) page.add_heat_map(load_map(steps));
    page.add_line_chart(
        chart_of({"Most loaded expert", "가장 바쁜 전문가"}, {"max / mean", "최대 / 평균"},
                 {series_of({"worst layer", "최악의 층"}, steps, [](const StepRow& r) { return r.worst_load; })}));
    page.add_line_chart(
        layer_chart({"Residual stream, RMS", "잔차 흐름 RMS"}, {"RMS", "RMS"}, steps, &StepRow::layer_rms));
    page.add_line_chart(
        layer_chart({"Largest attention logit", "최대 어텐션 로짓"}, {"logit", "로짓"}, steps, &StepRow::layer_logit));
  }
  if (!log.samples.empty()) {
    page.add_heading({"Samples", "생성 예"});
    std::vector<report::Sample> samples;
    const size_t first = log.samples.size() > 12 ? log.samples.size() - 12 : 0;
    for (size_t i = first; i < log.samples.size(); ++i) {
      const std::string step = std::to_string(log.samples[i].step);
      samples.push_back({{"step " + step, step + " 스텝"}, log.samples[i].prompt, log.samples[i].text});
    }
    page.add_samples(samples);
  }
  page.add_heading({"Recipe", "레시피"});
  page.add_text({record.recipe, record.recipe});
  write_file_atomic(out / "report.html", page.html());
}

}  // namespace nuri
