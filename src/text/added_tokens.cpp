#include "text/added_tokens.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <cstring>

#include "text/unicode.h"
#include "text/utf8.h"

namespace nuri {
namespace {

bool is_word(char32_t c) {  // \w by Unicode's definition
  const auto u = static_cast<UChar32>(c);
  return u_hasBinaryProperty(u, UCHAR_ALPHABETIC) || u_hasBinaryProperty(u, UCHAR_JOIN_CONTROL) ||
         (U_MASK(u_charType(u)) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

/// Begin of the character that ends at `at` > 0.
size_t character_before(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  return at;
}

char32_t code_point_at(std::string_view text, size_t at) {
  const char* p = text.data() + at;
  return utf8_next(p);
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken& token, std::string_view text) {
  size_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    auto& children = nodes_[node].children;
    auto at = std::lower_bound(children.begin(), children.end(), std::pair<uint8_t, int32_t>(byte, 0));
    if (at == children.end() || at->first != byte) {
      const auto fresh = static_cast<int32_t>(nodes_.size());
      children.insert(at, {byte, fresh});
      nodes_.emplace_back();
      node = static_cast<size_t>(fresh);
    } else {
      node = static_cast<size_t>(at->second);
    }
  }
  if (nodes_[node].token >= 0) return;
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back({token.id, token.single_word, token.lstrip, token.rstrip});
  const auto first = static_cast<uint8_t>(text[0]);
  if (!first_[first]) {
    first_[first] = true;
    ++n_first_;
    only_first_ = text[0];
  }
}

const AddedTokenMatcher::Node* AddedTokenMatcher::child(const Node& node, uint8_t byte) const {
  const auto at = std::lower_bound(node.children.begin(), node.children.end(), std::pair<uint8_t, int32_t>(byte, 0));
  return at != node.children.end() && at->first == byte ? &nodes_[static_cast<size_t>(at->second)] : nullptr;
}

size_t AddedTokenMatcher::next_candidate(std::string_view text, size_t at) const {
  if (n_first_ == 1) {
    const void* found = at < text.size() ? std::memchr(text.data() + at, only_first_, text.size() - at) : nullptr;
    return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : text.size();
  }
  while (at < text.size() && !first_[static_cast<uint8_t>(text[at])]) ++at;
  return at;
}

bool AddedTokenMatcher::find(std::string_view text, size_t from, Match& match) const {
  if (tokens_.empty()) return false;
  for (size_t begin = next_candidate(text, from); begin < text.size(); begin = next_candidate(text, begin)) {
    size_t end = 0;
    int32_t found = -1;
    const Node* node = &nodes_[0];
    for (size_t at = begin; at < text.size(); ++at) {
      node = child(*node, static_cast<uint8_t>(text[at]));
      if (!node) break;
      if (node->token >= 0) found = node->token, end = at + 1;
    }
    if (found < 0) {
      ++begin;
      continue;
    }
    const Token& token = tokens_[static_cast<size_t>(found)];
    if (token.single_word && ((begin > 0 && is_word(code_point_at(text, character_before(text, begin)))) ||
                              (end < text.size() && is_word(code_point_at(text, end))))) {
      begin = end;  // part of a word: ordinary text
      continue;
    }
    const CharClasses& classes = CharClasses::get();
    if (token.lstrip) {
      while (begin > from) {
        const size_t before = character_before(text, begin);
        if (before < from || !(classes[code_point_at(text, before)] & kSpace)) break;
        begin = before;
      }
    }
    if (token.rstrip) {
      while (end < text.size() && (classes[code_point_at(text, end)] & kSpace)) {
        const char* next = text.data() + end;
        utf8_next(next);
        end = static_cast<size_t>(next - text.data());
      }
    }
    match = {begin, end, token.id};
    return true;
  }
  return false;
}

}  // namespace nuri
