// Any bytes as a document: valid UTF-8 in NFC comes out, and a byte-level tokenizer gives it back.
#include <cstdlib>

#include "text/encoding.h"
#include "text/stream_decoder.h"
#include "text/tokenizer_train.h"
#include "text/unicode.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const nuri::Tokenizer tokenizer = [] {
    nuri::TokenizerTrainOptions options;
    options.vocab_size = 320;
    const auto trained = nuri::train_tokenizer(
        [n = 0](std::string& document) mutable { return document = "가나다 abc abc 123 é 😀", n++ < 3; }, options);
    return nuri::Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json);
  }();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const nuri::DecodedText text = nuri::decode_text(bytes);
  if (nuri::utf8_first_invalid(text.text) != std::string::npos) std::abort();
  std::string again;
  nuri::append_nfc(text.text, again);
  if (again != text.text) std::abort();
  const auto ids = tokenizer.encode(text.text);
  if (tokenizer.decode(ids) != tokenizer.normalise(text.text)) std::abort();
  nuri::StreamDecoder stream(tokenizer);
  std::string streamed;
  for (const int32_t id : ids) streamed += stream.push(id);
  if (streamed + stream.flush() != tokenizer.decode(ids)) std::abort();
  for (const nuri::Encoding encoding :
       {nuri::Encoding::utf8, nuri::Encoding::utf16le, nuri::Encoding::utf16be, nuri::Encoding::cp949})
    if (nuri::utf8_first_invalid(nuri::to_utf8(bytes, encoding, false).text) != std::string::npos) std::abort();
  return 0;
}
