// Added tokens: cut out of the text before anything else happens to it. Leftmost match first, of those the longest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool single_word = false;  ///< only where no word character stands directly before or after
  bool lstrip = false;       ///< takes whitespace before it along
  bool rstrip = false;       ///< and after it
  bool normalized = false;   ///< matched in normalised text, not in the text as given
  bool special = false;
};

/// Finds a set of added tokens in text.
class AddedTokenMatcher {
 public:
  struct Match {
    size_t begin, end;  // whitespace taken along included
    int32_t id;
  };

  /// `text` (not empty) is what is looked for; of two tokens with one text the first counts.
  void add(const AddedToken& token, std::string_view text);
  bool empty() const { return tokens_.empty(); }

  /// The next match at or after `from`; what is before `from` belongs to others. `search_from` moves on past rejected
  /// matches.
  bool find(std::string_view text, size_t from, Match& match) const;

 private:
  struct Node {
    std::vector<std::pair<uint8_t, int32_t>> children;  // ascending bytes
    int32_t token = -1;
  };
  struct Token {
    int32_t id;
    bool single_word, lstrip, rstrip;
  };
  size_t next_candidate(std::string_view text, size_t at) const;
  const Node* child(const Node& node, uint8_t byte) const;

  std::vector<Node> nodes_{1};
  std::vector<Token> tokens_;
  bool first_[256] = {};
  int n_first_ = 0;
  char only_first_ = 0;
};

}  // namespace nuri
