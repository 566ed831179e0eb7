// Any bytes as a row of chats: an Error, or ids of which some are learned and some are not.
#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "data/chats.h"
#include "text/tokenizer_train.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const nuri::ChatTemplate rendering = [] {
    nuri::TokenizerTrainOptions options;
    options.vocab_size = 320;
    const auto trained = nuri::train_tokenizer(
        [n = 0](std::string& document) mutable { return document = "가나다 abc abc 123 é 😀", n++ < 3; }, options);
    return nuri::ChatTemplate(nuri::Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json));
  }();
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  try {
    const std::vector<nuri::Message> messages = nuri::data::parse_chat_row(line, "chats.jsonl: line 1");
    for (const nuri::LearnedIds& chat : rendering.render_learned(messages, true)) {
      const auto learned = std::count(chat.learned.begin(), chat.learned.end(), 1);
      if (chat.ids.size() != chat.learned.size() || learned == 0 || chat.learned.front() != 0) std::abort();
    }
  } catch (const nuri::Error&) {
  }
  return 0;
}
