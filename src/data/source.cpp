#include "data/source.h"

#include <glob.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/nearest.h"
#include "data/byte_stream.h"

namespace nuri::data {
namespace {

constexpr std::string_view kKeys[] = {"name", "weight", "licence", "field", "language", "hangul_lines", "markers"};
constexpr const char* kKindsAllowed = ".txt, .md, .html, .htm, .xhtml, .jsonl or .ndjson, each also with .gz or .zst";

double parse_number(std::string_view value, std::string_view key, std::string_view where, double low, double high) {
  double out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  NURI_CHECK(error == std::errc() && end == value.data() + value.size() && out >= low && out <= high,
             "source {}: {} = \"{}\"; a number from {} to {} is allowed", where, key, value, low, high);
  return out;
}

Language parse_language(std::string_view value, std::string_view where) {
  for (int i = 0; i < kLanguages; ++i) {
    if (value == language_code(static_cast<Language>(i))) return static_cast<Language>(i);
  }
  fail("source {}: language = \"{}\"; ko, en or other is allowed", where, value);
}

void set_key(Source& source, std::string_view key, std::string_view value, std::string_view where) {
  if (key == "name") {
    source.name = value;
  } else if (key == "weight") {
    source.weight = parse_number(value, key, where, 0.001, 1000);
  } else if (key == "licence") {
    source.licence = value;
  } else if (key == "field") {
    source.field = value;
  } else if (key == "language") {
    source.language = parse_language(value, where);
  } else if (key == "hangul_lines") {
    source.hangul_lines = parse_number(value, key, where, 0, 1);
  } else if (key == "markers") {
    NURI_CHECK(value == "true" || value == "false", "source {}: markers = \"{}\"; true or false is allowed", where,
               value);
    source.markers = value == "true";
  } else {
    fail("source {}: unknown key \"{}\"{}; allowed are name, weight, licence, field, language, hangul_lines, markers",
         where, key, did_you_mean(key, kKeys));
  }
}

void add_directory(const fs::path& dir, std::vector<SourceFile>& files, int64_t& n_skipped) {
  std::error_code error;
  fs::recursive_directory_iterator it(dir, error), end;
  for (; !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;  // follows links to files; a dangling link is none
    const auto kind = file_kind(it->path());
    if (kind) {
      files.push_back({it->path(), *kind});
    } else {
      ++n_skipped;
    }
  }
  NURI_CHECK(!error, "{}: cannot be searched ({}); check the permissions", dir.string(), error.message());
}

void add_path(const std::string& path, std::vector<SourceFile>& files, int64_t& n_skipped) {
  if (fs::is_directory(path)) return add_directory(path, files, n_skipped);
  const auto kind = file_kind(path);
  NURI_CHECK(kind.has_value(), "{}: unknown kind of file; {} is allowed", path, kKindsAllowed);
  files.push_back({path, *kind});
}

}  // namespace

std::optional<FileKind> file_kind(const fs::path& path) {
  std::string ending = lower_extension(path);
  if (ending == ".gz" || ending == ".zst") ending = lower_extension(path.stem());
  if (ending == ".txt" || ending == ".md") return FileKind::text;
  if (ending == ".html" || ending == ".htm" || ending == ".xhtml") return FileKind::html;
  if (ending == ".jsonl" || ending == ".ndjson") return FileKind::jsonl;
  return std::nullopt;
}

Source parse_source(std::string_view text) {
  Source source;
  const size_t mark = text.rfind("::");
  const std::string_view path = text.substr(0, mark);
  NURI_CHECK(!path.empty(), "source \"{}\": no path; write PATH or PATH::key=value,key=value", text);
  source.paths.emplace_back(path);
  std::string_view rest = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 2);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view pair = rest.substr(0, comma);
    const size_t equal = pair.find('=');
    NURI_CHECK(equal != std::string_view::npos, "source {}: \"{}\" where key=value is needed", path, pair);
    set_key(source, pair.substr(0, equal), pair.substr(equal + 1), path);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  if (source.name.empty()) {
    fs::path last = path;
    while (last.has_filename() == false && last.has_parent_path() && last != last.parent_path())
      last = last.parent_path();
    source.name = last.filename().string();
    if (file_kind(last)) source.name = source.name.substr(0, source.name.find('.', 1));
    if (source.name.empty() || source.name == "." || source.name == "/") source.name = "text";
  }
  return source;
}

std::vector<Source> merge_sources(const std::vector<Source>& sources) {
  std::vector<Source> out;
  for (const Source& s : sources) {
    NURI_CHECK(!s.name.empty() && s.name.size() <= 200, "a source has an empty or overlong name; give name=...");
    NURI_CHECK(std::isfinite(s.weight) && s.weight > 0, "source {}: weight {}; a number above 0 is allowed", s.name,
               s.weight);
    const auto same = std::find_if(out.begin(), out.end(), [&](const Source& o) { return o.name == s.name; });
    if (same == out.end()) {
      out.push_back(s);
      continue;
    }
    NURI_CHECK(same->weight == s.weight && same->licence == s.licence && same->field == s.field &&
                   same->language == s.language && same->hangul_lines == s.hangul_lines && same->markers == s.markers,
               "source {}: named twice with different properties; give them different names or the same properties",
               s.name);
    same->paths.insert(same->paths.end(), s.paths.begin(), s.paths.end());
  }
  return out;
}

std::vector<SourceFile> list_files(const Source& source, int64_t& n_skipped) {
  std::vector<SourceFile> files;
  for (const std::string& path : source.paths) {
    if (fs::exists(path)) {
      add_path(path, files, n_skipped);
      continue;
    }
    glob_t found = {};
    const int status = ::glob(path.c_str(), GLOB_NOSORT | GLOB_BRACE, nullptr, &found);
    std::vector<std::string> matches(found.gl_pathv, found.gl_pathv + (status == 0 ? found.gl_pathc : 0));
    ::globfree(&found);
    NURI_CHECK(!matches.empty(), "source {}: {} does not exist and matches no file; check the path", source.name, path);
    for (const std::string& match : matches) {
      std::error_code dangling;  // a link to nothing, or to itself
      if (fs::exists(match, dangling)) {
        add_path(match, files, n_skipped);
      } else {
        ++n_skipped;
      }
    }
  }
  const auto key = [](const SourceFile& f) -> const std::string& { return f.path.native(); };
  std::sort(files.begin(), files.end(), [&](const SourceFile& a, const SourceFile& b) { return key(a) < key(b); });
  files.erase(std::unique(files.begin(), files.end(),
                          [&](const SourceFile& a, const SourceFile& b) { return key(a) == key(b); }),
              files.end());
  NURI_CHECK(!files.empty(), "source {}: no file of a known kind in {} ({} others); {} is allowed", source.name,
             source.paths.front(), n_skipped, kKindsAllowed);
  return files;
}

}  // namespace nuri::data
