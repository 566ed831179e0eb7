#include <algorithm>
#include <span>
#include <vector>

#include "base/error.h"
#include "data/hash.h"
#include "data/ngram.h"

namespace nuri::data {
namespace {

using Hashes = std::vector<uint64_t>;

/// f(hash) for every n-gram of ids.
template <class F>
void for_each_gram(std::span<const int32_t> ids, size_t n, F f) {
  for (size_t i = 0; i + n <= ids.size(); ++i) f(hash64({reinterpret_cast<const char*>(&ids[i]), 4 * n}));
}

/// The ids of a document, without its begin and end tokens. `ids` is scratch.
std::span<const int32_t> document_ids(const Dataset& data, const TokenStream& stream, const Origin& origin,
                                      std::vector<int32_t>& ids) {
  ids.resize(origin.end - origin.begin);
  stream.copy(origin.begin, ids);
  const size_t first = !ids.empty() && ids.front() == data.manifest().begin_id ? 1 : 0;
  const size_t last = ids.size() - (!ids.empty() && ids.back() == data.manifest().end_id ? 1 : 0);
  return std::span(ids).subspan(first, std::max(first, last) - first);
}

template <class F>
void for_each_document(const Dataset& data, Split split, int source, F f) {
  std::vector<int32_t> ids;
  const TokenStream& stream = data.stream(split, source);
  for (uint64_t d = 0; d < stream.n_documents(); ++d) f(document_ids(data, stream, stream.document(d), ids));
}

/// Which of some n-grams stand in the training split.
class Shared {
 public:
  Shared(const Dataset& data, Hashes grams, size_t n) : grams_(std::move(grams)) {
    std::sort(grams_.begin(), grams_.end());
    grams_.erase(std::unique(grams_.begin(), grams_.end()), grams_.end());
    found_.resize(grams_.size());
    for (int s = 0; s < data.n_sources(); ++s)
      for_each_document(data, Split::train, s, [&](std::span<const int32_t> ids) {
        for_each_gram(ids, n, [&](uint64_t h) {
          const size_t at = place(h);
          if (at < grams_.size() && grams_[at] == h) found_[at] = 1;
        });
      });
  }
  /// Of a gram that was given.
  bool has(uint64_t h) const { return found_[place(h)]; }

 private:
  size_t place(uint64_t h) const {
    return static_cast<size_t>(std::lower_bound(grams_.begin(), grams_.end(), h) - grams_.begin());
  }
  Hashes grams_;
  std::vector<char> found_;
};

void count(std::span<const int32_t> ids, size_t n, const Shared& shared, Overlap& o) {
  const Overlap before = o;
  for_each_gram(ids, n, [&](uint64_t h) {
    ++o.grams;
    o.shared += shared.has(h);
  });
  o.documents += o.grams > before.grams;
  o.touched += o.shared > before.shared;
}

}  // namespace

std::vector<Overlap> ngram_overlap(const Dataset& data, int n) {
  NURI_ASSERT(n >= 1);
  const auto length = static_cast<size_t>(n);
  Hashes grams;
  for (int s = 0; s < data.n_sources(); ++s)
    for_each_document(data, Split::validation, s, [&](std::span<const int32_t> ids) {
      for_each_gram(ids, length, [&](uint64_t h) { grams.push_back(h); });
    });
  const Shared shared(data, std::move(grams), length);
  std::vector<Overlap> out(static_cast<size_t>(data.n_sources()));
  for (int s = 0; s < data.n_sources(); ++s)
    for_each_document(data, Split::validation, s,
                      [&](std::span<const int32_t> ids) { count(ids, length, shared, out[static_cast<size_t>(s)]); });
  return out;
}

std::vector<Overlap> ngram_overlap(const Dataset& data, std::span<const std::vector<int32_t>> texts, int n) {
  NURI_ASSERT(n >= 1);
  const auto length = static_cast<size_t>(n);
  Hashes grams;
  for (const std::vector<int32_t>& ids : texts) for_each_gram(ids, length, [&](uint64_t h) { grams.push_back(h); });
  const Shared shared(data, std::move(grams), length);
  std::vector<Overlap> out(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) count(texts[i], length, shared, out[i]);
  return out;
}

}  // namespace nuri::data
