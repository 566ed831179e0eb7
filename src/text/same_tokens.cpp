#include "text/same_tokens.h"

#include <map>
#include <utility>

namespace nuri {

std::vector<int32_t> same_tokens(const Tokenizer& tokenizer, const Tokenizer& base) {
  std::map<std::pair<bool, std::string_view>, int32_t> ids;
  for (int32_t id = 0; id < base.vocab_size(); ++id)
    if (!base.token_bytes(id).empty()) ids.emplace(std::pair(base.is_added(id), base.token_bytes(id)), id);
  std::vector<int32_t> same(static_cast<size_t>(tokenizer.vocab_size()), -1);
  bool equal = tokenizer.vocab_size() == base.vocab_size();
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const auto found = ids.find({tokenizer.is_added(id), tokenizer.token_bytes(id)});
    if (found != ids.end()) same[static_cast<size_t>(id)] = found->second;
    // An id without a token is the same where the other has none either.
    equal = equal && (found == ids.end() ? tokenizer.token_bytes(id).empty() && base.token_bytes(id).empty()
                                         : found->second == id);
  }
  return equal ? std::vector<int32_t>() : same;
}

}  // namespace nuri
