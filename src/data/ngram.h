// What counting alone achieves on the same tokens: the yardstick printed beside a model.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace nuri::data {

/// Of some held-out documents.
struct NgramBits {
  int64_t targets = 0;     // tokens scored: all but the first of each document
  int64_t text_bytes = 0;  // of the documents
  double unigram = 0;      // bits per byte; 0 without bytes
  double trigram = 0;
};

struct NgramScore {
  int64_t train_tokens = 0;  // counted
  NgramBits all;
  std::vector<NgramBits> by_source;  // in the order of the manifest
};

struct NgramOptions {
  double discount = 0.75;
  int64_t max_train_tokens = 50'000'000;  // from the start of each source, in proportion; about 24 bytes each
};

/// Fits on the training split of all sources together, scores the validation split. A document is a sequence
/// t_0 ... t_n (t_0 the begin token, t_n the end token); targets are t_1 to t_n, the context of t_1 is (t_0, t_0).
///
///   unigram   p(w) = (c(w) + 1) / (N + V)
///   trigram   interpolated Kneser-Ney, one discount D at every order (Chen and Goodman 1998):
///     p(w|uv) = max(c(uvw) - D, 0) / c(uv.) + D n(uv.) / c(uv.) * p(w|v)         n(uv.): distinct w after uv
///     p(w|v)  = max(n(.vw) - D, 0) / n(.v.) + D n'(v.) / n(.v.) * p(w)           n(.vw): distinct u before vw,
///     p(w)    = max(n(.w) - D, 0) / n(..) + D n'(.) / n(..) / V                  n'(v.): distinct w after v
///   an unseen context passes on to the next order with weight 1.
/// Errors: no training or no validation tokens.
NgramScore score_ngrams(const Dataset& dataset, const NgramOptions& options = {});

/// The trigram model itself.
class KneserNey {
 public:
  /// `sequences`: token ids of documents one after the other; starts[i] is the first token of document i, ended by the
  /// total. Ids must be in [0, vocab_size), vocab_size at most 2^21.
  KneserNey(const std::vector<int32_t>& tokens, const std::vector<int64_t>& starts, int64_t vocab_size,
            double discount);
  double probability(int32_t u, int32_t v, int32_t w) const;

 private:
  struct Row {
    uint64_t key = 0;  // the n-gram, 21 bits an id
    int64_t count = 0;
  };
  struct Context {
    uint64_t key = 0;
    int64_t total = 0, distinct = 0;  // of what follows
  };
  std::vector<Row> trigrams_, bigrams_;
  std::vector<Context> pairs_, singles_;
  std::vector<int64_t> unigrams_;  // n(.w)
  int64_t n_bigrams_ = 0, n_seen_ = 0, vocab_size_;
  double discount_;
};

struct Overlap {
  int64_t grams = 0, shared = 0;       // n-grams of the validation split; those also in the training split
  int64_t documents = 0, touched = 0;  // validation documents long enough; those with a shared n-gram
  double share() const { return grams == 0 ? 0 : static_cast<double>(shared) / static_cast<double>(grams); }
};

/// How much of the held-out text stands in the training text: n-grams of token ids inside documents, begin and end
/// tokens apart, compared by 64-bit hash. One entry per source of the validation split; training of all sources.
std::vector<Overlap> ngram_overlap(const Dataset& dataset, int n = 13);
/// The same of texts from elsewhere, as ids of the data's tokenizer: one entry each.
std::vector<Overlap> ngram_overlap(const Dataset& dataset, std::span<const std::vector<int32_t>> texts, int n = 13);

}  // namespace nuri::data
