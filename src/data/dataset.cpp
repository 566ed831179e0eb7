#include "data/dataset.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"

namespace nuri::data {

size_t TokenStream::shard_at(uint64_t position) const {
  NURI_ASSERT(position < n_tokens());
  return static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), position) - starts_.begin()) - 1;
}

void TokenStream::copy(uint64_t begin, std::span<int32_t> out) const {
  NURI_ASSERT(begin <= n_tokens() && out.size() <= n_tokens() - begin);
  while (!out.empty()) {
    const size_t s = shard_at(begin);
    const size_t n = static_cast<size_t>(std::min<uint64_t>(out.size(), starts_[s + 1] - begin));
    shards_[s].copy(begin - starts_[s], out.first(n));
    for (int32_t id : out.first(n)) {
      NURI_CHECK(id >= 0 && id < vocab_size_,
                 "{}: token id {} near token {}; below {} is allowed; build the data again", shards_[s].path().string(),
                 id, begin - starts_[s], vocab_size_);
    }
    begin += n;
    out = out.subspan(n);
  }
}

Origin TokenStream::origin(size_t shard, uint64_t index) const {
  const Shard& s = shards_[shard];
  const DocumentRecord d = s.document(index);
  return {.source = source_,
          .file = s.file(d.file),
          .line = d.line,
          .language = d.language,
          .text_bytes = d.text_bytes,
          .begin = starts_[shard] + d.first_token,
          .end = starts_[shard] + s.first_token(index + 1)};
}

Origin TokenStream::origin_at(uint64_t position) const {
  const size_t s = shard_at(position);
  return origin(s, shards_[s].document_at(position - starts_[s]));
}

Origin TokenStream::document(uint64_t index) const {
  NURI_ASSERT(index < n_documents_);
  const auto it = std::upper_bound(document_starts_.begin(), document_starts_.end(), index);
  const size_t s = static_cast<size_t>(it - document_starts_.begin()) - 1;
  return origin(s, index - document_starts_[s]);
}

Dataset Dataset::open(const fs::path& dir, bool verify) {
  Dataset d;
  d.dir_ = dir;
  d.manifest_ = read_manifest(dir);
  const Manifest& m = d.manifest_;
  std::vector<Shard> shards(m.shards.size());
  parallel_for(static_cast<int64_t>(shards.size()), [&](int64_t i) {
    const ShardEntry& e = m.shards[static_cast<size_t>(i)];
    const fs::path path = dir / e.file;
    NURI_CHECK(fs::exists(path), "{}: missing, though manifest.json lists it; build the data again", path.string());
    Shard shard = Shard::open(path, verify);
    NURI_CHECK(hex(shard.payload_hash()) == e.hash && static_cast<int64_t>(shard.n_tokens()) == e.amount.tokens &&
                   static_cast<int64_t>(shard.n_documents()) == e.amount.documents && shard.n_tokens() > 0,
               "{}: not the shard that manifest.json describes; build the data again", path.string());
    shards[static_cast<size_t>(i)] = std::move(shard);
  });
  for (auto& streams : d.streams_) {
    streams.resize(m.sources.size());
    for (size_t s = 0; s < streams.size(); ++s) {
      streams[s].source_ = static_cast<int>(s);
      streams[s].vocab_size_ = m.vocab_size;
    }
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    const ShardEntry& e = m.shards[i];
    TokenStream& stream = d.streams_[static_cast<size_t>(e.split)][static_cast<size_t>(e.source)];
    if (stream.starts_.empty()) stream.starts_ = stream.document_starts_ = {0};
    stream.starts_.push_back(stream.starts_.back() + shards[i].n_tokens());
    stream.document_starts_.push_back(stream.document_starts_.back() + shards[i].n_documents());
    stream.n_documents_ = stream.document_starts_.back();
    stream.shards_.push_back(std::move(shards[i]));
  }
  return d;
}

uint64_t Dataset::n_tokens(Split split) const {
  uint64_t n = 0;
  for (const TokenStream& s : streams_[static_cast<size_t>(split)]) n += s.n_tokens();
  return n;
}

void Dataset::check_tokenizer(const fs::path& dir_or_file) const {
  const fs::path path = fs::is_directory(dir_or_file) ? dir_or_file / "tokenizer.json" : dir_or_file;
  const std::string found = hex(hash128(read_file(path, uint64_t(1) << 28)));
  NURI_CHECK(found == manifest_.tokenizer_hash,
             "{}: hash {}, but {} was made with a tokenizer of hash {}; use {} or build the data again", path.string(),
             found, dir_.string(), manifest_.tokenizer_hash, tokenizer_dir().string());
}

}  // namespace nuri::data
