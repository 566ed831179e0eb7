#include "cli/eval_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

namespace nuri {
namespace {

using report::Label;

struct Name {
  const char *key, *en, *ko;
  bool percent;
};
constexpr Name kNames[] = {
    {"problems", "problems", "문제", false},
    {"questions", "questions", "문제", false},
    {"samples", "answers each", "문제당 답", false},
    {"pass_1", "pass@1, %", "pass@1, %", true},
    {"accuracy", "right, %", "정답, %", true},
    {"low", "95 %, low", "95 %, 아래", true},
    {"high", "95 %, high", "95 %, 위", true},
    {"accuracy_per_byte", "right per byte, %", "바이트당 정답, %", true},
    {"low_per_byte", "95 %, low", "95 %, 아래", true},
    {"high_per_byte", "95 %, high", "95 %, 위", true},
    {"by_chance", "by chance, %", "우연, %", true},
    {"majority", "majority, %", "다수결, %", true},
    {"reward", "reward", "보상", false},
    {"tokens", "tokens", "토큰", false},
    {"finished", "ended, %", "스스로 끝냄, %", true},
    {"file", "against", "비교 대상", false},
    {"difference", "difference, points", "차이, 점", true},
    {"better", "better on", "더 나은 문제", false},
    {"worse", "worse on", "더 못한 문제", false},
    {"p", "sign test p", "부호 검정 p", false},
    {"touched", "share 13 tokens with the training text", "학습 글과 13토큰이 겹치는 문제", false},
    {"too_short", "shorter than 13 tokens", "13토큰보다 짧은 문제", false},
    {"shared_grams", "of all 13-grams, %", "겹치는 13그램, %", true},
    {"pass_1_untouched", "right among the others, %", "나머지의 정답, %", true},
    {"mean", "mean of seeds, %", "시드 평균, %", true},
    {"deviation", "standard deviation, points", "표준 편차, 점", true},
    {"seconds", "seconds", "초", false},
    {"tokens_per_s", "tokens/s", "토큰/초", false},
};

const Name* name_of(const std::string& key) {
  for (const Name& n : kNames)
    if (key == n.key) return &n;
  return nullptr;
}

Label label_of(const std::string& key) {
  const Name* n = name_of(key);
  return n ? Label(n->en, n->ko) : Label(key);
}

std::string value_of(const std::string& key, const OrderedJson& value) {
  const Name* n = name_of(key);
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return std::to_string(value.get<int64_t>());
  if (!value.is_number()) return "-";
  return n && n->percent ? fmt::format("{:.1f}", 100 * value.get<double>())
                         : fmt::format("{:.4g}", value.get<double>());
}

/// A row of the table: the numbers of a group, pass@k one by one.
std::vector<std::pair<std::string, std::string>> cells_of(const OrderedJson& group) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, value] : group.items()) {
    if (key != "pass_at") {
      out.emplace_back(key, value_of(key, value));
      continue;
    }
    for (const auto& [k, share] : value.items())
      if (k != "1") out.emplace_back("pass@" + k + ", %", fmt::format("{:.1f}", 100 * share.get<double>()));
  }
  return out;
}

}  // namespace

std::string eval_page(const std::string& model, const OrderedJson& figures,
                      const std::vector<report::Sample>& samples) {
  report::Page page(Label("Evaluation of " + model, "평가 " + model));
  page.add_heading({"Result", "결과"});
  std::vector<std::pair<Label, Label>> facts;
  for (const auto& [key, value] : figures.items()) {
    if (value.is_number() || value.is_string()) facts.emplace_back(label_of(key), value_of(key, value));
    if (key == "passed_over")
      facts.emplace_back(Label("rows passed over, of", "채점할 수 없어 건너뛴 행, 전체"),
                         fmt::format("{}, {}", value_of("", value["rows"]), value_of("", value["of"])));
    if (key == "against" || key == "contamination" || key == "seeds")
      for (const auto& [name, inner] : value.items())
        if (!inner.is_array() && name != "questions") facts.emplace_back(label_of(name), value_of(name, inner));
  }
  page.add_key_values(facts);
  std::vector<Label> columns{{"", ""}};
  for (const auto& [key, text] : cells_of(figures.at("all"))) columns.push_back(label_of(key));
  std::vector<std::vector<Label>> rows;
  const auto add = [&](const std::string& name, const OrderedJson& group) {
    std::vector<Label> row{name};
    for (const auto& [key, text] : cells_of(group)) row.emplace_back(text);
    rows.push_back(std::move(row));
  };
  add("all", figures.at("all"));
  for (const char* kind : {"by_category", "by_language"})
    if (figures.contains(kind) && figures[kind].size() > 1)
      for (const auto& [name, group] : figures[kind].items()) add(name, group);
  page.add_table(columns, rows);
  if (!samples.empty()) {
    page.add_heading({"Answers", "답"});
    page.add_samples(samples);
  }
  return page.html();
}

}  // namespace nuri
