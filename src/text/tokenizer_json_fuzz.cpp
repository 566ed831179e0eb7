// Any bytes as tokenizer.json: an Error or a tokenizer that encodes and decodes.
#include <cstdlib>

#include "base/error.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  try {
    const nuri::Tokenizer tokenizer = nuri::Tokenizer::from_json(json, json);
    const std::string text =
        "안녕 e\xCC\x81 <s> 12345  the\r\n\n x'll 中文 \xF0\x9F\x98\x80 "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const auto ids = tokenizer.encode(text);
    nuri::StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    if (streamed + stream.flush() != tokenizer.decode(ids)) std::abort();
    tokenizer.normalise(text);
  } catch (const nuri::Error&) {
  }
  return 0;
}
