// A conversation with a model: the R1 template, history, streaming.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/generate.h"
#include "text/chat_template.h"

namespace nuri {

class Conversation {
 public:
  Conversation(DeepseekV3& model, const Tokenizer& tokenizer, const SamplerOptions& sampler, int64_t max_tokens);
  void set_system(const std::string& text);
  /// The model's answer to one more user message; text is passed on as it comes.
  std::string ask(const std::string& question, const std::function<bool(std::string_view)>& on_text = {});
  void clear() { history_.clear(); }

 private:
  DeepseekV3& model_;
  const Tokenizer& tokenizer_;
  ChatTemplate template_;
  SamplerOptions sampler_;
  int64_t max_tokens_;
  std::vector<Message> history_;
  uint64_t turn_ = 0;
};

/// Reads questions from standard input and answers them until its end. A terminal gets a prompt and help.
int chat_loop(Conversation& conversation);

}  // namespace nuri
