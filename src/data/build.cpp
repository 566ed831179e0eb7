#include "data/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/profile.h"
#include "base/threads.h"
#include "data/clean_stream.h"
#include "data/hash.h"
#include "data/shard.h"
#include "data/token_bytes.h"
#include "text/bpe.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace nuri::data {
namespace {

constexpr size_t kMaxTokenizerBytes = size_t(1) << 28;

fs::path tokenizer_file(const fs::path& path) { return fs::is_directory(path) ? path / "tokenizer.json" : path; }

constexpr size_t kShownOfBadRow = size_t(128) << 10;  // bytes; of a longer one the beginning is enough to find it

/// Bad rows with all that is needed to find and mend them.
class RejectedFile {
 public:
  explicit RejectedFile(const fs::path& path) : file_(path) {}
  void add(std::string_view bytes, uint64_t full_bytes, const std::string& file, uint64_t line,
           const std::string& reason) {
    OrderedJson row = {{"file", file}, {"line", line}, {"reason", reason}, {"bytes", full_bytes}};
    std::string_view shown = bytes.substr(0, kShownOfBadRow);
    if (shown.size() < bytes.size()) {  // not inside a character
      while (!shown.empty() && (static_cast<unsigned char>(bytes[shown.size()]) & 0xC0) == 0x80) shown.remove_suffix(1);
    }
    if (utf8_first_invalid(shown) == std::string_view::npos) {
      row["row"] = shown;
    } else {
      static constexpr char kDigits[] = "0123456789abcdef";
      std::string digits;
      for (const char c : shown) {
        digits += kDigits[static_cast<unsigned char>(c) >> 4];
        digits += kDigits[c & 15];
      }
      row["row_hex"] = digits;
    }
    file_.write(row.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  }
  void commit() { file_.commit(); }

 private:
  AtomicFile file_;
};

/// Shards of one source and split, opened as they are needed.
class SplitWriter {
 public:
  SplitWriter(const BuildOptions& options, Manifest& manifest, std::vector<SourceReport>& reports, Split split,
              int source)
      : options_(options), manifest_(manifest), reports_(reports), split_(split), source_(source) {}
  void add(std::span<const int32_t> ids, const DocumentRecord& record, const std::string& file) {
    if (!writer_) {
      name_ = fmt::format("{}-{:03}-{:05}.shard", split_name(split_), source_, n_shards_++);
      writer_.emplace(options_.out / name_, manifest_.vocab_size);
      amount_ = {};
    }
    writer_->add(ids, record, file);
    const Amount one{1, static_cast<int64_t>(ids.size()), static_cast<int64_t>(record.text_bytes)};
    amount_ += one;
    reports_[static_cast<size_t>(source_)].amounts[static_cast<size_t>(split_)][static_cast<size_t>(record.language)] +=
        one;
    if (writer_->n_tokens() >= options_.shard_tokens || writer_->n_documents() >= uint64_t(1) << 20) close();
  }
  void close() {
    if (!writer_) return;
    const Hash128 hash = writer_->finish();
    manifest_.shards.push_back({name_, split_, source_, amount_, hex(hash)});
    writer_.reset();
  }

 private:
  const BuildOptions& options_;
  Manifest& manifest_;
  std::vector<SourceReport>& reports_;
  Split split_;
  int source_, n_shards_ = 0;
  std::optional<ShardWriter> writer_;
  std::string name_;
  Amount amount_;
};

/// Where a document falls between the splits: uniform, and a function of the document and the seed alone, so that
/// neither other documents nor the lines dropped as repeated move it.
uint64_t split_place(const Hash128& hash, uint64_t seed) {
  return hash64({reinterpret_cast<const char*>(&hash), sizeof hash}, seed);
}

struct Tokens {
  std::vector<int32_t> ids;
  uint64_t text_bytes = 0;
  std::string rejected;  // why the text has no ids; empty: it has
};

class Builder {
 public:
  Builder(const BuildOptions& options, const std::function<void(const BuildProgress&)>& progress)
      : options_(options), report_progress_(progress), tokenizer_(Tokenizer::load(options.tokenizer)) {
    NURI_CHECK(tokenizer_.eos_id().has_value(),
               "{}: the tokenizer names no end token (eos_token in tokenizer_config.json), which separates documents",
               options.tokenizer.string());
    token_bytes_ = bytes_per_token(tokenizer_);
    tokenizer_json_ = read_file(tokenizer_file(options.tokenizer), kMaxTokenizerBytes);
    // Rounds to 2^64 for 1; kept just below.
    threshold_ = options.validation >= 1 ? UINT64_MAX : static_cast<uint64_t>(std::ldexp(options.validation, 64));
  }

  Manifest run() {
    build_once();
    const bool want_validation = options_.validation > 0 && manifest_.total(Split::validation).documents == 0;
    if (want_validation && manifest_.total(Split::train).documents >= 2) {  // a small corpus: again, with one held out
      threshold_ = smallest_place_ + 1;
      build_once();
      manifest_.smallest_validation = true;
    }
    NURI_CHECK(manifest_.total(Split::train).tokens > 0,
               "nothing is left to train on: of {} documents read, {} were rejected (see {}), the others empty, "
               "duplicates or held out; check the sources and the validation share",
               documents_read(), rejected(), (options_.out / "rejected.jsonl").string());
    return manifest_;
  }

 private:
  int64_t documents_read() const {
    int64_t n = 0;
    for (const SourceReport& r : manifest_.sources) n += r.documents_read;
    return n;
  }
  int64_t rejected() const {
    int64_t n = 0;
    for (const SourceReport& r : manifest_.sources) n += r.rejected;
    return n;
  }

  void build_once() {
    manifest_ = {};
    manifest_.tokenizer_hash = hex(hash128(tokenizer_json_));
    manifest_.vocab_size = tokenizer_.vocab_size();
    manifest_.begin_id = tokenizer_.bos_id().value_or(-1);
    manifest_.end_id = *tokenizer_.eos_id();
    manifest_.validation = options_.validation;
    manifest_.split_seed = options_.split_seed;
    manifest_.repeated_line_characters = options_.repeated_line_characters;
    manifest_.document_bytes = options_.limits.document_bytes;
    smallest_place_ = UINT64_MAX;
    BuildProgress progress;
    RejectedFile rejected(options_.out / "rejected.jsonl");
    CleanStream documents(options_.sources, options_.limits, options_.repeated_line_characters,
                          [&](const RawDocument& raw, const fs::path& file, const std::string& reason) {
                            rejected.add(raw.bytes, raw.full_bytes, file.string(), raw.line, reason);
                          },
                          {options_.out, options_.dedup_bytes});
    std::array<std::optional<SplitWriter>, kSplits> writers;
    int source = -1;
    std::vector<CleanDocument> batch;
    std::vector<Tokens> tokens;
    const auto next = [&] {
      const profile::Scope reading("read and clean");
      return documents.next_batch(batch);
    };
    while (next()) {
      profile::step("batch");
      tokens.assign(batch.size(), {});
      tokenise(batch, documents.reports(), tokens);
      const profile::Scope writing("write shards");
      for (size_t i = 0; i < batch.size(); ++i) {
        const CleanDocument& d = batch[i];
        if (!tokens[i].rejected.empty()) {
          ++documents.reports()[static_cast<size_t>(d.source)].rejected;
          rejected.add(d.text, d.text.size(), d.file, d.line, tokens[i].rejected);
          continue;
        }
        if (d.source != source) {
          source = d.source;
          for (int s = 0; s < kSplits; ++s) {
            auto& writer = writers[static_cast<size_t>(s)];
            if (writer) writer->close();
            writer.emplace(options_, manifest_, documents.reports(), static_cast<Split>(s), source);
          }
        }
        const uint64_t place = split_place(d.hash, options_.split_seed);
        smallest_place_ = std::min(smallest_place_, place);
        const DocumentRecord record{
            .line = d.line, .text_bytes = tokens[i].text_bytes, .hash = d.hash.low, .language = d.language};
        writers[place < threshold_ ? 1 : 0]->add(tokens[i].ids, record, d.file);
        ++progress.documents;
        progress.tokens += static_cast<int64_t>(tokens[i].ids.size());
      }
      progress.source = documents.current_source();
      progress.file = documents.current_file();
      progress.bytes_read = documents.bytes_read();
      progress.bytes_total = documents.bytes_total();
      if (report_progress_) report_progress_(progress);
    }
    for (auto& writer : writers) {
      if (writer) writer->close();
    }
    rejected.commit();
    manifest_.sources = documents.reports();
  }

  void tokenise(const std::vector<CleanDocument>& batch, const std::vector<SourceReport>& sources,
                std::vector<Tokens>& out) const {
    std::optional<profile::Kernel> span;
    if (profile::on()) {
      profile::Work work{.kernel = "tokenise", .shape = fmt::format("{} documents", batch.size())};
      for (const CleanDocument& d : batch) work.bytes += static_cast<double>(d.text.size());
      span.emplace(std::move(work));
    }
    parallel_for(static_cast<int64_t>(batch.size()), [&](int64_t i) {
      const CleanDocument& d = batch[static_cast<size_t>(i)];
      tokenise(d.text, sources[static_cast<size_t>(d.source)].source, out[static_cast<size_t>(i)]);
    });
  }

  void tokenise(const std::string& text, const Source& source, Tokens& out) const {
    if (manifest_.begin_id >= 0) out.ids.push_back(manifest_.begin_id);
    try {
      if (source.markers) {
        tokenizer_.encode_to(text, out.ids);
      } else {
        tokenizer_.encode_plain_to(text, out.ids);
      }
    } catch (const PieceTooLong& error) {
      out.rejected = fmt::format("no text: {}", error.what());
      out.ids = {};
      return;
    }
    out.ids.push_back(manifest_.end_id);
    for (int32_t id : out.ids) out.text_bytes += static_cast<uint64_t>(token_bytes_[static_cast<size_t>(id)]);
  }

  const BuildOptions& options_;
  const std::function<void(const BuildProgress&)>& report_progress_;
  Tokenizer tokenizer_;
  std::string tokenizer_json_;
  std::vector<int32_t> token_bytes_;
  Manifest manifest_;
  uint64_t threshold_ = 0, smallest_place_ = 0;
};

/// Removes what an earlier build left in the directory, and nothing else.
void clear_output(const fs::path& out) {
  std::vector<fs::path> ours;
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".shard") && (name.starts_with("train-") || name.starts_with("validation-"))) {
      ours.push_back(entry.path());
    }
  }
  fs::remove(out / "manifest.json");  // first: without it the rest is no data directory
  for (const fs::path& path : ours) fs::remove(path);
}

void copy_tokenizer(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  const fs::path json = tokenizer_file(from);
  write_file_atomic(to / "tokenizer.json", read_file(json, kMaxTokenizerBytes));
  for (const char* name : {"tokenizer_config.json", "chat_template.jinja"}) {
    const fs::path path = json.parent_path() / name;
    if (fs::exists(path)) write_file_atomic(to / name, read_file(path, kMaxTokenizerBytes));
  }
}

/// Hash of all that the result depends on, file contents represented by size and time.
std::string input_key(const BuildOptions& o) {
  std::string text = fmt::format("v1 {} {} {} {} {} {}\n", o.validation, o.split_seed, o.repeated_line_characters,
                                 o.limits.document_bytes, o.limits.row_bytes, o.shard_tokens);
  text += hex(hash128(read_file(tokenizer_file(o.tokenizer), kMaxTokenizerBytes)));
  for (const Source& s : merge_sources(o.sources)) {
    text += fmt::format("\n{}\n{} {} {} {} {} {}\n", s.name, s.weight, s.licence, s.field,
                        s.language ? language_code(*s.language) : "-", s.hangul_lines, s.markers);
    int64_t skipped = 0;
    for (const SourceFile& f : list_files(s, skipped)) {
      text += fmt::format("{} {} {}\n", f.path.string(), fs::file_size(f.path),
                          fs::last_write_time(f.path).time_since_epoch().count());
    }
  }
  return hex(hash128(text));
}

}  // namespace

Manifest build_dataset(const BuildOptions& given, const std::function<void(const BuildProgress&)>& progress) {
  BuildOptions options = given;
  options.sources = merge_sources(given.sources);
  NURI_CHECK(!options.sources.empty(), "no source is given; name files, directories or patterns");
  NURI_CHECK(options.validation >= 0 && options.validation <= 0.5, "validation share {}; 0 to 0.5 is allowed",
             options.validation);
  NURI_CHECK(options.limits.document_bytes >= 256 && options.limits.row_bytes >= options.limits.document_bytes &&
                 options.limits.row_bytes <= uint64_t(1) << 30,
             "document length {} and row length {}; 256 <= document <= row <= {} is allowed",
             options.limits.document_bytes, options.limits.row_bytes, uint64_t(1) << 30);
  NURI_CHECK(options.overwrite || !fs::exists(options.out / "manifest.json"),
             "{}: already holds data; choose another directory or ask to overwrite", options.out.string());
  const std::string key = input_key(options);
  fs::create_directories(options.out);
  clear_output(options.out);
  Manifest manifest = Builder(options, progress).run();
  copy_tokenizer(options.tokenizer, options.out / "tokenizer");
  write_file_atomic(options.out / "input.key", key + "\n");
  write_manifest(manifest, options.out);
  return manifest;
}

bool is_up_to_date(const BuildOptions& options) {
  const fs::path key = options.out / "input.key";
  if (!fs::exists(options.out / "manifest.json") || !fs::exists(key)) return false;
  return read_file(key, 4096) == input_key(options) + "\n";
}

}  // namespace nuri::data
