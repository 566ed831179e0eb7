#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/file.h"
#include "report/page.h"
#include "train/live_report.h"
#include "train/memory_plan.h"
#include "train/report_charts.h"

namespace nuri {
namespace {

using report::Label;
using report::LineChart;
using report::Series;

LineChart bits_chart(Label title, const std::vector<EvalRow>& evals, bool by_language) {
  std::map<std::string, Series> lines;
  Series all{{"all", "전체"}, {}}, average{{"all, average of weights", "전체, 가중치 평균"}, {}};
  for (const EvalRow& row : evals) {
    const double x = static_cast<double>(row.step);
    if (row.ema) {
      average.points.push_back({x, row.bits_per_byte});
      continue;
    }
    all.points.push_back({x, row.bits_per_byte});
    for (const auto& [name, bits] : by_language ? row.by_language : row.by_source) {
      Series& line = lines.try_emplace(name, Series{{name, name}, {}, true}).first->second;
      line.points.push_back({x, bits});
    }
  }
  std::vector<Series> series{all};
  if (!average.points.empty()) series.push_back(average);
  for (auto& [name, line] : lines) series.push_back(std::move(line));
  return chart_of(std::move(title), {"bits per byte", "바이트당 비트"}, std::move(series));
}

/// "1", "2", "MTP" by block; `config` is absent in a run that has saved nothing yet.
std::string block_name(const std::optional<DeepseekV3Config>& config, size_t block) {
  return config && static_cast<int64_t>(block) >= config->n_layers ? "MTP" : std::to_string(block);
}

/// Rows: layers with experts; columns: experts; load relative to the mean, over the last steps of the log.
report::HeatMap load_map(const std::vector<StepRow>& steps, const std::optional<DeepseekV3Config>& config) {
  constexpr int kLast = 20;
  report::HeatMap map;
  map.title = {"Load of experts, last steps", "전문가별 부하 (마지막 스텝들)"};
  map.row_title = {"layer", "층"};
  map.column_title = {"expert", "전문가"};
  map.value_title = {"tokens / mean", "토큰 / 평균"};
  map.scale = report::Scale::diverging;
  map.centre = 1;
  map.least = 0;
  // Of the last step that ran the trainer: one of reinforcement learning in which nothing pulls does not.
  const auto last =
      std::find_if(steps.rbegin(), steps.rend(), [](const StepRow& r) { return !r.expert_counts.empty(); });
  if (last == steps.rend()) return map;
  const auto& shape = last->expert_counts;
  const size_t n_experts = shape[0].size();
  // Rows of another shape are of another model, or damaged.
  const auto fits = [&](const StepRow& row) {
    return row.expert_counts.size() == shape.size() &&
           std::all_of(row.expert_counts.begin(), row.expert_counts.end(),
                       [&](const std::vector<int64_t>& counts) { return counts.size() == n_experts; });
  };
  if (!fits(*last)) return map;
  map.n_rows = static_cast<int64_t>(shape.size());
  map.n_columns = static_cast<int64_t>(n_experts);
  std::vector<size_t> blocks;
  for (size_t b = 0; b < steps.back().layer_rms.size(); ++b)
    if (config && config->is_moe_layer(static_cast<int64_t>(b))) blocks.push_back(b);
  if (blocks.size() > shape.size()) blocks.resize(shape.size());  // a policy gradient does not run MTP, the last one
  for (size_t layer = 0; layer < shape.size(); ++layer) {
    map.row_labels.push_back(blocks.size() == shape.size() ? block_name(config, blocks[layer]) : std::to_string(layer));
    std::vector<double> sums(n_experts, 0);
    double total = 0;
    for (auto row = last; row != steps.rend() && row - last < kLast; ++row) {
      if (!fits(*row)) continue;
      for (size_t e = 0; e < n_experts; ++e) {
        const double n = static_cast<double>(row->expert_counts[layer][e]);
        sums[e] += n;
        total += n;
      }
    }
    for (double sum : sums) map.values.push_back(total > 0 ? sum * static_cast<double>(n_experts) / total : 0);
  }
  return map;
}

/// Most values of a row: a step of reinforcement learning in which nothing pulls has no norms.
size_t widest(const std::vector<StepRow>& steps, const std::vector<double> StepRow::*values) {
  size_t most = 0;
  for (const StepRow& row : steps) most = std::max(most, (row.*values).size());
  return most;
}

/// By group of LayerNorms: embedding, blocks, head.
LineChart group_chart(Label title, Label y, const std::vector<StepRow>& steps,
                      const std::optional<DeepseekV3Config>& config, const std::vector<double> StepRow::*values) {
  constexpr size_t kMostGroups = 258;
  std::vector<Series> series;
  const size_t n = std::min(kMostGroups, widest(steps, values));
  for (size_t group = 0; group < n; ++group) {
    const std::string block = group > 0 ? block_name(config, group - 1) : "";
    const Label label = group == 0       ? Label("embedding", "임베딩")
                        : group + 1 == n ? Label("head", "헤드")
                        : block == "MTP" ? Label(block)
                                         : Label("layer " + block, block + "층");
    series.push_back(series_of(
        label, steps, [&](const StepRow& row) { return group < (row.*values).size() ? (row.*values)[group] : NAN; }));
  }
  return chart_of(std::move(title), std::move(y), std::move(series));
}

/// The last warnings, newest last.
void add_warnings(report::Page& page, const RunLog& log, const std::optional<DeepseekV3Config>& config) {
  if (log.warnings.empty()) return;
  constexpr size_t kMost = 20;
  const int64_t n_groups = log.steps.empty() ? 0 : static_cast<int64_t>(log.steps.back().layer_grad_norm.size());
  std::string text;
  for (size_t i = log.warnings.size() > kMost ? log.warnings.size() - kMost : 0; i < log.warnings.size(); ++i)
    text += warning_text(log.warnings[i], n_groups, config ? config->n_layers : n_groups) + "\n";
  page.add_heading({fmt::format("Warnings ({})", log.warnings.size()), fmt::format("경고 ({})", log.warnings.size())});
  page.add_text({"A gradient norm or update above ten times the median of the same layer's last 64 steps.",
                 "같은 층의 최근 64스텝 중앙값의 열 배를 넘은 기울기 노름 또는 갱신 비율입니다."});
  page.add_code(text);
}

LineChart layer_chart(Label title, Label y, const std::vector<StepRow>& steps,
                      const std::optional<DeepseekV3Config>& config, const std::vector<double> StepRow::*values) {
  constexpr size_t kMostLayers = 256;  // of a log from elsewhere: each is a series over all steps
  std::vector<Series> series;
  for (size_t layer = 0; layer < std::min(kMostLayers, widest(steps, values)); ++layer) {
    const std::string name = block_name(config, layer);
    const Label label = name == "MTP" ? Label(name) : Label("layer " + name, name + "층");
    series.push_back(series_of(
        label, steps, [&](const StepRow& row) { return layer < (row.*values).size() ? (row.*values)[layer] : NAN; }));
  }
  return chart_of(std::move(title), std::move(y), std::move(series));
}

/// RunData::counts of chats: what was kept, cut and left out.
std::pair<Label, std::string> chats_fact(const std::string& name, double value) {
  const bool held_out = name.starts_with("held_out"), left_out = name.ends_with("left_out");
  const char* what = name.ends_with("cut") ? " longer than length, cut" : left_out ? " left out" : "";
  const char* what_ko = name.ends_with("cut") ? ", 길이를 넘어 잘림" : left_out ? ", 제외됨" : "";
  return {{fmt::format("chats{}{}", held_out ? " held out" : " to train on", what),
           fmt::format("{} 대화{}", held_out ? "검증용" : "학습용", what_ko)},
          fmt::format("{:.0f}", value)};
}

/// A result of the record under the name that readers know.
std::pair<Label, std::string> result_fact(const std::string& name, double value) {
  if (name == "loss") return {{"training loss, all terms", "학습 손실 (전체)"}, fmt::format("{:.4f}", value)};
  if (name == "bits_per_byte")
    return {{"validation, bits per byte", "검증, 바이트당 비트"}, fmt::format("{:.4f}", value)};
  if (name == "bits_per_byte_ema")
    return {{"validation, average of weights", "검증, 가중치 평균"}, fmt::format("{:.4f}", value)};
  if (name == "tokens_per_s") return {{"tokens/s (median)", "토큰/초 (중앙값)"}, fmt::format("{:.0f}", value)};
  if (name == "pass_1") return {{"held out, right", "따로 떼어 둔 문제 정답"}, fmt::format("{:.1f} %", 100 * value)};
  if (name == "reward") return {{"reward of the last step", "마지막 스텝의 보상"}, fmt::format("{:.4f}", value)};
  if (name == "sampler_difference")
    return {{"sampler against trainer, largest difference", "샘플러와 학습기, 최대 차이"}, fmt::format("{}", value)};
  if (name == "prompts_too_long")
    return {{"prompts passed over as too long", "너무 길어 건너뛴 질문"}, fmt::format("{:.0f}", value)};
  if (name.find("chats") != std::string::npos) return chats_fact(name, value);
  if (name == kPeakGflops)
    return {{"measured peak of products, GFLOP/s", "측정한 곱셈 최대 성능, GFLOP/s"}, fmt::format("{:.0f}", value)};
  if (name == "mfu") return {{"MFU", "MFU"}, fmt::format("{:.1f} %", 100 * value)};
  return {name, fmt::format("{:.5g}", value)};
}

std::pair<Label, std::string> hash_fact(const std::string& name, const std::string& value) {
  if (name == "weights") return {{"hash of weights", "가중치 해시"}, value};
  if (name == "initial_weights") return {{"hash of initial weights", "처음 가중치 해시"}, value};
  return {{"hash of " + name, name + " 해시"}, value};
}

/// ", reward 0.5" of a sample that has one.
std::string with_reward(const SampleRow& sample, std::string_view word) {
  return sample.reward ? fmt::format(", {} {:.3g}", word, *sample.reward) : "";
}

Label outcome_label(const std::string& outcome) {
  if (outcome == "running") return {outcome, "진행 중"};
  if (outcome == "finished") return {outcome, "완료"};
  if (outcome == "stopped") return {outcome, "중단됨"};
  if (outcome == "failed") return {outcome, "실패"};
  return outcome;
}

}  // namespace

std::string report_html(const std::string& name, const RunLog& log, const RunRecord& record,
                        const std::optional<DeepseekV3Config>& config) {
  const Label outcome = outcome_label(record.outcome);
  report::Page page({"Training run " + name, "학습 보고서 " + name},
                    {record.started + ", " + outcome.en, record.started + ", " + outcome.ko});
  if (record.outcome == "running") page.reload_after(static_cast<int64_t>(kReportSeconds));
  page.add_heading({"The run", "실행"});
  std::vector<std::pair<Label, Label>> facts = {
      {{"outcome", "결과"}, record.outcome + (record.reason.empty() ? "" : ": " + record.reason)},
      {{"steps", "스텝"}, std::to_string(record.steps)},
      {{"tokens", "토큰"}, std::to_string(record.tokens)},
      {{"FLOPs", "연산량 (FLOP)"}, fmt::format("{:.4g}", record.flops)},
      {{"time", "시간"}, duration_text(record.seconds)},
      {{"memory planned / measured / with mapped files", "메모리 계획 / 측정 / 매핑된 파일 포함"},
       bytes_text(record.memory_planned_bytes) + " / " + bytes_text(record.memory_anonymous_bytes) + " / " +
           bytes_text(record.memory_peak_bytes)},
      {{"machine", "장비"},
       fmt::format("{}, {} threads, {}", record.machine.cpu, record.machine.threads, record.machine.level)},
      {{"arithmetic profile", "연산 프로파일"}, record.profile},
      {{"commit", "커밋"}, record.commit}};
  if (!log.saves.empty()) {
    const auto longest = std::max_element(log.saves.begin(), log.saves.end(), [](const SaveRow& a, const SaveRow& b) {
      return a.stall_seconds < b.stall_seconds;
    });
    facts.push_back({{"checkpoints / longest wait for one", "체크포인트 수 / 가장 긴 대기"},
                     fmt::format("{} / {:.2f} s", log.saves.size(), longest->stall_seconds)});
    if (log.saves.back().last)
      facts.push_back({{"the last one, after the last step", "마지막 체크포인트 (마지막 스텝 뒤)"},
                       fmt::format("{:.2f} s", log.saves.back().end_seconds)});
  }
  for (const auto& [name, value] : record.results) facts.push_back(result_fact(name, value));
  for (const auto& [name, value] : record.hashes) facts.push_back(hash_fact(name, value));
  page.add_key_values(facts);
  if (!log.steps.empty()) {
    const auto& steps = log.steps;
    if (!log.policy.empty()) add_policy_charts(page, log);
    page.add_heading({"Learning", "학습"});
    if (log.policy.empty())
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
    if (steps.front().step_tokens != steps.back().step_tokens)
      page.add_line_chart(chart_of(
          {"Batch", "배치"}, {"tokens a step", "스텝당 토큰"},
          {series_of({"tokens", "토큰"}, steps, [](const StepRow& r) { return static_cast<double>(r.step_tokens); })}));
    page.add_line_chart(chart_of({"Gradient norm", "기울기 노름"}, {"before clipping", "자르기 전"},
                                 {series_of({"norm", "노름"}, steps, [](const StepRow& r) { return r.grad_norm; })}));
    LineChart speed = chart_of({"Throughput", "처리량"}, {"tokens/s", "토큰/초"},
                               {series_of({"tokens/s", "토큰/초"}, steps, [&](const StepRow& r) {
                                 const double tokens =
                                     r.step_tokens > 0 ? static_cast<double>(r.step_tokens)
                                                       : static_cast<double>(r.tokens) / static_cast<double>(r.step);
                                 return r.seconds > 0 ? tokens / r.seconds : 0.0;
                               })});
    speed.from_zero = true;
    page.add_line_chart(speed);
    page.add_heading({"Balance and health", "균형과 상태"});
    if (const report::HeatMap map = load_map(steps, config); !map.values.empty()) page.add_heat_map(map);
    page.add_line_chart(
        chart_of({"Most loaded expert", "가장 바쁜 전문가"}, {"max / mean", "최대 / 평균"},
                 {series_of({"worst layer", "최악의 층"}, steps, [](const StepRow& r) { return r.worst_load; })}));
    page.add_line_chart(
        layer_chart({"Residual stream, RMS", "잔차 흐름 RMS"}, {"RMS", "RMS"}, steps, config, &StepRow::layer_rms));
    page.add_line_chart(group_chart({"Gradient norm by layer", "층별 기울기 노름"}, {"before clipping", "자르기 전"},
                                    steps, config, &StepRow::layer_grad_norm));
    page.add_line_chart(group_chart({"Update by layer", "층별 갱신 비율"}, {"change / weights", "변화 / 가중치"}, steps,
                                    config, &StepRow::layer_update));
    page.add_line_chart(layer_chart({"Largest attention logit", "최대 어텐션 로짓"}, {"logit", "로짓"}, steps, config,
                                    &StepRow::layer_logit));
    if (std::any_of(steps.begin(), steps.end(), [](const StepRow& r) { return r.clipped_heads > 0; }))
      page.add_line_chart(chart_of({"Heads clipped (QK-clip)", "잘린 헤드 수 (QK-clip)"}, {"heads", "헤드"},
                                   {series_of({"heads", "헤드"}, steps,
                                              [](const StepRow& r) { return static_cast<double>(r.clipped_heads); })}));
  }
  add_warnings(page, log, config);
  if (!log.samples.empty()) {
    page.add_heading({"Samples", "생성 예"});
    std::vector<report::Sample> samples;
    const size_t first = log.samples.size() > 12 ? log.samples.size() - 12 : 0;
    for (size_t i = first; i < log.samples.size(); ++i) {
      const std::string step = std::to_string(log.samples[i].step);
      samples.push_back({{"step " + step + with_reward(log.samples[i], "reward"),
                          step + " 스텝" + with_reward(log.samples[i], "보상")},
                         log.samples[i].prompt,
                         (log.samples[i].reward ? "\n" : "") + log.samples[i].text});  // an answer, or what goes on
    }
    page.add_samples(samples);
  }
  page.add_heading({"Recipe", "레시피"});
  page.add_code(record.recipe);
  return page.html();
}

void write_report(const std::filesystem::path& run, bool live) {
  const std::filesystem::path out =
      std::filesystem::absolute(run / "").lexically_normal().parent_path();  // "runs/nano/" has a name too
  const RunLog log = live ? thinned_log(out / "log.jsonl", kLiveRows) : read_log(out / "log.jsonl");
  std::optional<DeepseekV3Config> config;
  try {
    config = read_config(out / "config.json");
  } catch (const Error&) {
    // Not there yet, or for the moment, as the run puts a newer model in its place: blocks have numbers for names.
  }
  write_file_atomic(out / "report.html",
                    report_html(out.filename().string(), log, read_run_record(out / "run.json"), config));
}

}  // namespace nuri
