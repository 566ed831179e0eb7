#include "eval/solve.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "infer/generate.h"
#include "text/chat_template.h"

namespace nuri {
namespace {

EngineRequest request_of(const ChatTemplate& chat, const tasks::Problem& problem, size_t index,
                         const SolveOptions& options) {
  EngineRequest r;
  r.prompt = chat.render(std::vector<Message>{{"user", problem.prompt}}, true);
  r.sequences.clear();
  for (int64_t k = 0; k < options.samples; ++k)
    r.sequences.push_back(static_cast<uint64_t>(static_cast<int64_t>(index) * options.samples + k));
  r.max_tokens = options.max_tokens;
  r.sampler = options.sampler;
  r.stop_ids = chat.stop_ids();
  return r;
}

/// Tokens of cache for the longest requests that run together.
int64_t cache_tokens(const std::vector<EngineRequest>& requests, const DeepseekV3Config& config,
                     const SolveOptions& options) {
  int64_t longest = 0;
  for (const EngineRequest& r : requests)
    longest = std::max(longest, std::min(static_cast<int64_t>(r.prompt.size()) + r.max_tokens, config.max_seq_len));
  const int64_t answers = static_cast<int64_t>(requests.size()) * options.samples;
  return std::min(answers, options.sequences) * ((longest + kKeyBlock - 1) / kKeyBlock) * kKeyBlock;
}

}  // namespace

Answer answer_of(const EngineReply& reply, const Tokenizer& tokenizer, const tasks::Problem& problem,
                 const tasks::Reward& reward) {
  Answer a;
  a.finished = reply.finish == FinishReason::stop;
  a.tokens = static_cast<int64_t>(reply.ids.size());
  const std::span<const int32_t> said(reply.ids.data(), reply.ids.size() - (a.finished ? 1 : 0));
  a.text = tokenizer.decode(said, true);
  a.reward = reward.of(problem, {a.text, a.tokens, a.finished}, &a.scores);
  return a;
}

std::vector<std::vector<Answer>> solve(DeepseekV3& model, const Tokenizer& tokenizer,
                                       const std::vector<tasks::Problem>& problems, const tasks::Reward& reward,
                                       const SolveOptions& options, const std::function<void(int64_t)>& progress) {
  NURI_CHECK(options.samples >= 1, "{} answers to each problem; at least 1 is needed", options.samples);
  const ChatTemplate chat(tokenizer);
  std::vector<EngineRequest> requests;
  for (size_t i = 0; i < problems.size(); ++i) requests.push_back(request_of(chat, problems[i], i, options));
  std::vector<std::vector<Answer>> out(problems.size(), std::vector<Answer>(static_cast<size_t>(options.samples)));
  if (problems.empty()) return out;
  Engine engine(model, ids_with_text(tokenizer, model.config()),
                {.sequences = options.sequences,
                 .cache_tokens = options.cache_tokens > 0 ? options.cache_tokens
                                                          : cache_tokens(requests, model.config(), options)});
  for (EngineRequest& r : requests) engine.submit(std::move(r));
  int64_t ended = 0;
  while (!engine.idle()) {
    for (const TokenEvent& event : engine.step()) {
      if (!event.ended) continue;
      out[event.request][event.reply] = answer_of(*event.ended, tokenizer, problems[event.request], reward);
      ++ended;
    }
    if (progress) progress(ended);
  }
  return out;
}

Solved summarise(const std::vector<std::vector<Answer>>& answers, const std::vector<size_t>& chosen) {
  NURI_ASSERT(!chosen.empty());
  Solved s{.problems = static_cast<int64_t>(chosen.size()), .samples = static_cast<int64_t>(answers[chosen[0]].size())};
  for (int64_t k = 1; k <= s.samples; k *= 2) s.pass_at.push_back(0);
  const double n = static_cast<double>(s.problems), all = n * static_cast<double>(s.samples);
  for (const size_t problem : chosen) {
    int64_t right = 0;
    std::vector<std::string_view> finals;
    std::map<std::string_view, int64_t> votes;
    for (const Answer& a : answers[problem]) {
      right += a.right();
      s.reward += a.reward / all;
      s.tokens += static_cast<double>(a.tokens) / all;
      s.finished += (a.finished ? 1.0 : 0.0) / all;
      finals.push_back(tasks::final_answer(tasks::cut_response(a.text).answer));
      ++votes[finals.back()];
    }
    int64_t most = 0;
    bool most_right = false;
    for (size_t i = 0; i < finals.size(); ++i)  // the first of equals, by the order of the answers
      if (votes[finals[i]] > most) most = votes[finals[i]], most_right = answers[problem][i].right();
    s.majority += (most_right ? 1.0 : 0.0) / n;
    s.pass_1 += static_cast<double>(right) / all;
    for (size_t i = 0; i < s.pass_at.size(); ++i) s.pass_at[i] += pass_at(int64_t{1} << i, s.samples, right) / n;
  }
  s.pass_1 = std::min(1.0, s.pass_1);  // sums of parts
  s.interval = wilson(s.pass_1, n);
  return s;
}

}  // namespace nuri
