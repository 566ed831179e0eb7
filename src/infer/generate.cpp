#include "infer/generate.h"

#include <algorithm>
#include <deque>

#include "base/profile.h"
#include "ops/rows.h"
#include "text/stream_decoder.h"

namespace nuri {

std::string_view finish_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "?";
}

Tensor forward_cached(DeepseekV3& model, KvPool& pool, std::vector<CacheStep>& steps, std::vector<LayerStats>* stats) {
  RaggedBatch batch;
  CacheView view;
  view.layers = pool.layers();
  batch.sequences.push_back(0);
  for (CacheStep& step : steps) {
    const int64_t past = step.sequence->length(), n = static_cast<int64_t>(step.tokens.size());
    step.sequence->reserve(n);
    for (int64_t i = 0; i < n; ++i) {
      batch.tokens.push_back(step.tokens[static_cast<size_t>(i)]);
      batch.positions.push_back(static_cast<int32_t>(past + i));
    }
    batch.sequences.push_back(batch.n_tokens());
    view.pages.push_back(step.sequence->pages());
    view.n_past.push_back(past);
  }
  batch.rows = batch.sequences;
  Tensor hidden = model.hidden(batch, &view, stats);
  for (CacheStep& step : steps) step.sequence->advance(static_cast<int64_t>(step.tokens.size()));
  return hidden;
}

struct Generator::Running {
  size_t index;
  const GenerateRequest* request;
  KvSequence cache;
  StreamDecoder decoder;
  Reply reply;
  int64_t read = 0;     // prompt tokens in the cache
  std::string pending;  // decoded, but a stop text may begin in it
  bool done = false;
};

Generator::Generator(DeepseekV3& model, const Tokenizer& tokenizer, const GenerateOptions& options)
    : model_(model), tokenizer_(tokenizer), options_(options) {
  const int64_t vocab = model.config().vocab_size;
  NURI_CHECK(tokenizer.vocab_size() <= vocab,
             "the tokenizer has {} ids, the model's vocabulary {}: they do not belong together", tokenizer.vocab_size(),
             vocab);
  allowed_.assign(static_cast<size_t>(vocab), 0);
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id)
    allowed_[static_cast<size_t>(id)] = tokenizer.is_added(id) || !tokenizer.token_bytes(id).empty();
}

void Generator::check(const GenerateRequest& r, size_t index) const {
  NURI_CHECK(!r.prompt.empty(), "prompt {} is empty: at least one token is needed", index);
  for (int32_t id : r.prompt)
    NURI_CHECK(id >= 0 && id < model_.config().vocab_size, "prompt {} holds id {}, outside 0..{}", index, id,
               model_.config().vocab_size - 1);
  const int64_t room = model_.config().max_seq_len - static_cast<int64_t>(r.prompt.size());
  NURI_CHECK(room >= 1, "prompt {} has {} tokens; the model's context holds {} (max_position_embeddings)", index,
             r.prompt.size(), model_.config().max_seq_len);
  NURI_CHECK(r.max_tokens >= 1, "max_tokens = {}; at least 1 is needed", r.max_tokens);
  r.sampler.check();
}

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

/// Called after an id was drawn: decodes, looks for an end. Returns whether the reply goes on.
bool Generator::finish_token(Running& r, const OnText& on_text) {
  const GenerateRequest& q = *r.request;
  const int32_t id = r.reply.ids.back();
  const bool stop_id = std::find(q.stop_ids.begin(), q.stop_ids.end(), id) != q.stop_ids.end();
  if (!stop_id && !tokenizer_.is_special(id)) r.pending += r.decoder.push(id);
  const int64_t total = static_cast<int64_t>(q.prompt.size() + r.reply.ids.size());
  const bool full = static_cast<int64_t>(r.reply.ids.size()) >= q.max_tokens || total >= model_.config().max_seq_len;
  if (stop_id || full) r.pending += r.decoder.flush();
  size_t keep = 0;
  const size_t stop_at = find_stop(r.pending, q.stop_texts, keep);
  const bool ends = stop_id || full || stop_at != std::string::npos;
  const std::string out = stop_at != std::string::npos ? r.pending.substr(0, stop_at)
                          : ends                       ? r.pending
                                                       : r.pending.substr(0, r.pending.size() - keep);
  r.pending.erase(0, out.size());
  r.reply.text += out;
  if (on_text && !out.empty() && !on_text(r.index, out)) {
    r.reply.finish = FinishReason::cancelled;
    return false;
  }
  if (ends) r.reply.finish = stop_id || stop_at != std::string::npos ? FinishReason::stop : FinishReason::length;
  return !ends;
}

std::vector<Reply> Generator::run(const std::vector<GenerateRequest>& requests, const OnText& on_text) {
  std::vector<int64_t> needs;  // pages of each request at its longest
  for (size_t i = 0; i < requests.size(); ++i) {
    check(requests[i], i);
    const int64_t tokens =
        std::min(static_cast<int64_t>(requests[i].prompt.size()) + requests[i].max_tokens, model_.config().max_seq_len);
    needs.push_back((tokens + kKeyBlock - 1) / kKeyBlock);
  }
  std::vector<int64_t> largest = needs;
  std::sort(largest.rbegin(), largest.rend());
  int64_t pages = 0;
  for (size_t i = 0; i < largest.size() && static_cast<int64_t>(i) < options_.batch; ++i) pages += largest[i];
  if (options_.cache_tokens > 0) {
    const int64_t allowed = (options_.cache_tokens + kKeyBlock - 1) / kKeyBlock;
    NURI_CHECK(largest.empty() || largest[0] <= allowed,
               "a request needs {} tokens of cache, {} are allowed; raise --cache-tokens or lower --max-tokens",
               largest[0] * kKeyBlock, allowed * kKeyBlock);
    pages = std::min(pages, allowed);
  }
  KvPool pool(model_.config(), model_.options().form, model_.options().dtype, std::max<int64_t>(1, pages));

  std::vector<Reply> replies(requests.size());
  std::vector<std::unique_ptr<Running>> running;
  size_t next = 0;
  int64_t reserved = 0;
  while (next < requests.size() || !running.empty()) {
    while (next < requests.size() && static_cast<int64_t>(running.size()) < options_.batch &&
           reserved + needs[next] <= pool.n_pages()) {
      running.push_back(std::make_unique<Running>(
          Running{next, &requests[next], KvSequence(pool), StreamDecoder(tokenizer_), {}, 0, {}, false}));
      reserved += needs[next++];
    }
    // One forward: a chunk of prompts, or a token for everyone whose prompt is read.
    profile::step("forward");
    std::vector<CacheStep> steps;
    std::vector<Running*> owners;
    int64_t budget = options_.prefill_chunk;
    for (auto& r : running) {
      const auto& prompt = r->request->prompt;
      const int64_t size = static_cast<int64_t>(prompt.size());
      if (r->read < size) {
        const int64_t n = std::min(size - r->read, budget);
        if (n == 0) continue;
        steps.push_back({&r->cache, {prompt.begin() + r->read, prompt.begin() + r->read + n}});
        r->read += n;
        budget -= n;
      } else {
        steps.push_back({&r->cache, {r->reply.ids.back()}});
      }
      owners.push_back(r.get());
    }
    const Tensor hidden = forward_cached(model_, pool, steps);
    // Logits only where a token is drawn: at the last token of each sequence whose prompt is in.
    std::vector<int32_t> last;
    std::vector<Running*> drawing;
    int64_t end = 0;
    for (size_t i = 0; i < owners.size(); ++i) {
      end += static_cast<int64_t>(steps[i].tokens.size());
      if (owners[i]->read < static_cast<int64_t>(owners[i]->request->prompt.size())) continue;
      last.push_back(static_cast<int32_t>(end - 1));
      drawing.push_back(owners[i]);
    }
    if (drawing.empty()) continue;
    const Tensor logits = model_.logits_of(take_rows(hidden, last));
    for (size_t i = 0; i < drawing.size(); ++i) {
      Running& r = *drawing[i];
      const uint64_t position = r.request->prompt.size() + r.reply.ids.size();
      const Tensor row = logits.rows(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1);
      const Sampled drawn = sample({row.data<float>(), static_cast<size_t>(row.dim(1))}, r.request->sampler,
                                   r.request->sequence, position, allowed_);
      r.reply.ids.push_back(drawn.id);
      r.reply.log_probabilities.push_back(drawn.log_probability);
      r.done = !finish_token(r, on_text);
    }
    std::erase_if(running, [&](std::unique_ptr<Running>& r) {
      if (!r->done) return false;
      replies[r->index] = std::move(r->reply);
      reserved -= needs[r->index];
      return true;
    });
  }
  return replies;
}

}  // namespace nuri
