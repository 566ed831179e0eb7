#include "infer/engine.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/profile.h"
#include "base/threads.h"
#include "infer/cached_forward.h"
#include "ops/rows.h"
#include "tensor/memory.h"

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

struct Engine::Group {
  uint64_t number = 0;
  EngineRequest request;
  size_t waiting = 0;    ///< replies that have drawn nothing yet and wait
  bool reading = false;  ///< one of its replies reads the prompt
  // Once it is read, as long as replies wait and pages allow:
  std::unique_ptr<KvSequence> prompt;
  std::vector<float> logits;     ///< behind the prompt [vocab]
  std::vector<int32_t> experts;  ///< of the prompt
};

struct Engine::Sequence {
  std::shared_ptr<Group> group;
  size_t reply = 0;
  std::unique_ptr<KvSequence> cache;  ///< while it runs
  EngineReply out;
  bool ended = false;

  int64_t n_prompt() const { return static_cast<int64_t>(group->request.prompt.size()); }
  int64_t n_known() const { return n_prompt() + static_cast<int64_t>(out.ids.size()); }
  int32_t token(int64_t position) const {
    return position < n_prompt() ? group->request.prompt[static_cast<size_t>(position)]
                                 : out.ids[static_cast<size_t>(position - n_prompt())];
  }
  bool untouched() const { return out.ids.empty(); }
};

/// A sequence whose next token is drawn from a row of logits.
struct Engine::Draw {
  Sequence* sequence;
  const float* logits;
  Tensor row;  ///< keeps them
};

namespace {

int64_t pages_of(int64_t tokens) { return (tokens + kKeyBlock - 1) / kKeyBlock; }

}  // namespace

Engine::Engine(DeepseekV3& model, std::vector<uint8_t> allowed, const EngineOptions& options)
    : model_(model),
      allowed_(std::move(allowed)),
      options_(options),
      pool_(model.config(), model.options().form, model.options().dtype, pages_of(options.cache_tokens)) {
  NURI_CHECK(options.sequences >= 1 && options.prefill_chunk >= 1,
             "{} sequences at once, prompts {} tokens at a time; at least 1 of each is needed", options.sequences,
             options.prefill_chunk);
}

Engine::~Engine() = default;

uint64_t Engine::submit(EngineRequest request) {
  const DeepseekV3Config& c = model_.config();
  const auto n = static_cast<int64_t>(request.prompt.size());
  NURI_CHECK(n > 0, "prompt {} is empty: at least one token is needed", n_requests_);
  for (const int32_t id : request.prompt)
    NURI_CHECK(id >= 0 && id < c.vocab_size, "prompt {} holds id {}, outside 0..{}", n_requests_, id, c.vocab_size - 1);
  NURI_CHECK(n < c.max_seq_len, "prompt {} has {} tokens; the model's context holds {} (max_position_embeddings)",
             n_requests_, n, c.max_seq_len);
  NURI_CHECK(request.max_tokens >= 1, "max_tokens = {}; at least 1 is needed", request.max_tokens);
  request.sampler.check();
  const int64_t pages = pages_of(std::min(n + request.max_tokens, c.max_seq_len));
  NURI_CHECK(pages <= pool_.n_pages(),
             "a request needs {} tokens of cache, {} are allowed; raise --cache-tokens or lower --max-tokens",
             pages * kKeyBlock, pool_.n_pages() * kKeyBlock);
  auto group = std::make_shared<Group>();
  group->number = n_requests_;
  group->request = std::move(request);
  group->waiting = group->request.sequences.size();
  for (size_t i = 0; i < group->request.sequences.size(); ++i) {
    queue_.push_back(std::make_unique<Sequence>());
    queue_.back()->group = group;
    queue_.back()->reply = i;
  }
  return n_requests_++;
}

void Engine::cancel(uint64_t request, size_t reply) {
  const auto wanted = [&](const SequencePtr& s) { return s->group->number == request && s->reply == reply; };
  if (const auto waits = std::find_if(queue_.begin(), queue_.end(), wanted); waits != queue_.end()) {
    if ((*waits)->untouched() && --(*waits)->group->waiting == 0) (*waits)->group->prompt.reset();
    queue_.erase(waits);
    return;
  }
  const auto runs = std::find_if(running_.begin(), running_.end(), wanted);
  if (runs == running_.end()) return;
  if ((*runs)->untouched()) (*runs)->group->reading = false;  // another reply reads the prompt
  running_.erase(runs);
}

Stand Engine::stand(uint64_t request, size_t reply) const {
  const auto wanted = [&](const SequencePtr& s) { return s->group->number == request && s->reply == reply; };
  if (const auto s = std::find_if(queue_.begin(), queue_.end(), wanted); s != queue_.end())
    return (*s)->untouched() ? Stand::waiting : Stand::evicted;
  const auto s = std::find_if(running_.begin(), running_.end(), wanted);
  if (s == running_.end()) return Stand::gone;
  // Of a reply that decodes the cache lacks the token drawn last.
  return (*s)->untouched() || (*s)->n_known() - (*s)->cache->length() > 1 ? Stand::reading : Stand::decoding;
}

std::vector<TokenEvent> Engine::step() {
  const LooseBlocks loose;
  std::vector<Draw> draws;
  admit(draws);
  forward(draws);
  std::vector<TokenEvent> events = draw(draws);
  stats_.most_pages = std::max(stats_.most_pages, pool_.n_pages() - pool_.free_pages());
  remove_ended();
  return events;
}

/// Takes up waiting sequences in their order; replies to a prompt that is being read wait for its end.
void Engine::admit(std::vector<Draw>& draws) {
  for (auto next = queue_.begin(); next != queue_.end();) {
    if (static_cast<int64_t>(running_.size()) >= options_.sequences) return;
    Sequence& s = **next;
    if (s.untouched() && s.group->reading) {
      ++next;
      continue;
    }
    if (!begin(s, draws)) return;  // those behind it wait their turn
    running_.push_back(std::move(*next));
    next = queue_.erase(next);
    stats_.most_sequences = std::max(stats_.most_sequences, static_cast<int64_t>(running_.size()));
  }
}

/// Gives a sequence a cache: what is there of its prompt, or an empty one for which there are pages.
bool Engine::begin(Sequence& s, std::vector<Draw>& draws) {
  Group& g = *s.group;
  // Every sixteenth sequence or so begins a page in the next steps.
  const int64_t spare = (static_cast<int64_t>(running_.size()) + 15) / 16;
  const int64_t alone = pages_of(s.n_known() + 1);
  if (running_.empty()) (void)make_room(alone, 0);  // of prompts kept for others
  const bool shared = s.untouched() && g.prompt;
  if (pool_.free_pages() - spare < (shared ? 1 : alone)) return false;
  if (shared) {
    s.cache = std::make_unique<KvSequence>(g.prompt->fork());
    s.out.experts = g.experts;
    draws.push_back({&s, g.logits.data(), {}});
    stats_.shared_tokens += s.n_prompt();
  } else {
    s.cache = std::make_unique<KvSequence>(pool_);
    g.reading = g.reading || s.untouched();
  }
  if (s.untouched()) --g.waiting;
  return true;
}

/// Frees pages until so many are free: the youngest sequences behind `keep` give up theirs, then prompts kept for
/// replies to come. False where that is not enough.
bool Engine::make_room(int64_t pages, size_t keep) {
  while (pool_.free_pages() < pages) {
    if (running_.size() > keep) {
      give_up(running_.size() - 1);
      continue;
    }
    std::shared_ptr<Group> group;
    while (!sharing_.empty() && !(group = sharing_.back().lock())) sharing_.pop_back();
    if (!group) return false;
    sharing_.pop_back();
    group->prompt.reset();
  }
  return true;
}

/// Back to the front of the queue, what it drew kept.
void Engine::give_up(size_t index) {
  SequencePtr s = std::move(running_[index]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
  if (s->untouched()) {
    s->group->reading = false;
    ++s->group->waiting;
  }
  s->cache.reset();
  s->out.experts.clear();
  queue_.push_front(std::move(s));
  ++stats_.evictions;
}

/// Feeds what each running sequence knows and its cache lacks: a chunk of a prompt, or the token drawn last.
void Engine::forward(std::vector<Draw>& draws) {
  std::vector<CacheStep> steps;
  std::vector<Sequence*> owners;
  int64_t budget = options_.prefill_chunk;
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& s = *running_[i];
    const int64_t past = s.cache->length(), missing = s.n_known() - past;
    const int64_t n = missing > 1 ? std::min(missing, budget) : missing;
    if (n == 0) continue;  // its first token is drawn in this step, or the budget is spent
    if (missing > 1) budget -= n;
    if (!make_room(s.cache->pages_needed(n), i + 1)) {
      NURI_ASSERT(i > 0);  // submit() saw to it that one sequence alone has room
      while (running_.size() > i) give_up(running_.size() - 1);
      break;
    }
    CacheStep step{s.cache.get(), {}};
    for (int64_t p = past; p < past + n; ++p) step.tokens.push_back(s.token(p));
    s.cache->reserve(n);
    steps.push_back(std::move(step));
    owners.push_back(&s);
  }
  std::erase_if(draws, [](const Draw& d) { return !d.sequence->cache; });  // gave up their pages again
  if (steps.empty()) return;
  profile::step("forward");
  const double begin = seconds_now();
  const Tensor hidden = forward_cached(model_, pool_, steps);
  stats_.forward_seconds += seconds_now() - begin;
  std::vector<int32_t> last;
  std::vector<Sequence*> drawing;
  int64_t end = 0;
  for (size_t i = 0; i < owners.size(); ++i) {
    const auto n = static_cast<int64_t>(steps[i].tokens.size());
    if (options_.keep_experts) keep_experts_of(*owners[i], end, n);
    end += n;
    if (owners[i]->cache->length() < owners[i]->n_known()) continue;
    last.push_back(static_cast<int32_t>(end - 1));
    drawing.push_back(owners[i]);
  }
  if (drawing.empty()) return;
  const double head_begin = seconds_now();
  const Tensor logits = model_.logits_of(take_rows(hidden, last));
  stats_.logits_seconds += seconds_now() - head_begin;
  for (size_t i = 0; i < drawing.size(); ++i) {
    const Tensor row = logits.rows(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1);
    if (drawing[i]->untouched()) share_prompt(*drawing[i], row.data<float>());
    draws.push_back({drawing[i], row.data<float>(), row});
  }
}

/// Tokens [first, first + n) of the last forward are the sequence's.
void Engine::keep_experts_of(Sequence& s, int64_t first, int64_t n) {
  for (int64_t t = first; t < first + n; ++t)
    for (int64_t layer = 0; layer < model_.config().n_layers; ++layer)
      if (Moe* moe = model_.moe_of(layer)) {
        const auto row = moe->last_routing().experts.rows(t, t + 1).span<int32_t>();
        s.out.experts.insert(s.out.experts.end(), row.begin(), row.end());
      }
}

/// The prompt is read: replies that wait for it need not read it again.
void Engine::share_prompt(Sequence& s, const float* logits) {
  Group& g = *s.group;
  g.reading = false;
  if (g.waiting == 0 || pool_.free_pages() == 0) return;
  g.prompt = std::make_unique<KvSequence>(s.cache->fork());
  g.logits.assign(logits, logits + model_.config().vocab_size);
  g.experts = s.out.experts;
  sharing_.push_back(s.group);
}

std::vector<TokenEvent> Engine::draw(std::vector<Draw>& draws) {
  std::vector<Sampled> drawn(draws.size());
  const auto vocab = static_cast<size_t>(model_.config().vocab_size);
  const double begin = seconds_now();
  std::vector<DrawRow> rows;
  rows.reserve(draws.size());
  for (const Draw& d : draws) {
    const EngineRequest& r = d.sequence->group->request;
    rows.push_back(
        {{d.logits, vocab}, &r.sampler, r.sequences[d.sequence->reply], static_cast<uint64_t>(d.sequence->n_known())});
  }
  const auto n = static_cast<int64_t>(rows.size());
  parallel_parts((n + kDrawsAtOnce - 1) / kDrawsAtOnce, [&](int64_t part) {
    const auto begin = static_cast<size_t>(part * kDrawsAtOnce);
    const auto count = static_cast<size_t>(std::min(kDrawsAtOnce, n - part * kDrawsAtOnce));
    sample(std::span(rows).subspan(begin, count), allowed_, std::span(drawn).subspan(begin, count));
  });
  stats_.draw_seconds += seconds_now() - begin;
  std::vector<TokenEvent> events;
  for (size_t i = 0; i < draws.size(); ++i) {
    Sequence& s = *draws[i].sequence;
    const EngineRequest& r = s.group->request;
    s.out.ids.push_back(drawn[i].id);
    s.out.log_probabilities.push_back(drawn[i].log_probability);
    s.out.truncated.push_back(drawn[i].truncated);
    const bool stop = std::find(r.stop_ids.begin(), r.stop_ids.end(), drawn[i].id) != r.stop_ids.end();
    const bool full =
        static_cast<int64_t>(s.out.ids.size()) >= r.max_tokens || s.n_known() >= model_.config().max_seq_len;
    s.ended = stop || full;
    TokenEvent event{s.group->number, s.reply, drawn[i].id, drawn[i].log_probability, nullptr};
    if (s.ended) {
      s.out.finish = stop ? FinishReason::stop : FinishReason::length;
      event.ended = std::make_shared<EngineReply>(std::move(s.out));
    }
    events.push_back(std::move(event));
  }
  return events;
}

void Engine::remove_ended() {
  std::erase_if(running_, [](const SequencePtr& s) { return s->ended; });
  // A prompt that no reply waits for leaves the cache.
  std::erase_if(sharing_, [](const std::weak_ptr<Group>& group) {
    const auto g = group.lock();
    if (g && g->waiting > 0 && g->prompt) return false;
    if (g) g->prompt.reset();
    return true;
  });
}

}  // namespace nuri
