#include <algorithm>

#include "base/error.h"
#include "data/hash.h"
#include "data/ngram.h"

namespace nuri::data {
namespace {

/// f(hash) for every n-gram of a document, without its begin and end tokens.
template <class F>
void for_each_gram(const Dataset& data, const TokenStream& stream, const Origin& origin, size_t n,
                   std::vector<int32_t>& ids, F f) {
  ids.resize(origin.end - origin.begin);
  stream.copy(origin.begin, ids);
  const size_t first = !ids.empty() && ids.front() == data.manifest().begin_id ? 1 : 0;
  const size_t last = ids.size() - (!ids.empty() && ids.back() == data.manifest().end_id ? 1 : 0);
  for (size_t i = first; i + n <= last; ++i) f(hash64({reinterpret_cast<const char*>(&ids[i]), 4 * n}));
}

}  // namespace

std::vector<Overlap> ngram_overlap(const Dataset& data, int n) {
  NURI_ASSERT(n >= 1);
  const auto length = static_cast<size_t>(n);
  std::vector<int32_t> ids;
  std::vector<uint64_t> held_out;  // distinct hashes of validation n-grams
  for (int s = 0; s < data.n_sources(); ++s) {
    const TokenStream& stream = data.stream(Split::validation, s);
    for (uint64_t d = 0; d < stream.n_documents(); ++d) {
      for_each_gram(data, stream, stream.document(d), length, ids, [&](uint64_t h) { held_out.push_back(h); });
    }
  }
  std::sort(held_out.begin(), held_out.end());
  held_out.erase(std::unique(held_out.begin(), held_out.end()), held_out.end());
  const auto place = [&](uint64_t h) {
    return std::lower_bound(held_out.begin(), held_out.end(), h) - held_out.begin();
  };
  std::vector<char> found(held_out.size());
  for (int s = 0; s < data.n_sources(); ++s) {
    const TokenStream& stream = data.stream(Split::train, s);
    for (uint64_t d = 0; d < stream.n_documents(); ++d) {
      for_each_gram(data, stream, stream.document(d), length, ids, [&](uint64_t h) {
        const auto at = place(h);
        if (at < static_cast<int64_t>(held_out.size()) && held_out[static_cast<size_t>(at)] == h) {
          found[static_cast<size_t>(at)] = 1;
        }
      });
    }
  }
  std::vector<Overlap> out(static_cast<size_t>(data.n_sources()));
  for (int s = 0; s < data.n_sources(); ++s) {
    Overlap& o = out[static_cast<size_t>(s)];
    const TokenStream& stream = data.stream(Split::validation, s);
    for (uint64_t d = 0; d < stream.n_documents(); ++d) {
      const Overlap before = o;
      for_each_gram(data, stream, stream.document(d), length, ids, [&](uint64_t h) {
        ++o.grams;
        o.shared += found[static_cast<size_t>(place(h))];
      });
      o.documents += o.grams > before.grams;
      o.touched += o.shared > before.shared;
    }
  }
  return out;
}

}  // namespace nuri::data
