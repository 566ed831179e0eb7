// Any bytes as tokenizer_config.json of a good tokenizer: an Error, or begin and end tokens of its vocabulary and a
// chat template that is refused or renders.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/tokenizer_train.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string tokenizer_json = [] {
    nuri::TokenizerTrainOptions options;
    options.vocab_size = 320;
    return nuri::train_tokenizer(
               [n = 0](std::string& document) mutable { return document = "가나다 abc 123", n++ < 2; }, options)
        .tokenizer_json;
  }();
  try {
    const auto tokenizer =
        nuri::Tokenizer::from_json(tokenizer_json, {reinterpret_cast<const char*>(data), size}, "tokenizer.json");
    for (const auto id : {tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.pad_id()})
      if (id && (*id < 0 || *id >= tokenizer.vocab_size())) std::abort();
    const nuri::ChatTemplate chat(tokenizer);
    const nuri::Message messages[] = {
        {"system", "s"}, {"user", "<｜User｜>"}, {"assistant", "a</think>b"}, {"tool", "t"}};
    for (const bool to_answer : {false, true})
      if (tokenizer.decode(chat.render(messages, to_answer)) != chat.render_text(messages, to_answer)) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
