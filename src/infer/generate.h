// Replies to prompts: prompts are read in chunks, then all sequences decode together, a token each per forward. The
// bits of a reply depend on its own prompt, options and sequence number only, never on its neighbours (invariant 1).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "infer/kv_pool.h"
#include "models/deepseek_v3.h"
#include "ops/sampling.h"
#include "text/tokenizer.h"

namespace nuri {

struct GenerateRequest {
  std::vector<int32_t> prompt;  ///< at least one id
  int64_t max_tokens = 256;     ///< of the reply; it ends there, at a stop id or at a stop text
  SamplerOptions sampler;
  uint64_t sequence = 0;  ///< keys the draws, together with the seed and the position
  std::vector<int32_t> stop_ids;
  std::vector<std::string> stop_texts;  ///< the reply is cut before the first of them
};

enum class FinishReason : uint8_t { stop, length, cancelled };
std::string_view finish_name(FinishReason reason);  ///< "stop", "length", "cancelled"

struct Reply {
  std::vector<int32_t> ids;              ///< drawn, a stop id included
  std::vector<float> log_probabilities;  ///< of each, at the sampling temperature, before truncation
  std::string text;                      ///< without special tokens and stop text
  FinishReason finish = FinishReason::length;
};

struct GenerateOptions {
  int64_t batch = 16;           ///< sequences decoding together
  int64_t prefill_chunk = 512;  ///< tokens of prompts in one forward
  int64_t cache_tokens = 0;     ///< of the pool; 0: what the requests of one batch need
};

class Generator {
 public:
  Generator(DeepseekV3& model, const Tokenizer& tokenizer, const GenerateOptions& options = {});
  /// Text as it becomes final: never part of a character. Returning false cancels that request.
  using OnText = std::function<bool(size_t request, std::string_view text)>;
  /// Runs all requests; replies in their order. Errors: a prompt that is empty, holds ids outside the vocabulary, or
  /// leaves no room in the model's context (max_position_embeddings).
  std::vector<Reply> run(const std::vector<GenerateRequest>& requests, const OnText& on_text = {});

 private:
  struct Running;
  void check(const GenerateRequest& request, size_t index) const;
  bool finish_token(Running& r, const OnText& on_text);

  DeepseekV3& model_;
  const Tokenizer& tokenizer_;
  GenerateOptions options_;
  std::vector<uint8_t> allowed_;  ///< [vocab]: ids that a token has
};

/// One forward over a cache: appends tokens to each sequence and returns the final-normed hidden states of all of them.
/// stats: per layer; null: not wanted.
struct CacheStep {
  KvSequence* sequence;
  std::vector<int32_t> tokens;
};
Tensor forward_cached(DeepseekV3& model, KvPool& pool, std::vector<CacheStep>& steps,
                      std::vector<LayerStats>* stats = nullptr);

}  // namespace nuri
