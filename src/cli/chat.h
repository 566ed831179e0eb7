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
  /// The model's answer to one more user message; text is passed on as it comes. Where the conversation outgrows the
  /// model's context, its oldest turns are left out. Error: the question alone does not fit, or is not UTF-8; the
  /// conversation is then as before.
  std::string ask(const std::string& question, const std::function<bool(std::string_view)>& on_text = {});
  /// Forgets all but the system text.
  void clear();

 private:
  /// Ids of the history with the marker of an answer, the oldest turns dropped until an answer has room.
  std::vector<int32_t> render_what_fits();

  DeepseekV3& model_;
  const Tokenizer& tokenizer_;
  ChatTemplate template_;
  SamplerOptions sampler_;
  int64_t max_tokens_;
  std::vector<Message> history_;
  uint64_t turn_ = 0;
};

/// Reads questions from standard input and answers them until its end. A terminal gets a prompt and help. A question
/// that cannot be answered is reported and passed over; without a terminal the exit code tells of it.
int chat_loop(Conversation& conversation);

}  // namespace nuri
