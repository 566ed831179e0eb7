// Text from tokens as they arrive. A token may end inside a character; what is printed never does.
#pragma once

#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace nuri {

/// push() returns the text that became certain with this token; flush() the rest at the end (a cut-off character
/// becomes U+FFFD). All results together equal Tokenizer::decode of the same ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}
  std::string push(int32_t id);
  std::string flush();

 private:
  Tokenizer tokenizer_;
  bool skip_special_;
  std::string pending_;  // bytes of a character that is not complete yet, at most 3
};

}  // namespace nuri
