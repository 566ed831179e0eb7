// The demo's page: three models beside each other, what they answer and what each took.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_rows.h"
#include "cli/demo.h"
#include "eval/statistics.h"
#include "ledger/run_record.h"
#include "report/page.h"

namespace nuri {
namespace {

using report::Label;

struct Row {
  std::string prompt, language, reference, answer;
  bool right = false;
};

std::vector<Row> read_rows(const fs::path& file) {
  std::vector<Row> rows;
  for_each_json_row(read_file(file), file.string(), [&](std::string_view text, const std::string& where) {
    const Json json = parse_json(text, where);
    NURI_CHECK(json.is_object() && json.contains("answers") && json["answers"].is_array() && !json["answers"].empty(),
               "{}: not a row of answers; remove the file and run the demo again", where);
    const JsonObject row(json, where), answer(json["answers"][0], where);
    rows.push_back({row.text("prompt"), row.text_or("language", ""), row.text("answer"), answer.text("text"),
                    row.number("right", 0, 1) >= 1});
  });
  NURI_CHECK(!rows.empty(), "{}: no answers; remove the file and run the demo again", file.string());
  return rows;
}

/// Share of right answers in a language ("": all) with Wilson's interval.
OrderedJson solved(const std::vector<Row>& rows, const std::string& language) {
  double n = 0, right = 0;
  for (const Row& r : rows)
    if (language.empty() || r.language == language) ++n, right += r.right;
  if (n == 0) return {{"questions", 0}};
  const Interval interval = wilson(right / n, n);
  return {
      {"questions", static_cast<int64_t>(n)}, {"pass_1", right / n}, {"low", interval.low}, {"high", interval.high}};
}

std::string percent(const OrderedJson& j, const char* key) {
  return j.contains(key) ? fmt::format("{:.1f}", 100 * j[key].get<double>()) : "-";
}

/// Which questions are shown: the first of all, then the first that the last model gained, and that it still misses.
std::vector<size_t> shown(const std::vector<std::vector<Row>>& rows) {
  const std::vector<Row>& last = rows.back();
  std::vector<size_t> out;
  const auto take = [&](size_t most, auto wanted) {
    for (size_t i = 0; i < last.size() && most > 0; ++i)
      if (wanted(i) && std::find(out.begin(), out.end(), i) == out.end()) out.push_back(i), --most;
  };
  take(4, [](size_t) { return true; });
  if (rows.size() > 1) take(4, [&](size_t i) { return last[i].right && !rows[rows.size() - 2][i].right; });
  take(4, [&](size_t i) { return !last[i].right; });
  return out;
}

/// An answer as it is shown: without empty lines, and no more than a base model's endless one deserves.
std::string brief(const std::string& text, const char* line_end) {
  constexpr size_t kLines = 12;
  std::string out;
  size_t lines = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (lines++ == kLines) return out + line_end + "...";
    out += (out.empty() ? "" : line_end) + line;
  }
  return out;
}

const char* mark(bool right) { return right ? "✓" : "✗"; }

void add_yardstick(report::Page& page, const OrderedJson& result) {
  if (!result.contains("trigram")) return;
  const OrderedJson& t = result["trigram"];
  const auto number = [&](const char* key) { return fmt::format("{:.4f}", result[key].get<double>()); };
  const bool reached = t["reached"].get<bool>();
  const std::string why = t["why_not"].get<std::string>();
  page.add_heading({"The base model beside counting", "기본 모델과 n-그램"});
  page.add_key_values(
      {{{"bits per byte of held-out text", "따로 둔 글의 바이트당 비트"}, number("bits_per_byte")},
       {{"of a trigram of the same tokens", "같은 토큰의 트라이그램"}, number("trigram_bits_per_byte")},
       {{"below the trigram, %", "트라이그램보다 낮은 정도, %"},
        fmt::format("{:.1f}", t["below_percent"].get<double>())},
       {{"bar on this kind of CPU, %", "이런 CPU의 기준, %"}, fmt::format("{}", t["bar_percent"].get<double>())},
       {{"bar", "기준"},
        reached ? report::Label{"reached", "달성"} : report::Label{"not reached: " + why, "미달: " + why}}});
}

void add_costs(report::Page& page, const std::vector<DemoModel>& models, const fs::path& beside) {
  page.add_heading({"What each stage took", "단계마다 든 것"});
  std::vector<std::vector<report::Label>> table;
  for (const DemoModel& m : models) {
    if (!fs::exists(m.dir / "run.json")) continue;
    const RunRecord r = read_run_record(m.dir / "run.json");
    table.push_back({m.name, std::to_string(r.steps), std::to_string(r.tokens), fmt::format("{:.3g}", r.flops),
                     fmt::format("{:.0f}", r.seconds), fs::proximate(m.dir / "report.html", beside).string(),
                     r.hashes.contains("weights") ? r.hashes.at("weights") : ""});
  }
  page.add_table({{"model", "모델"},
                  {"steps", "스텝"},
                  {"tokens", "토큰"},
                  {"FLOP", "FLOP"},
                  {"seconds", "초"},
                  {"its report", "보고서"},
                  {"hash of the weights", "가중치 해시"}},
                 table);
}

}  // namespace

fs::path demo_report(const DemoOptions& o, const std::vector<DemoModel>& models, OrderedJson& result) {
  demo_stage(8, "report: the answers side by side", "보고서: 답을 나란히");
  std::vector<std::vector<Row>> rows;
  for (const DemoModel& m : models) {
    rows.push_back(read_rows(demo_answers_file(o, m)));
    NURI_CHECK(rows.back().size() == rows[0].size(),
               "{}: other questions than before; remove {} and run the demo again", demo_answers_file(o, m).string(),
               (fs::path(o.out) / "answers").string());
  }
  report::Page page({"From text to a model that reasons", "글에서 추론하는 모델까지"},
                    {fmt::format("{} held-out questions of {}", rows[0].size(), o.task),
                     fmt::format("{}의 새 문제 {}개", o.task, rows[0].size())});
  page.add_heading({"Right answers", "정답"});
  std::vector<std::vector<report::Label>> table;
  for (size_t i = 0; i < models.size(); ++i) {
    const OrderedJson all = solved(rows[i], ""), ko = solved(rows[i], "ko"), en = solved(rows[i], "en");
    result["answers"][models[i].name] = all;
    table.push_back({models[i].name, percent(all, "pass_1"), percent(all, "low"), percent(all, "high"),
                     percent(ko, "pass_1"), percent(en, "pass_1")});
    fmt::print("  {:<5} {:>5} % right ({} to {}); Korean {}, English {}\n", table.back()[0].en, table.back()[1].en,
               table.back()[2].en, table.back()[3].en, table.back()[4].en, table.back()[5].en);
  }
  page.add_table({{"model", "모델"},
                  {"right, %", "정답, %"},
                  {"95 %, low", "95 %, 아래"},
                  {"95 %, high", "95 %, 위"},
                  {"Korean, %", "한국어, %"},
                  {"English, %", "영어, %"}},
                 table);
  add_yardstick(page, result);
  add_costs(page, models, o.out);
  page.add_heading({"The same questions", "같은 문제"});
  std::vector<report::Sample> samples;
  for (const size_t i : shown(rows)) {
    std::string text = fmt::format("\n[{}]\n", rows[0][i].reference);
    for (size_t m = 0; m < models.size(); ++m)
      text += fmt::format("\n{} {}\n{}\n", models[m].name, mark(rows[m][i].right), brief(rows[m][i].answer, "\n"));
    samples.push_back({{fmt::format("question {}", i + 1), fmt::format("문제 {}", i + 1)}, rows[0][i].prompt, text});
    if (samples.size() > 4) continue;
    fmt::print("\n  > {}\n", rows[0][i].prompt);
    for (size_t m = 0; m < models.size(); ++m)
      fmt::print("  {} {:<4} {}\n", mark(rows[m][i].right), models[m].name, brief(rows[m][i].answer, "\n         "));
  }
  page.add_samples(samples);
  const fs::path path = fs::path(o.out) / "report.html";
  write_file_atomic(path, page.html());
  fmt::print("\n  report: {}\n", path.string());
  return path;
}

}  // namespace nuri
