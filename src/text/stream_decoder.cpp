#include "text/stream_decoder.h"

#include <utility>

#include "base/error.h"
#include "text/utf8.h"

namespace nuri {

std::string StreamDecoder::push(int32_t id) {
  NURI_CHECK(id >= 0 && id < tokenizer_.vocab_size(), "there is no token {}; ids are 0 to {}", id,
             tokenizer_.vocab_size() - 1);
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  pending_ += tokenizer_.token_bytes(id);
  // A character that lacks bytes can only be at the end: among the last three.
  size_t keep = 0;
  const char* const end = pending_.data() + pending_.size();
  for (size_t back = 1; back <= 3 && back <= pending_.size(); ++back) {
    if ((static_cast<uint8_t>(end[-static_cast<ptrdiff_t>(back)]) & 0xC0) == 0x80) continue;
    const Utf8Step step = utf8_step(end - back, end);
    if (step.status == Utf8Status::truncated && step.length == back) keep = back;
    break;
  }
  const std::string_view ready(pending_.data(), pending_.size() - keep);
  std::string text;
  append_utf8_lossy(ready, text);
  pending_.erase(0, ready.size());
  return text;
}

std::string StreamDecoder::flush() {
  std::string text;
  append_utf8_lossy(std::exchange(pending_, {}), text);
  return text;
}

}  // namespace nuri
