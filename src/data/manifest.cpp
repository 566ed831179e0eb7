#include "data/manifest.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/hash.h"

namespace nuri::data {
namespace {

constexpr int64_t kVersion = 1;
constexpr int64_t kMany = int64_t(1) << 60;

OrderedJson amount_json(const Amount& a) {
  return {{"documents", a.documents}, {"tokens", a.tokens}, {"text_bytes", a.text_bytes}};
}

Amount amount_of(const JsonObject& o) {
  return {o.integer("documents", 0, kMany), o.integer("tokens", 0, kMany), o.integer("text_bytes", 0, kMany)};
}

OrderedJson source_json(const SourceReport& r) {
  OrderedJson j;
  j["name"] = r.source.name;
  j["paths"] = r.source.paths;
  j["weight"] = r.source.weight;
  j["licence"] = r.source.licence;
  j["field"] = r.source.field;
  j["language"] = r.source.language ? OrderedJson(language_code(*r.source.language)) : OrderedJson(nullptr);
  j["hangul_lines"] = r.source.hangul_lines;
  j["markers"] = r.source.markers;
  j["files"] = r.files;
  j["skipped_files"] = r.skipped_files;
  j["documents_read"] = r.documents_read;
  j["rejected"] = r.rejected;
  j["empty"] = r.empty;
  j["other_language"] = r.other_language;
  j["duplicates"] = r.duplicates;
  j["repeated_lines"] = r.repeated_lines;
  j["invalid_sequences"] = r.invalid_sequences;
  j["encodings"] = r.encodings;
  for (int s = 0; s < kSplits; ++s) {
    OrderedJson& split = j[std::string(split_name(static_cast<Split>(s)))] = OrderedJson::object();
    for (int l = 0; l < kLanguages; ++l) {
      split[std::string(language_code(static_cast<Language>(l)))] = amount_json(r.amounts[s][l]);
    }
  }
  return j;
}

const Json& array_at(const JsonObject& o, std::string_view key, size_t max_size) {
  const Json& value = o.at(key);
  NURI_CHECK(value.is_array() && value.size() <= max_size, "{}: {}: found {}; an array of at most {} is allowed",
             o.where(), key, json_kind(value), max_size);
  return value;
}

SourceReport source_of(const Json& value, const std::string& where) {
  const JsonObject o(value, where);
  SourceReport r;
  r.source.name = o.text("name");
  for (const Json& path : array_at(o, "paths", 1 << 20)) {
    NURI_CHECK(path.is_string(), "{}: paths: found {}; strings are allowed", where, json_kind(path));
    r.source.paths.push_back(path.get<std::string>());
  }
  r.source.weight = o.number("weight", 1e-6, 1e6);
  r.source.licence = o.text("licence");
  r.source.field = o.text("field");
  if (!o.is_null("language")) {
    const std::string code = o.text("language");
    for (int l = 0; l < kLanguages; ++l) {
      if (code == language_code(static_cast<Language>(l))) r.source.language = static_cast<Language>(l);
    }
    NURI_CHECK(r.source.language.has_value(), "{}: language: found \"{}\"; ko, en or other is allowed", where, code);
  }
  r.source.hangul_lines = o.number("hangul_lines", 0, 1);
  r.source.markers = o.boolean("markers");
  r.files = o.integer("files", 0, kMany);
  r.skipped_files = o.integer("skipped_files", 0, kMany);
  r.documents_read = o.integer("documents_read", 0, kMany);
  r.rejected = o.integer("rejected", 0, kMany);
  r.empty = o.integer("empty", 0, kMany);
  r.other_language = o.integer("other_language", 0, kMany);
  r.duplicates = o.integer("duplicates", 0, kMany);
  r.repeated_lines = o.integer("repeated_lines", 0, kMany);
  r.invalid_sequences = o.integer("invalid_sequences", 0, kMany);
  const Json& encodings = o.at("encodings");
  NURI_CHECK(encodings.is_object() && encodings.size() <= 16, "{}: encodings: found {}; a small object is allowed",
             where, json_kind(encodings));
  const JsonObject by_encoding(encodings, where + ": encodings");
  for (const auto& [key, count] : encodings.items()) r.encodings[key] = by_encoding.integer(key, 0, kMany);
  for (int s = 0; s < kSplits; ++s) {
    const JsonObject split = o.object(split_name(static_cast<Split>(s)));
    for (int l = 0; l < kLanguages; ++l) {
      r.amounts[s][l] = amount_of(split.object(language_code(static_cast<Language>(l))));
    }
  }
  return r;
}

ShardEntry shard_of(const Json& value, const std::string& where, int64_t n_sources) {
  const JsonObject o(value, where);
  ShardEntry e;
  e.file = o.text("file");
  // A plain name: a manifest from elsewhere must not point outside its directory.
  NURI_CHECK(!e.file.empty() && e.file.find('/') == std::string::npos && e.file != "." && e.file != "..",
             "{}: file: found \"{}\"; the name of a file beside the manifest is allowed", where, e.file);
  const std::string split = o.text("split");
  NURI_CHECK(split == "train" || split == "validation", "{}: split: found \"{}\"; train or validation is allowed",
             where, split);
  e.split = split == "train" ? Split::train : Split::validation;
  e.source = static_cast<int>(o.integer("source", 0, n_sources - 1));
  e.amount = amount_of(o);
  e.hash = o.text("hash");
  return e;
}

}  // namespace

std::string_view split_name(Split split) { return split == Split::train ? "train" : "validation"; }

Amount& Amount::operator+=(const Amount& other) {
  documents += other.documents;
  tokens += other.tokens;
  text_bytes += other.text_bytes;
  return *this;
}

Amount SourceReport::total(Split split) const {
  Amount sum;
  for (const Amount& a : amounts[static_cast<size_t>(split)]) sum += a;
  return sum;
}

Amount Manifest::total(Split split) const {
  Amount sum;
  for (const SourceReport& r : sources) sum += r.total(split);
  return sum;
}

Amount Manifest::total(Split split, Language language) const {
  Amount sum;
  for (const SourceReport& r : sources) sum += r.amounts[static_cast<size_t>(split)][static_cast<size_t>(language)];
  return sum;
}

std::string manifest_text(const Manifest& m) {
  OrderedJson j;
  j["format"] = "nuri-data";
  j["version"] = kVersion;
  j["tokenizer"] = {
      {"hash", m.tokenizer_hash}, {"vocab_size", m.vocab_size}, {"begin_id", m.begin_id}, {"end_id", m.end_id}};
  j["options"] = {{"validation", m.validation},
                  {"split_seed", m.split_seed},
                  {"repeated_line_characters", m.repeated_line_characters},
                  {"document_bytes", m.document_bytes},
                  {"smallest_validation", m.smallest_validation}};
  j["train"] = amount_json(m.total(Split::train));
  j["validation"] = amount_json(m.total(Split::validation));
  j["sources"] = OrderedJson::array();
  for (const SourceReport& r : m.sources) j["sources"].push_back(source_json(r));
  j["shards"] = OrderedJson::array();
  for (const ShardEntry& e : m.shards) {
    j["shards"].push_back({{"file", e.file},
                           {"split", split_name(e.split)},
                           {"source", e.source},
                           {"documents", e.amount.documents},
                           {"tokens", e.amount.tokens},
                           {"text_bytes", e.amount.text_bytes},
                           {"hash", e.hash}});
  }
  return json_text(j);
}

void write_manifest(Manifest& manifest, const fs::path& dir) {
  const std::string text = manifest_text(manifest);
  write_file_atomic(dir / "manifest.json", text);
  manifest.hash = hex(hash128(text));
}

Manifest parse_manifest(std::string_view text, const std::string& where) {
  const Json root = parse_json(text, where);
  const JsonObject o(root, where);
  NURI_CHECK(o.text("format") == "nuri-data" && o.integer("version", 0, kMany) == kVersion,
             "{}: not a manifest of version {}; build the data again", where, kVersion);
  Manifest m;
  const JsonObject tokenizer = o.object("tokenizer");
  m.tokenizer_hash = tokenizer.text("hash");
  m.vocab_size = tokenizer.integer("vocab_size", 1, int64_t(1) << 31);
  m.begin_id = static_cast<int32_t>(tokenizer.integer("begin_id", -1, m.vocab_size - 1));
  m.end_id = static_cast<int32_t>(tokenizer.integer("end_id", 0, m.vocab_size - 1));
  const JsonObject options = o.object("options");
  m.validation = options.number("validation", 0, 1);
  m.split_seed = static_cast<uint64_t>(options.integer("split_seed", 0, kMany));
  m.repeated_line_characters = options.integer("repeated_line_characters", 0, kMany);
  m.document_bytes = static_cast<uint64_t>(options.integer("document_bytes", 0, kMany));
  m.smallest_validation = options.boolean("smallest_validation");
  const Json& sources = array_at(o, "sources", 1 << 16);
  NURI_CHECK(!sources.empty(), "{}: sources: empty; build the data again", where);
  for (size_t i = 0; i < sources.size(); ++i) {
    m.sources.push_back(source_of(sources[i], fmt::format("{}: sources[{}]", where, i)));
  }
  const Json& shards = array_at(o, "shards", 1 << 22);
  for (size_t i = 0; i < shards.size(); ++i) {
    m.shards.push_back(
        shard_of(shards[i], fmt::format("{}: shards[{}]", where, i), static_cast<int64_t>(m.sources.size())));
  }
  m.hash = hex(hash128(text));
  return m;
}

Manifest read_manifest(const fs::path& dir) {
  const fs::path path = dir / "manifest.json";
  NURI_CHECK(fs::exists(path), "{}: no manifest.json there; build the data first (nuri data build)", dir.string());
  return parse_manifest(read_file(path, uint64_t(1) << 28), path.string());
}

}  // namespace nuri::data
