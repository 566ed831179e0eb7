// Replies to prompts as text, by the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "infer/engine.h"
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

/// [vocab] 1 for each id that a token has: what may be drawn. Error: the tokenizer has more ids than the model.
std::vector<uint8_t> ids_with_text(const Tokenizer& tokenizer, const DeepseekV3Config& config);

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
  bool take(Running& r, size_t index, const TokenEvent& event, const OnText& on_text);
  int64_t cache_tokens(const std::vector<GenerateRequest>& requests) const;

  DeepseekV3& model_;
  const Tokenizer& tokenizer_;
  GenerateOptions options_;
  std::vector<uint8_t> allowed_;  ///< [vocab]: ids that a token has
};

}  // namespace nuri
