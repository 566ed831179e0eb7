#include "infer/generate.h"

#include <algorithm>

#include "base/error.h"
#include "text/stream_decoder.h"

namespace nuri {
namespace {

/// Where the first of the stop texts begins, or npos; `keep` is how many bytes at the end may still become one.
size_t find_stop(const std::string& text, const std::vector<std::string>& stops, size_t& keep) {
  size_t first = std::string::npos;
  keep = 0;
  for (const std::string& stop : stops) {
    if (stop.empty()) continue;
    first = std::min(first, text.find(stop));
    for (size_t n = std::min(stop.size() - 1, text.size()); n > keep; --n)
      if (text.compare(text.size() - n, n, stop, 0, n) == 0) keep = n;
  }
  return first;
}

}  // namespace

struct Generator::Running {
  const GenerateRequest* request;
  StreamDecoder decoder;
  Reply reply;
  std::string pending;  // decoded, but a stop text may begin in it
};

Generator::Generator(DeepseekV3& model, const Tokenizer& tokenizer, const GenerateOptions& options)
    : model_(model), tokenizer_(tokenizer), options_(options), allowed_(ids_with_text(tokenizer, model.config())) {}

std::vector<uint8_t> ids_with_text(const Tokenizer& tokenizer, const DeepseekV3Config& config) {
  NURI_CHECK(tokenizer.vocab_size() <= config.vocab_size,
             "the tokenizer has {} ids, the model's vocabulary {}: they do not belong together", tokenizer.vocab_size(),
             config.vocab_size);
  std::vector<uint8_t> allowed(static_cast<size_t>(config.vocab_size), 0);
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id)
    allowed[static_cast<size_t>(id)] = tokenizer.is_added(id) || !tokenizer.token_bytes(id).empty();
  return allowed;
}

/// Called after an id was drawn: decodes, looks for an end. Returns whether the reply goes on.
bool Generator::take(Running& r, size_t index, const TokenEvent& event, const OnText& on_text) {
  const GenerateRequest& q = *r.request;
  r.reply.ids.push_back(event.id);
  r.reply.log_probabilities.push_back(event.log_probability);
  const bool ended = event.ended != nullptr, stop_id = ended && event.ended->finish == FinishReason::stop;
  if (!stop_id && !tokenizer_.is_special(event.id)) r.pending += r.decoder.push(event.id);
  if (ended) r.pending += r.decoder.flush();
  size_t keep = 0;
  const size_t stop_at = find_stop(r.pending, q.stop_texts, keep);
  const bool ends = ended || stop_at != std::string::npos;
  const std::string out = stop_at != std::string::npos ? r.pending.substr(0, stop_at)
                          : ends                       ? r.pending
                                                       : r.pending.substr(0, r.pending.size() - keep);
  r.pending.erase(0, out.size());
  r.reply.text += out;
  if (on_text && !out.empty() && !on_text(index, out)) {
    r.reply.finish = FinishReason::cancelled;
    return false;
  }
  if (ends) r.reply.finish = stop_id || stop_at != std::string::npos ? FinishReason::stop : FinishReason::length;
  return !ends;
}

/// Tokens of cache: what the longest of one batch need, or what is allowed.
int64_t Generator::cache_tokens(const std::vector<GenerateRequest>& requests) const {
  std::vector<int64_t> pages;
  for (const GenerateRequest& r : requests) {
    const int64_t tokens = std::min(static_cast<int64_t>(r.prompt.size()) + r.max_tokens, model_.config().max_seq_len);
    pages.push_back((tokens + kKeyBlock - 1) / kKeyBlock);
  }
  std::sort(pages.rbegin(), pages.rend());
  int64_t most = 0;
  for (size_t i = 0; i < pages.size() && static_cast<int64_t>(i) < options_.batch; ++i) most += pages[i];
  if (options_.cache_tokens > 0) most = std::min(most, (options_.cache_tokens + kKeyBlock - 1) / kKeyBlock);
  return std::max<int64_t>(1, most) * kKeyBlock;
}

std::vector<Reply> Generator::run(const std::vector<GenerateRequest>& requests, const OnText& on_text) {
  Engine engine(
      model_, allowed_,
      {.sequences = options_.batch, .prefill_chunk = options_.prefill_chunk, .cache_tokens = cache_tokens(requests)});
  std::vector<Running> running;
  for (const GenerateRequest& r : requests) {
    engine.submit({r.prompt, {r.sequence}, r.max_tokens, r.sampler, r.stop_ids});  // numbered as they come
    running.push_back({&r, StreamDecoder(tokenizer_), {}, {}});
  }
  while (!engine.idle())
    for (const TokenEvent& event : engine.step())
      if (!take(running[event.request], event.request, event, on_text)) engine.cancel(event.request, 0);
  std::vector<Reply> replies;
  for (Running& r : running) replies.push_back(std::move(r.reply));
  return replies;
}

}  // namespace nuri
