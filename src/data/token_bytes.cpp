#include "data/token_bytes.h"

namespace nuri::data {

std::vector<int32_t> bytes_per_token(const Tokenizer& tokenizer) {
  std::vector<int32_t> bytes(static_cast<size_t>(tokenizer.vocab_size()));
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.is_special(id))
      bytes[static_cast<size_t>(id)] = static_cast<int32_t>(tokenizer.token_bytes(id).size());
  }
  return bytes;
}

}  // namespace nuri::data
