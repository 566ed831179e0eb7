#include "tasks/scorer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "tasks/lookup.h"

namespace nuri::tasks {
namespace {

constexpr ScorerKind kKinds[] = {
    {"exact", "", "the final answer is the reference, letter case, blanks and a last dot aside", make_exact, nullptr},
    {"numeric", "", "the final answer is the reference's number, at the reference's decimal places", make_numeric,
     check_number},
    {"fraction", "", "the final answer equals the reference exactly: 7/2, 3 1/2, \\frac{7}{2} and 3.5 are one",
     make_fraction, check_number},
    {"expression", "", "the final answer is an arithmetic expression of the reference's value", make_expression,
     check_expression},
    {"format", "", "one closed block of reasoning, then an answer, ended by the model itself", make_format, nullptr},
    {"language", "ko or en", "share of the letters that are Hangul, or Latin", make_language, nullptr},
    {"length", "max=TOKENS, soft=TOKENS",
     "0 up to max - soft tokens, then falling to -1 at max (DAPO's overlong shaping)", make_length, nullptr},
    {"countdown", "", "the final answer uses each given number at most once and gives the target", make_countdown,
     check_countdown},
    {"regex", "", "the reference, a regular expression, is found in the answer", make_regex, check_regex},
    {"choice", "", "the final answer begins with the reference's letter: C, (C), C. or C) and what stands behind it",
     make_choice, check_choice},
};

/// Parts between commas that stand in no parentheses.
std::vector<std::string_view> split_outside(std::string_view text) {
  std::vector<std::string_view> out;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(') ++depth;
    if (i < text.size() && text[i] == ')') --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0)) continue;
    out.push_back(trimmed(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  return out;
}

template <class T>
bool read_whole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::span<const ScorerKind> scorer_kinds() { return kKinds; }

ScorerArguments::ScorerArguments(std::string_view text, std::string where) : where_(std::move(where)) {
  if (trimmed(text).empty()) return;
  for (const std::string_view part : split_outside(text)) {
    const size_t equals = part.find('=');
    const bool named = equals != std::string_view::npos;
    const std::string key(named ? trimmed(part.substr(0, equals)) : "");
    const std::string value(trimmed(named ? part.substr(equals + 1) : part));
    NURI_CHECK(!value.empty() && (named == !key.empty()), "{}: '{}' is no argument; write key=value", where_, part);
    NURI_CHECK(values_.emplace(key, value).second, "{}: '{}' stands there twice", where_, key.empty() ? value : key);
  }
}

int64_t ScorerArguments::integer(const std::string& key, int64_t min, int64_t max) {
  const auto found = values_.find(key);
  NURI_CHECK(found != values_.end(), "{}: {} is missing; allowed are {} to {}", where_, key, min, max);
  int64_t value = 0;
  NURI_CHECK(read_whole(found->second, value) && value >= min && value <= max, "{}: {} = {}; allowed are {} to {}",
             where_, key, found->second, min, max);
  values_.erase(found);
  return value;
}

std::string ScorerArguments::choice(std::span<const std::string_view> allowed) {
  std::string all;
  for (const std::string_view a : allowed) all += (all.empty() ? "" : " or ") + std::string(a);
  const auto found = values_.find("");
  NURI_CHECK(found != values_.end(), "{}: write {} in parentheses", where_, all);
  const std::string value = found->second;
  NURI_CHECK(std::find(allowed.begin(), allowed.end(), value) != allowed.end(), "{}: '{}'; allowed are {}", where_,
             value, all);
  values_.erase(found);
  return value;
}

void ScorerArguments::refuse_unread() const {
  if (values_.empty()) return;
  const auto& [key, value] = *values_.begin();
  fail("{}: it takes no argument '{}'", where_, key.empty() ? value : key);
}

Reward::Reward(std::string_view text, const std::string& where) {
  NURI_CHECK(!trimmed(text).empty(), "{}: no scorer is named; write for instance numeric=1, format=0.1", where);
  for (const std::string_view part : split_outside(text)) {
    const size_t close = part.rfind(')');
    const size_t equals = part.find('=', close == std::string_view::npos ? 0 : close);
    Part p;
    if (equals != std::string_view::npos) {
      const std::string_view weight = trimmed(part.substr(equals + 1));
      NURI_CHECK(read_whole(weight, p.weight) && std::isfinite(p.weight), "{}: '{}': '{}' is no weight", where, part,
                 weight);
    }
    p.name = std::string(trimmed(part.substr(0, equals)));
    const size_t open = p.name.find('(');
    NURI_CHECK(open == std::string::npos || p.name.ends_with(')'), "{}: '{}': a parenthesis is not closed", where,
               part);
    p.kind = &find_kind<ScorerKind>(kKinds, trimmed(std::string_view(p.name).substr(0, open)), "scorer", where);
    std::string inner;
    if (open != std::string::npos) inner = p.name.substr(open + 1, p.name.size() - open - 2);
    ScorerArguments arguments(inner, where + ": " + p.name);
    p.score = p.kind->make(arguments);
    arguments.refuse_unread();
    for (const Part& other : parts_) NURI_CHECK(other.name != p.name, "{}: {} stands there twice", where, p.name);
    parts_.push_back(std::move(p));
  }
}

std::string shortened(const std::string& reference) {
  constexpr size_t kMost = 80;
  if (reference.size() <= kMost) return reference;
  size_t end = kMost;
  while (end > kMost - 4 && (static_cast<unsigned char>(reference[end]) & 0xC0) == 0x80) --end;  // no half characters
  return reference.substr(0, end) + "...";
}

std::string Reward::cannot_judge(const Problem& problem) const {
  for (const Part& part : parts_) {
    if (!part.kind->check) continue;
    try {
      part.kind->check(problem);
    } catch (const Error& error) {
      return part.name + ": " + error.what();
    }
  }
  return {};
}

void Reward::check(const Problem& problem) const {
  const std::string reason = cannot_judge(problem);
  NURI_CHECK(reason.empty(), "problem {}: {}", problem.id, reason);
}

double Reward::of(const Problem& problem, const Generation& generation, std::vector<double>* scores) const {
  const Scored scored{problem, generation, cut_response(generation.text)};
  double sum = 0;
  if (scores) scores->clear();
  for (const Part& part : parts_) {
    const double score = part.score(scored);
    if (scores) scores->push_back(score);
    sum += part.weight * score;
  }
  return sum;
}

}  // namespace nuri::tasks
