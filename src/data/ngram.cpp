#include "data/ngram.h"

#include <algorithm>

#include "base/error.h"
#include "base/x1.h"

namespace nuri::data {
namespace {

constexpr int kIdBits = 21;  // three ids in a word
constexpr uint64_t kIdMask = (uint64_t(1) << kIdBits) - 1;

uint64_t key_of(int32_t v, int32_t w) { return static_cast<uint64_t>(v) << kIdBits | static_cast<uint64_t>(w); }
uint64_t key_of(int32_t u, int32_t v, int32_t w) { return static_cast<uint64_t>(u) << (2 * kIdBits) | key_of(v, w); }

template <class T>
const T* find_key(const std::vector<T>& rows, uint64_t key) {
  const auto it = std::lower_bound(rows.begin(), rows.end(), key, [](const T& row, uint64_t k) { return row.key < k; });
  return it != rows.end() && it->key == key ? &*it : nullptr;
}

/// Sorted keys to (key, how often).
template <class Row>
std::vector<Row> count_runs(std::vector<uint64_t>& keys) {
  std::sort(keys.begin(), keys.end());
  std::vector<Row> rows;
  for (uint64_t key : keys) {
    if (rows.empty() || rows.back().key != key) rows.push_back({key, 0});
    ++rows.back().count;
  }
  return rows;
}

/// Rows by context: the key without its last id.
template <class Context, class Row>
std::vector<Context> sum_contexts(const std::vector<Row>& rows) {
  std::vector<Context> contexts;
  for (const Row& row : rows) {
    const uint64_t key = row.key >> kIdBits;
    if (contexts.empty() || contexts.back().key != key) contexts.push_back({key, 0, 0});
    contexts.back().total += row.count;
    ++contexts.back().distinct;
  }
  return contexts;
}

/// Documents one after the other; starts[i] is the first token of document i, ended by the total.
struct Documents {
  std::vector<int32_t> tokens;
  std::vector<int64_t> starts{0};
  int64_t text_bytes = 0;

  /// Of a stream, this share from its start (to a document's end).
  void add(const TokenStream& stream, double share) {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(stream.n_tokens()));
    for (uint64_t d = 0; d < stream.n_documents(); ++d) {
      const Origin origin = stream.document(d);
      if (origin.begin > wanted || (origin.begin == wanted && share < 1)) break;
      const size_t had = tokens.size();
      tokens.resize(had + (origin.end - origin.begin));
      stream.copy(origin.begin, std::span(tokens).subspan(had));
      starts.push_back(static_cast<int64_t>(tokens.size()));
      text_bytes += static_cast<int64_t>(origin.text_bytes);
    }
  }
};

/// f(u, v, w) for every target of every document.
template <class F>
void for_each_target(const std::vector<int32_t>& tokens, const std::vector<int64_t>& starts, F f) {
  for (size_t d = 0; d + 1 < starts.size(); ++d) {
    for (int64_t i = starts[d] + 1; i < starts[d + 1]; ++i) {
      const auto at = [&](int64_t k) { return tokens[static_cast<size_t>(std::max(k, starts[d]))]; };
      f(at(i - 2), at(i - 1), at(i));
    }
  }
}

}  // namespace

KneserNey::KneserNey(const std::vector<int32_t>& tokens, const std::vector<int64_t>& starts, int64_t vocab_size,
                     double discount)
    : vocab_size_(vocab_size), discount_(discount) {
  NURI_CHECK(vocab_size >= 1 && vocab_size <= int64_t(1) << kIdBits, "vocabulary of {}; the trigram takes up to {}",
             vocab_size, int64_t(1) << kIdBits);
  std::vector<uint64_t> keys;
  keys.reserve(tokens.size());
  for_each_target(tokens, starts, [&](int32_t u, int32_t v, int32_t w) { keys.push_back(key_of(u, v, w)); });
  trigrams_ = count_runs<Row>(keys);
  pairs_ = sum_contexts<Context>(trigrams_);
  keys.clear();
  for (const Row& row : trigrams_) keys.push_back(row.key & (kIdMask << kIdBits | kIdMask));
  bigrams_ = count_runs<Row>(keys);
  singles_ = sum_contexts<Context>(bigrams_);
  unigrams_.resize(static_cast<size_t>(vocab_size));
  for (const Row& row : bigrams_) n_seen_ += unigrams_[row.key & kIdMask]++ == 0;
  n_bigrams_ = static_cast<int64_t>(bigrams_.size());
}

double KneserNey::probability(int32_t u, int32_t v, int32_t w) const {
  const double d = discount_;
  const auto above = [&](int64_t count) { return count > 0 ? static_cast<double>(count) - d : 0.0; };
  const auto total = static_cast<double>(std::max<int64_t>(1, n_bigrams_));
  double p = n_bigrams_ == 0 ? 1.0 / static_cast<double>(vocab_size_)
                             : above(unigrams_[static_cast<size_t>(w)]) / total +
                                   d * static_cast<double>(n_seen_) / total / static_cast<double>(vocab_size_);
  if (const Context* c = find_key(singles_, static_cast<uint64_t>(v))) {
    const Row* row = find_key(bigrams_, key_of(v, w));
    p = (above(row ? row->count : 0) + d * static_cast<double>(c->distinct) * p) / static_cast<double>(c->total);
  }
  if (const Context* c = find_key(pairs_, key_of(u, v))) {
    const Row* row = find_key(trigrams_, key_of(u, v, w));
    p = (above(row ? row->count : 0) + d * static_cast<double>(c->distinct) * p) / static_cast<double>(c->total);
  }
  return p;
}

NgramScore score_ngrams(const Dataset& data, const NgramOptions& options) {
  const int64_t vocab_size = data.manifest().vocab_size;
  NURI_CHECK(data.n_tokens(Split::train) > 0 && data.n_tokens(Split::validation) > 0,
             "{}: the n-gram yardstick needs training and validation tokens; found {} and {}", data.dir().string(),
             data.n_tokens(Split::train), data.n_tokens(Split::validation));
  NgramScore score;
  Documents train;
  const double share =
      std::min(1.0, static_cast<double>(options.max_train_tokens) / static_cast<double>(data.n_tokens(Split::train)));
  for (int s = 0; s < data.n_sources(); ++s) train.add(data.stream(Split::train, s), share);
  score.train_tokens = static_cast<int64_t>(train.tokens.size());
  const KneserNey trigram(train.tokens, train.starts, vocab_size, options.discount);
  std::vector<int64_t> counts(static_cast<size_t>(vocab_size));
  int64_t n = 0;
  for_each_target(train.tokens, train.starts,
                  [&](int32_t, int32_t, int32_t w) { ++counts[static_cast<size_t>(w)], ++n; });
  train = {};

  // Sums of nats first, then bits per byte.
  for (int s = 0; s < data.n_sources(); ++s) {
    Documents held_out;
    held_out.add(data.stream(Split::validation, s), 1);
    NgramBits& of = score.by_source.emplace_back();
    of.text_bytes = held_out.text_bytes;
    for_each_target(held_out.tokens, held_out.starts, [&](int32_t u, int32_t v, int32_t w) {
      of.unigram -=
          x1::log(static_cast<double>(counts[static_cast<size_t>(w)] + 1) / static_cast<double>(n + vocab_size));
      of.trigram -= x1::log(trigram.probability(u, v, w));
      ++of.targets;
    });
    score.all.targets += of.targets, score.all.text_bytes += of.text_bytes;
    score.all.unigram += of.unigram, score.all.trigram += of.trigram;
  }
  const auto to_bits = [](NgramBits& of) {
    constexpr double kLog2 = 0.69314718055994531;
    const double bytes = static_cast<double>(std::max<int64_t>(1, of.text_bytes));
    of.unigram /= kLog2 * bytes, of.trigram /= kLog2 * bytes;
  };
  to_bits(score.all);
  for (NgramBits& of : score.by_source) to_bits(of);
  return score;
}

}  // namespace nuri::data
