#include "text/bpe_train.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "text/hash.h"

namespace nuri {
namespace {

enum class Kind : uint8_t {
  whole,  // one or more characters
  head,   // the beginning of one character, without its end
  tail,   // later bytes of one character
};

Kind kind_of_byte(int byte) {
  if (byte < 0x80) return Kind::whole;
  return byte >= 0xC0 ? Kind::head : Kind::tail;
}

/// A pair of tokens that occurs somewhere, and where.
struct Pair {
  int32_t left, right;
  int64_t count = 0;
  std::vector<uint32_t> words;  // ascending while one merge is made; may hold words that have lost the pair
};

/// Pairs by their ids.
class PairTable {
 public:
  PairTable() : slots_(1 << 17, -1) {}

  Pair* find(int32_t left, int32_t right) {
    const size_t at = place(left, right);
    return slots_[at] < 0 ? nullptr : &pairs_[static_cast<size_t>(slots_[at])];
  }

  int32_t find_or_add(int32_t left, int32_t right) {
    size_t at = place(left, right);
    if (slots_[at] >= 0) return slots_[at];
    if (2 * (pairs_.size() + 1) > slots_.size()) {
      slots_.assign(slots_.size() * 2, -1);
      for (size_t i = 0; i < pairs_.size(); ++i)
        slots_[place(pairs_[i].left, pairs_[i].right)] = static_cast<int32_t>(i);
      at = place(left, right);
    }
    NURI_CHECK(pairs_.size() < (size_t(1) << 30), "more than 2^30 different pairs; train on a sample of the text");
    pairs_.push_back({left, right, 0, {}});
    return slots_[at] = static_cast<int32_t>(pairs_.size() - 1);
  }

  Pair& operator[](int32_t index) { return pairs_[static_cast<size_t>(index)]; }
  size_t size() const { return pairs_.size(); }

 private:
  size_t place(int32_t left, int32_t right) const {
    const size_t mask = slots_.size() - 1;
    const auto l = static_cast<uint64_t>(left), r = static_cast<uint64_t>(right);
    size_t at = hash_mix(l, r) & mask;
    while (slots_[at] >= 0) {
      const Pair& pair = pairs_[static_cast<size_t>(slots_[at])];
      if (pair.left == left && pair.right == right) break;
      at = (at + 1) & mask;
    }
    return at;
  }

  std::vector<int32_t> slots_;
  std::vector<Pair> pairs_;
};

class Learner {
 public:
  Learner(const ForEachPiece& pieces, const int32_t* byte_ids, int32_t first_id, int64_t min_count)
      : first_id_(first_id), min_count_(std::max<int64_t>(min_count, 1)) {
    kinds_.assign(static_cast<size_t>(first_id), Kind::whole);
    bytes_.resize(static_cast<size_t>(first_id));
    for (int b = 0; b < 256; ++b) {
      kinds_[static_cast<size_t>(byte_ids[b])] = kind_of_byte(b);
      bytes_[static_cast<size_t>(byte_ids[b])] = static_cast<char>(b);
    }
    add_words(pieces, byte_ids);
    reserve_places();
    for (uint32_t w = 0; w < words_.size(); ++w) count_pairs(w);
    for (size_t i = 0; i < pairs_.size(); ++i) push(static_cast<int32_t>(i));
  }

  LearnedMerges run(int32_t max_tokens, const std::function<void(int32_t)>& progress) {
    LearnedMerges out;
    std::unordered_map<std::string, int32_t> known;  // learned tokens
    while (static_cast<int32_t>(out.tokens.size()) < max_tokens && !heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), lower);
      const Candidate top = heap_.back();
      heap_.pop_back();
      Pair& pair = pairs_[top.pair];
      if (pair.count != top.count) {  // counted less since; a higher count has its own entry
        if (pair.count < top.count) push(top.pair);
        continue;
      }
      std::string bytes = bytes_[static_cast<size_t>(top.left)] + bytes_[static_cast<size_t>(top.right)];
      const auto fresh = first_id_ + static_cast<int32_t>(out.tokens.size());
      const auto [entry, added] = known.emplace(bytes, fresh);
      const int32_t result = entry->second;
      out.merges.push_back({top.left, top.right, result});
      if (added) {
        const bool whole = kinds_[static_cast<size_t>(top.left)] == Kind::whole || is_character(bytes);
        kinds_.push_back(whole ? Kind::whole : kinds_[static_cast<size_t>(top.left)]);
        bytes_.push_back(bytes);
        out.tokens.push_back(std::move(bytes));
        if (progress && out.tokens.size() % 256 == 0) progress(static_cast<int32_t>(out.tokens.size()));
      }
      merge(top.pair, result);
    }
    return out;
  }

 private:
  struct Word {
    uint64_t begin;  // in symbols_
    uint32_t length;
    int64_t count;
  };
  struct Candidate {
    int64_t count;
    int32_t left, right, pair;
  };

  static bool lower(const Candidate& a, const Candidate& b) {
    if (a.count != b.count) return a.count < b.count;
    return a.left != b.left ? a.left > b.left : a.right > b.right;
  }

  /// A head followed by all its tails.
  static bool is_character(const std::string& bytes) {
    const auto head = static_cast<uint8_t>(bytes[0]);
    return head >= 0xC0 && bytes.size() == (head >= 0xF0 ? 4u : head >= 0xE0 ? 3u : 2u);
  }

  void add_words(const ForEachPiece& pieces, const int32_t* byte_ids) {
    uint64_t n_words = 0, n_symbols = 0;  // first, so that nothing is copied while it grows
    pieces([&](std::string_view piece, int64_t) {
      if (piece.size() < 2) return;
      NURI_CHECK(piece.size() < (uint64_t(1) << 32) && n_words < (uint64_t(1) << 32) - 1,
                 "too many or too long pieces ({} bytes here); train on a sample of the text", piece.size());
      ++n_words;
      n_symbols += piece.size();
    });
    words_.reserve(n_words);
    symbols_.reserve(n_symbols);
    pieces([&](std::string_view piece, int64_t count) {
      if (piece.size() < 2) return;
      words_.push_back({symbols_.size(), static_cast<uint32_t>(piece.size()), count});
      for (const char byte : piece) symbols_.push_back(byte_ids[static_cast<uint8_t>(byte)]);
    });
  }

  /// Room for the words of each pair of bytes: most of what the lists ever hold is there before the first merge.
  void reserve_places() {
    for (const Word& word : words_) {
      const int32_t* s = symbols_.data() + word.begin;
      for (uint32_t i = 0; i + 1 < word.length; ++i) {
        if (allowed(s[i], s[i + 1])) ++pairs_[pairs_.find_or_add(s[i], s[i + 1])].count;
      }
    }
    for (size_t i = 0; i < pairs_.size(); ++i) {
      Pair& pair = pairs_[static_cast<int32_t>(i)];
      pair.words.reserve(static_cast<size_t>(std::exchange(pair.count, 0)));
    }
  }

  bool allowed(int32_t left, int32_t right) const {
    const Kind a = kinds_[static_cast<size_t>(left)], b = kinds_[static_cast<size_t>(right)];
    // Neighbouring parts of valid UTF-8 that end in a tail belong to one character.
    return a == Kind::whole ? b == Kind::whole : b == Kind::tail;
  }

  void count_pairs(uint32_t w) {
    const Word& word = words_[w];
    const int32_t* s = symbols_.data() + word.begin;
    for (uint32_t i = 0; i + 1 < word.length; ++i) raise(s[i], s[i + 1], w);
  }

  int32_t raise(int32_t left, int32_t right, uint32_t w) {
    if (!allowed(left, right)) return -1;
    const int32_t index = pairs_.find_or_add(left, right);
    Pair& pair = pairs_[index];
    pair.count += words_[w].count;
    if (pair.words.empty() || pair.words.back() != w) pair.words.push_back(w);
    return index;
  }

  void lower_count(int32_t left, int32_t right, uint32_t w) {
    if (!allowed(left, right)) return;
    if (Pair* pair = pairs_.find(left, right)) pair->count -= words_[w].count;
  }

  void push(int32_t index) {
    const Pair& pair = pairs_[index];
    if (pair.count < min_count_) return;
    heap_.push_back({pair.count, pair.left, pair.right, index});
    std::push_heap(heap_.begin(), heap_.end(), lower);
  }

  /// Replaces the pair by `result` in every word that has it, left to right.
  void merge(int32_t index, int32_t result) {
    const int32_t left = pairs_[index].left, right = pairs_[index].right;
    std::vector<uint32_t> where;
    where.swap(pairs_[index].words);
    raised_.clear();
    for (const uint32_t w : where) {
      Word& word = words_[w];
      int32_t* s = symbols_.data() + word.begin;
      uint32_t out = 0;
      for (uint32_t i = 0; i < word.length; ++i) {
        if (s[i] != left || i + 1 >= word.length || s[i + 1] != right) {
          s[out++] = s[i];
          continue;
        }
        if (out > 0) {
          lower_count(s[out - 1], left, w);
          raised_.push_back(raise(s[out - 1], result, w));
        }
        if (i + 2 < word.length) {
          lower_count(right, s[i + 2], w);
          raised_.push_back(raise(result, s[i + 2], w));
        }
        s[out++] = result;
        ++i;
      }
      word.length = out;
    }
    pairs_[index].count = 0;
    std::sort(raised_.begin(), raised_.end());
    raised_.erase(std::unique(raised_.begin(), raised_.end()), raised_.end());
    for (const int32_t pair : raised_)
      if (pair >= 0) push(pair);
  }

  int32_t first_id_;
  int64_t min_count_;
  std::vector<Kind> kinds_;         // by id
  std::vector<std::string> bytes_;  // by id
  std::vector<Word> words_;
  std::vector<int32_t> symbols_;  // of all words
  PairTable pairs_;
  std::vector<Candidate> heap_;
  std::vector<int32_t> raised_;
};

}  // namespace

LearnedMerges learn_merges(ForEachPiece pieces, const int32_t* byte_ids, int32_t first_id, int32_t max_tokens,
                           int64_t min_count, const std::function<void(int32_t)>& progress) {
  Learner learner(pieces, byte_ids, first_id, min_count);
  pieces = nullptr;
  return learner.run(max_tokens, progress);
}

}  // namespace nuri
