#include "data/shard.h"

#include <bit>
#include <cstring>

#include "base/error.h"

namespace nuri::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are read as they lie in memory");

constexpr char kMagic[8] = {'N', 'U', 'R', 'I', 'S', 'H', 'R', 'D'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeader = 16, kRecord = 40, kFooterWords = 9, kFooter = 8 * kFooterWords + 8;
constexpr const char* kRemedy = "build the data again";

struct Footer {
  uint64_t n_tokens, n_documents, n_files, documents_at, files_at, file_bytes, hash_low, hash_high, footer_hash;
};
static_assert(sizeof(Footer) == 8 * kFooterWords);

template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

uint64_t footer_hash(const Footer& f) {
  return hash64({reinterpret_cast<const char*>(&f), sizeof f - sizeof f.footer_hash});
}

}  // namespace

ShardWriter::ShardWriter(const fs::path& path, int64_t vocab_size)
    : file_(path), id_bytes_(vocab_size <= 65536 ? 2 : 4) {
  const uint32_t words[2] = {kVersion, static_cast<uint32_t>(id_bytes_)};
  put(kMagic, sizeof kMagic);
  put(words, sizeof words);
}

void ShardWriter::put(const void* data, size_t bytes) {
  file_.write(data, bytes);
  hash_.add(data, bytes);
}

void ShardWriter::pad() {
  constexpr char kZeros[8] = {};
  put(kZeros, (8 - file_.written() % 8) % 8);
}

void ShardWriter::add(std::span<const int32_t> ids, DocumentRecord record, std::string_view file) {
  if (files_.empty() || files_.back() != file) files_.emplace_back(file);
  record.file = static_cast<uint32_t>(files_.size() - 1);
  record.first_token = n_tokens_;
  documents_.push_back(record);
  n_tokens_ += ids.size();
  if (id_bytes_ == 4) return put(ids.data(), ids.size_bytes());
  scratch_.resize(2 * ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto id = static_cast<uint16_t>(ids[i]);
    std::memcpy(&scratch_[2 * i], &id, 2);
  }
  put(scratch_.data(), scratch_.size());
}

Hash128 ShardWriter::finish() {
  pad();
  Footer f = {.n_tokens = n_tokens_,
              .n_documents = documents_.size(),
              .n_files = files_.size(),
              .documents_at = file_.written(),
              .files_at = 0,
              .file_bytes = 0,
              .hash_low = 0,
              .hash_high = 0,
              .footer_hash = 0};
  for (const DocumentRecord& d : documents_) {
    const uint64_t words[4] = {d.first_token, d.line, d.text_bytes, d.hash};
    const uint32_t halves[2] = {d.file, static_cast<uint32_t>(d.language)};
    put(words, sizeof words);
    put(halves, sizeof halves);
  }
  f.files_at = file_.written();
  for (const std::string& name : files_) {
    const auto length = static_cast<uint32_t>(name.size());
    put(&length, sizeof length);
    put(name.data(), name.size());
  }
  pad();
  const Hash128 hash = hash_.value();
  f.file_bytes = file_.written() + kFooter;
  f.hash_low = hash.low;
  f.hash_high = hash.high;
  f.footer_hash = footer_hash(f);
  file_.write(&f, sizeof f);
  file_.write(kMagic, sizeof kMagic);
  file_.commit();
  return hash;
}

Shard Shard::open(const fs::path& path, bool verify) {
  Shard s;
  s.path_ = path;
  s.map_ = MappedFile(path);
  const std::string name = path.string();
  const size_t size = s.map_.size();
  const std::byte* base = s.map_.bytes().data();
  NURI_CHECK(size >= kHeader + kFooter, "{}: {} bytes are too few for a shard (at least {}); {}", name, size,
             kHeader + kFooter, kRemedy);
  NURI_CHECK(std::memcmp(base, kMagic, sizeof kMagic) == 0, "{}: no shard of nuri (it does not begin with NURISHRD)",
             name);
  const auto version = load<uint32_t>(base + 8), id_bytes = load<uint32_t>(base + 12);
  NURI_CHECK(version == kVersion, "{}: shard version {}; this program reads version {}; {}", name, version, kVersion,
             kRemedy);
  NURI_CHECK(id_bytes == 2 || id_bytes == 4, "{}: {} bytes per id; 2 or 4 is allowed; {}", name, id_bytes, kRemedy);
  const auto f = load<Footer>(base + size - kFooter);
  NURI_CHECK(std::memcmp(base + size - sizeof kMagic, kMagic, sizeof kMagic) == 0 && f.footer_hash == footer_hash(f),
             "{}: the footer is damaged or the file is cut off; {}", name, kRemedy);
  const uint64_t body = size - kFooter;
  // Each bound before the product that could overflow.
  NURI_CHECK(f.file_bytes == size && f.documents_at <= f.files_at && f.files_at <= body && f.documents_at >= kHeader &&
                 f.n_tokens <= (f.documents_at - kHeader) / id_bytes &&
                 f.n_documents <= (f.files_at - f.documents_at) / kRecord &&
                 f.n_documents * kRecord == f.files_at - f.documents_at && f.n_files <= (body - f.files_at) / 4,
             "{}: sizes in the footer do not fit {} bytes; {}", name, size, kRemedy);
  s.id_bytes_ = static_cast<int>(id_bytes);
  s.n_tokens_ = f.n_tokens;
  s.n_documents_ = f.n_documents;
  s.ids_ = base + kHeader;
  s.documents_ = base + f.documents_at;
  s.hash_ = {f.hash_low, f.hash_high};
  uint64_t at = f.files_at;
  for (uint64_t i = 0; i < f.n_files; ++i) {
    NURI_CHECK(at + 4 <= body, "{}: the list of files is cut off at entry {}; {}", name, i, kRemedy);
    const auto length = load<uint32_t>(base + at);
    NURI_CHECK(length <= body - at - 4, "{}: name {} in the list of files is too long; {}", name, i, kRemedy);
    s.files_.emplace_back(reinterpret_cast<const char*>(base + at + 4), length);
    at += 4 + length;
  }
  uint64_t previous = 0;
  for (uint64_t i = 0; i < f.n_documents; ++i) {
    const std::byte* record = s.documents_ + i * kRecord;
    const auto first = load<uint64_t>(record);
    NURI_CHECK((i == 0 ? first == 0 : first > previous) && first < f.n_tokens &&
                   load<uint32_t>(record + 32) < f.n_files &&
                   load<uint32_t>(record + 36) < static_cast<uint32_t>(kLanguages),
               "{}: the record of document {} is damaged; {}", name, i, kRemedy);
    previous = first;
  }
  NURI_CHECK(f.n_documents > 0 || f.n_tokens == 0, "{}: tokens without documents; {}", name, kRemedy);
  if (verify) {
    StreamHash hash;
    hash.add(base, body);
    NURI_CHECK(hash.value() == s.hash_, "{}: the content does not match its checksum; {}", name, kRemedy);
  }
  return s;
}

void Shard::copy(uint64_t begin, std::span<int32_t> out) const {
  NURI_ASSERT(begin <= n_tokens_ && out.size() <= n_tokens_ - begin);
  if (id_bytes_ == 4) {
    std::memcpy(out.data(), ids_ + 4 * begin, out.size_bytes());
    return;
  }
  for (size_t i = 0; i < out.size(); ++i) out[i] = load<uint16_t>(ids_ + 2 * (begin + i));
}

uint64_t Shard::first_token(uint64_t index) const {
  return index == n_documents_ ? n_tokens_ : load<uint64_t>(documents_ + index * kRecord);
}

DocumentRecord Shard::document(uint64_t index) const {
  NURI_ASSERT(index < n_documents_);
  const std::byte* p = documents_ + index * kRecord;
  return {.first_token = load<uint64_t>(p),
          .line = load<uint64_t>(p + 8),
          .text_bytes = load<uint64_t>(p + 16),
          .hash = load<uint64_t>(p + 24),
          .file = load<uint32_t>(p + 32),
          .language = static_cast<Language>(load<uint32_t>(p + 36))};
}

uint64_t Shard::document_at(uint64_t position) const {
  NURI_ASSERT(position < n_tokens_);
  uint64_t low = 0, high = n_documents_;  // first_token(low) <= position < first_token(high)
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    (first_token(middle) <= position ? low : high) = middle;
  }
  return low;
}

}  // namespace nuri::data
