// Many replies at once over one paged cache: requests in, token events out. Sequences join and leave between forwards
// (continuous batching); replies to one prompt share its pages; where pages run out the youngest sequences give theirs
// up and are computed again later. The bits of a reply depend on its own prompt, options and sequence number only
// (invariant 1), so none of this shows in them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "infer/kv_pool.h"
#include "models/deepseek_v3.h"
#include "ops/sampling.h"

namespace nuri {

enum class FinishReason : uint8_t { stop, length, cancelled };
std::string_view finish_name(FinishReason reason);  ///< "stop", "length", "cancelled"

struct EngineRequest {
  std::vector<int32_t> prompt;         ///< at least one id
  std::vector<uint64_t> sequences{0};  ///< a reply for each; keys its draws, with the seed and the position
  int64_t max_tokens = 256;            ///< of a reply; it ends there, at a stop id, or where the context is full
  SamplerOptions sampler;
  std::vector<int32_t> stop_ids;
};

struct EngineReply {
  std::vector<int32_t> ids;              ///< drawn, a stop id included
  std::vector<float> log_probabilities;  ///< of each, at the sampling temperature, before truncation
  std::vector<float> truncated;          ///< the same among what top_k, top_p and min_p left
  /// With keep_experts: of each token but the last drawn one, prompt included, of each layer with experts, the chosen
  /// ones in the router's order. [tokens, layers with experts, n_active]
  std::vector<int32_t> experts;
  FinishReason finish = FinishReason::length;
};

struct TokenEvent {
  uint64_t request = 0;
  size_t reply = 0;  ///< of the request
  int32_t id = 0;
  float log_probability = 0;
  std::shared_ptr<const EngineReply> ended;  ///< with the last token of a reply: all of it
};

struct EngineOptions {
  int64_t sequences = 256;      ///< decoding together, at most
  int64_t prefill_chunk = 512;  ///< tokens of prompts in one forward
  int64_t cache_tokens = 65536;
  bool keep_experts = false;
};

/// Of an engine's life so far.
struct EngineStats {
  int64_t shared_tokens = 0;  ///< of prompts that a reply found in the cache
  int64_t evictions = 0;
  int64_t most_sequences = 0, most_pages = 0;  ///< at once
  /// Of all steps, for measurements: layers, the head and its rows, sampling.
  double forward_seconds = 0, logits_seconds = 0, draw_seconds = 0;
};

/// Where a reply stands between two steps.
enum class Stand : uint8_t {
  waiting,   ///< nothing drawn yet, no pages
  reading,   ///< its prompt, or what it lost with its pages, is being computed
  decoding,  ///< a token in each step
  evicted,   ///< begun, and waiting without pages
  gone,      ///< ended, cancelled or never asked for
};

class Engine {
 public:
  /// allowed [vocab]: ids that may be drawn (see `sample`). Keeps a reference to the model.
  Engine(DeepseekV3& model, std::vector<uint8_t> allowed, const EngineOptions& options);
  ~Engine();

  /// Queues a request and returns its number, counted from 0. Errors: an empty prompt, ids outside the vocabulary, no
  /// room in the model's context, more tokens than the cache holds, options out of range.
  uint64_t submit(EngineRequest request);
  /// A reply that nobody waits for any more, begun or not. Nothing where it has ended.
  void cancel(uint64_t request, size_t reply);
  /// One forward and the tokens drawn after it, at most one of each reply; none while prompts are read.
  std::vector<TokenEvent> step();
  bool idle() const { return queue_.empty() && running_.empty(); }
  const EngineStats& stats() const { return stats_; }
  Stand stand(uint64_t request, size_t reply) const;
  int64_t free_pages() const { return pool_.free_pages(); }

 private:
  struct Group;     // a request: its prompt, and what is shared of it
  struct Sequence;  // a reply, waiting or running
  struct Draw;
  using SequencePtr = std::unique_ptr<Sequence>;

  void admit(std::vector<Draw>& draws);
  bool begin(Sequence& s, std::vector<Draw>& draws);
  bool make_room(int64_t pages, size_t keep);
  void give_up(size_t index);
  void forward(std::vector<Draw>& draws);
  void keep_experts_of(Sequence& s, int64_t first, int64_t n);
  void share_prompt(Sequence& s, const float* logits);
  std::vector<TokenEvent> draw(std::vector<Draw>& draws);
  void remove_ended();

  DeepseekV3& model_;
  std::vector<uint8_t> allowed_;
  EngineOptions options_;
  KvPool pool_;
  std::deque<SequencePtr> queue_;              ///< waiting, in the order in which they are taken up
  std::vector<SequencePtr> running_;           ///< with a cache, oldest first
  std::vector<std::weak_ptr<Group>> sharing_;  ///< groups whose prompt stays in the cache for replies to come
  uint64_t n_requests_ = 0;
  EngineStats stats_;
};

}  // namespace nuri
