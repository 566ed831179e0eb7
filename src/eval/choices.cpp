#include "eval/choices.h"

#include <algorithm>

#include "base/error.h"
#include "base/profile.h"
#include "data/clean.h"
#include "eval/task_files.h"

namespace nuri {
namespace {

constexpr int64_t kTokensAtOnce = 4096;

/// One ending behind its context, as a sequence of a forward.
struct Candidate {
  std::vector<int32_t> ids;
  size_t first = 0;  // of the ending
  size_t question = 0, ending = 0;
};

Candidate candidate_of(const Tokenizer& tokenizer, const ChoiceQuestion& q, size_t question, size_t ending,
                       int64_t context) {
  Candidate c{.ids = {}, .first = 0, .question = question, .ending = ending};
  if (const auto bos = tokenizer.bos_id()) c.ids.push_back(*bos);
  tokenizer.encode_plain_to(q.contexts[q.contexts.size() > 1 ? ending : 0], c.ids);
  if (c.ids.empty()) c.ids.push_back(tokenizer.eos_id().value_or(0));  // something has to stand before the ending
  c.first = c.ids.size();
  tokenizer.encode_plain_to(q.endings[ending], c.ids);
  const size_t most = static_cast<size_t>(context) + 1;  // the last id is only a target
  if (c.ids.size() <= most) return c;
  const size_t cut = c.ids.size() - most;
  NURI_CHECK(cut < c.first, "{}: ending {} has {} tokens; the model's context holds {}", q.id, ending,
             c.ids.size() - c.first, context);
  c.ids.erase(c.ids.begin(), c.ids.begin() + static_cast<std::ptrdiff_t>(cut));
  c.first -= cut;
  return c;
}

void score(DeepseekV3& model, const std::vector<Candidate>& candidates, std::vector<Chosen>& out) {
  std::vector<LearnedSequence> sequences;
  for (const Candidate& c : candidates) sequences.push_back({c.ids, static_cast<int64_t>(c.first)});
  const TrainBatch b = make_train_batch(sequences);
  profile::step("forward");
  const std::vector<float> nll = model.token_nll(b);
  size_t at = 0;
  for (const Candidate& c : candidates)
    for (size_t i = 0; i + 1 < c.ids.size(); ++i, ++at)
      if (b.counts[at]) out[c.question].log_likelihoods[c.ending] -= static_cast<double>(nll[at]);
}

}  // namespace

tasks::Problem choice_problem(const ChoiceQuestion& q) {
  NURI_CHECK(q.endings.size() <= 26, "{}: {} choices; as letters at most 26 can be asked for", q.id, q.endings.size());
  std::string text = q.contexts.size() == 1 ? q.contexts[0] : "";
  for (const std::string_view line : {"Answer:", "정답:"})
    if (text.ends_with(line)) text.erase(text.size() - line.size());
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  bool lettered = true;  // the query lists the choices itself
  std::string options;
  for (size_t i = 0; i < q.endings.size(); ++i) {
    const char letter = static_cast<char>('A' + i);
    std::string ending = (q.contexts.size() > 1 ? q.contexts[i] : "") + q.endings[i];
    ending.erase(0, ending.find_first_not_of(' '));
    lettered = lettered && ending == std::string(1, letter);
    options += fmt::format("\n{}. {}", letter, ending);
  }
  if (!lettered) text += text.empty() ? options.substr(1) : options;
  const bool korean = data::guess_language(text) == data::Language::korean;
  text += korean ? "\n맞는 것의 글자만 답하세요." : "\nAnswer with the letter of the right choice alone.";
  tasks::Problem p{.id = q.id, .category = q.category, .language = korean ? "ko" : "en", .prompt = std::move(text)};
  p.answer = std::string(1, static_cast<char>('A' + q.gold));
  return p;
}

std::vector<ChoiceQuestion> read_choices(const std::string& path, int64_t most) {
  std::vector<ChoiceQuestion> out;
  for_each_task_row(path, most, [&](const std::string& row, const std::string& where, uint64_t line) {
    out.push_back(parse_choice(row, where));
    if (out.back().id.empty()) out.back().id = std::to_string(line);
    return true;
  });
  return out;
}

std::vector<Chosen> choose(DeepseekV3& model, const Tokenizer& tokenizer, const std::vector<ChoiceQuestion>& questions,
                           const std::function<void(int64_t)>& progress) {
  std::vector<Chosen> out(questions.size());
  std::vector<Candidate> waiting;
  int64_t tokens = 0;
  const auto flush = [&] {
    if (waiting.empty()) return;
    score(model, waiting, out);
    if (progress) progress(static_cast<int64_t>(waiting.back().question));
    waiting.clear();
    tokens = 0;
  };
  for (size_t i = 0; i < questions.size(); ++i) {
    const ChoiceQuestion& q = questions[i];
    out[i].log_likelihoods.assign(q.endings.size(), 0);
    for (size_t e = 0; e < q.endings.size(); ++e) {
      Candidate c = candidate_of(tokenizer, q, i, e, model.config().max_seq_len);
      const auto n = static_cast<int64_t>(c.ids.size());
      if (tokens + n > kTokensAtOnce) flush();
      tokens += n;
      waiting.push_back(std::move(c));
    }
  }
  flush();
  for (size_t i = 0; i < questions.size(); ++i) {
    Chosen& c = out[i];
    const auto per_byte = [&](size_t e) {
      return c.log_likelihoods[e] / static_cast<double>(std::max<size_t>(1, questions[i].endings[e].size()));
    };
    for (size_t e = 1; e < c.log_likelihoods.size(); ++e) {
      if (c.log_likelihoods[e] > c.log_likelihoods[c.most]) c.most = e;
      if (per_byte(e) > per_byte(c.most_per_byte)) c.most_per_byte = e;
    }
  }
  if (progress) progress(static_cast<int64_t>(questions.size()));
  return out;
}

}  // namespace nuri
