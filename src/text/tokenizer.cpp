#include "text/tokenizer.h"

#include <utility>

#include "base/error.h"
#include "text/tokenizer_tables.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace nuri {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t(1) << 28;
constexpr uint64_t kMaxTemplateBytes = uint64_t(1) << 20;

/// Scratch from the pool, given back at the end.
class ScratchLease {
 public:
  explicit ScratchLease(const Tokenizer::Tables& tables) : tables_(tables) {
    {
      const std::lock_guard lock(tables.pool_mutex);
      if (!tables.pool.empty()) {
        scratch_ = std::move(tables.pool.back());
        tables.pool.pop_back();
      }
    }
    if (!scratch_) scratch_ = std::make_unique<EncodeScratch>();
  }
  ~ScratchLease() {
    const std::lock_guard lock(tables_.pool_mutex);
    tables_.pool.push_back(std::move(scratch_));
  }
  ScratchLease(const ScratchLease&) = delete;
  ScratchLease& operator=(const ScratchLease&) = delete;
  EncodeScratch& operator*() const { return *scratch_; }

 private:
  const Tokenizer::Tables& tables_;
  std::unique_ptr<EncodeScratch> scratch_;
};

void encode_pieces(const Tokenizer::Tables& t, std::string_view text, EncodeScratch& scratch,
                   std::vector<int32_t>& out) {
  if (t.whole.empty()) {
    t.splitter->split(text, scratch.regex, [&](std::string_view piece) { t.bpe.encode(piece, scratch.bpe, out); });
    return;
  }
  t.splitter->split(text, scratch.regex, [&](std::string_view piece) {
    const auto known = t.whole.find(piece);
    if (known != t.whole.end())
      out.push_back(known->second);
    else
      t.bpe.encode(piece, scratch.bpe, out);
  });
}

/// Cuts `text` at the matches of `matcher`: between(part) for what lies between, their ids into `out`.
template <class F>
void cut(const AddedTokenMatcher& matcher, std::string_view text, std::vector<int32_t>& out, F&& between) {
  size_t done = 0;
  for (AddedTokenMatcher::Match match; matcher.find(text, done, match); done = match.end) {
    if (match.begin > done) between(text.substr(done, match.begin - done));
    out.push_back(match.id);
  }
  if (done < text.size()) between(text.substr(done));
}

std::string_view normalise_into(const Tokenizer::Tables& t, std::string_view text, std::string& buffer) {
  if (!t.nfc || surely_nfc(text)) return text;
  buffer.clear();
  append_nfc(text, buffer);
  return buffer;
}

void check_utf8(const Tokenizer::Tables& t, std::string_view text) {
  const size_t bad = utf8_first_invalid(text);
  NURI_CHECK(bad == std::string_view::npos,
             "{}: the text to encode is not UTF-8: byte 0x{:02X} at offset {}; convert it to UTF-8 first", t.name,
             static_cast<uint8_t>(text[bad]), bad);
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

Tokenizer Tokenizer::load(const fs::path& dir_or_file) {
  std::error_code ignored;
  const bool is_dir = fs::is_directory(dir_or_file, ignored);
  const fs::path file = is_dir ? dir_or_file / "tokenizer.json" : dir_or_file;
  NURI_CHECK(fs::exists(file, ignored), "{}: there is no such file; give a directory with tokenizer.json in it",
             file.string());
  auto tables = read_tokenizer_json(read_file(file, kMaxFileBytes), file.string());
  const fs::path config = file.parent_path() / "tokenizer_config.json";
  if (fs::exists(config, ignored)) read_tokenizer_config(read_file(config, kMaxFileBytes), config.string(), *tables);
  const fs::path jinja = file.parent_path() / "chat_template.jinja";
  if (fs::exists(jinja, ignored)) tables->chat_template = read_file(jinja, kMaxTemplateBytes);
  return Tokenizer(std::move(tables));
}

Tokenizer Tokenizer::from_json(std::string_view tokenizer_json, std::string_view config_json, std::string_view name) {
  auto tables = read_tokenizer_json(tokenizer_json, name);
  if (!config_json.empty()) read_tokenizer_config(config_json, "tokenizer_config.json", *tables);
  return Tokenizer(std::move(tables));
}

std::vector<int32_t> Tokenizer::encode(std::string_view utf8) const {
  std::vector<int32_t> ids;
  ids.reserve(utf8.size() / 3 + 4);
  encode_to(utf8, ids);
  return ids;
}

void Tokenizer::encode_to(std::string_view utf8, std::vector<int32_t>& out) const {
  const Tables& t = *tables_;
  check_utf8(t, utf8);
  const ScratchLease lease(t);
  EncodeScratch& scratch = *lease;
  cut(t.raw_added, utf8, out, [&](std::string_view raw) {
    cut(t.normalised_added, normalise_into(t, raw, scratch.normalised), out,
        [&](std::string_view part) { encode_pieces(t, part, scratch, out); });
  });
}

void Tokenizer::encode_plain_to(std::string_view utf8, std::vector<int32_t>& out) const {
  const Tables& t = *tables_;
  check_utf8(t, utf8);
  const ScratchLease lease(t);
  EncodeScratch& scratch = *lease;
  encode_pieces(t, normalise_into(t, utf8, scratch.normalised), scratch, out);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    NURI_CHECK(id >= 0 && id < vocab_size(), "{}: there is no token {}; ids are 0 to {}", tables_->name, id,
               vocab_size() - 1);
    if (skip_special && is_special(id)) continue;
    bytes += token_bytes(id);
  }
  if (utf8_first_invalid(bytes) == std::string::npos) return bytes;
  std::string text;
  append_utf8_lossy(bytes, text);
  return text;
}

std::string Tokenizer::normalise(std::string_view utf8) const {
  check_utf8(*tables_, utf8);
  std::string out;
  std::vector<int32_t> ids;
  size_t n = 0;
  cut(tables_->raw_added, utf8, ids, [&](std::string_view raw) {
    for (; n < ids.size(); ++n) out += token_bytes(ids[n]);
    std::string buffer;
    out += normalise_into(*tables_, raw, buffer);
  });
  for (; n < ids.size(); ++n) out += token_bytes(ids[n]);
  return out;
}

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(tables_->tokens.size()); }

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  const auto found = tables_->ids.find(token);
  return found == tables_->ids.end() ? std::nullopt : std::optional(found->second);
}

std::optional<int32_t> Tokenizer::bos_id() const { return tables_->bos; }
std::optional<int32_t> Tokenizer::eos_id() const { return tables_->eos; }
std::optional<int32_t> Tokenizer::pad_id() const { return tables_->pad; }

std::string_view Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return tables_->bytes_of(tables_->tokens[static_cast<size_t>(id)]);
}

bool Tokenizer::is_added(int32_t id) const {
  return id >= 0 && id < vocab_size() && tables_->tokens[static_cast<size_t>(id)].added;
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && tables_->tokens[static_cast<size_t>(id)].special;
}

const std::string& Tokenizer::chat_template() const { return tables_->chat_template; }

}  // namespace nuri
