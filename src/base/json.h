// The JSON edge: text from outside becomes a value only after its size, depth, encoding and keys are checked, and is
// read through JsonObject, whose errors name the file and the key. The library's own exceptions never leave this file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nuri {

using Json = nlohmann::json;                 // keys in bytewise order
using OrderedJson = nlohmann::ordered_json;  // keys in the order of insertion, for files people read

struct JsonLimits {
  uint64_t max_bytes = uint64_t(1) << 28;   ///< of text
  int max_depth = 64;                       ///< of nested arrays and objects
  uint64_t max_values = uint64_t(1) << 24;  ///< values in all; one takes 16 bytes and more
};

/// Parses one JSON text (UTF-8, an optional byte order mark). `file` is how errors name it. Errors: syntax with line
/// and column, invalid UTF-8, numbers out of range, a key twice in one object, any limit exceeded.
Json parse_json(std::string_view text, std::string_view file, const JsonLimits& limits = {});

/// Reads and parses a file; the size is checked before it is read.
Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

/// Text with two blanks of indent and a final line feed; bytes that are not UTF-8 become U+FFFD.
std::string json_text(const Json& value);
std::string json_text(const OrderedJson& value);

/// "an object", "a string", ... for messages.
std::string_view json_kind(const Json& value);

/// A JSON object read by key. Keeps a reference to the value, which must outlive it. Every getter checks type and range
/// and throws "file: key: found ...; allowed ...". The `_or` forms give the fallback where the key is absent; null
/// counts as absent only where said.
class JsonObject {
 public:
  /// `where` names the file, for a nested object also the key ("config.json: rope_scaling").
  JsonObject(const Json& value, std::string where);
  JsonObject(Json&&, std::string) = delete;  // the value would die before its reader

  const std::string& where() const { return where_; }
  bool has(std::string_view key) const;
  bool is_null(std::string_view key) const;  ///< the key is present and null
  /// Present and not null.
  bool given(std::string_view key) const;
  const Json& at(std::string_view key) const;  ///< error where absent

  int64_t integer(std::string_view key, int64_t min, int64_t max) const;
  double number(std::string_view key, double min, double max) const;
  bool boolean(std::string_view key) const;
  std::string text(std::string_view key) const;
  JsonObject object(std::string_view key) const;

  int64_t integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const;
  double number_or(std::string_view key, double fallback, double min, double max) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string text_or(std::string_view key, std::string fallback) const;

  /// Throws where a key is not in `allowed`, naming the nearest one that is.
  void refuse_unknown(const std::vector<std::string_view>& allowed) const;

 private:
  const Json* find(std::string_view key) const;
  const Json* value_;
  std::string where_;
};

}  // namespace nuri
