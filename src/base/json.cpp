#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/nearest.h"

namespace nuri {
namespace {

/// "line 3, column 14" of a byte position.
std::string place(std::string_view text, size_t position) {
  position = std::min(position, text.size());
  const std::string_view before = text.substr(0, position);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t start = before.rfind('\n');
  return fmt::format("line {}, column {}", line, start == std::string_view::npos ? position : position - start - 1);
}

/// A short, printable piece of something from outside.
std::string excerpt(std::string_view text, size_t longest = 60) {
  size_t end = std::min(text.size(), longest);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;  // whole characters
  std::string out;
  for (const char c : text.substr(0, end)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  if (text.size() > end) out += "...";
  return out;
}

/// Builds the value while counting: nothing larger than the limits is ever held.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, std::string_view file, const JsonLimits& limits)
      : text_(text), file_(file), limits_(limits) {}

  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr), true; }
  bool boolean(bool value) override { return put(value), true; }
  bool number_integer(int64_t value) override { return put(value), true; }
  bool number_unsigned(uint64_t value) override { return put(value), true; }
  bool number_float(double value, const std::string&) override { return put(value), true; }
  bool string(std::string& value) override { return put(std::move(value)), true; }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()), true; }
  bool start_array(size_t) override { return open(Json::array()), true; }
  bool end_object() override { return open_.pop_back(), true; }
  bool end_array() override { return open_.pop_back(), true; }

  bool key(std::string& name) override {
    auto& object = open_.back()->get_ref<Json::object_t&>();
    const auto [slot, inserted] = object.emplace(name, nullptr);
    NURI_CHECK(inserted, "{}: the key \"{}\" stands twice in one object; remove one of them", file_, excerpt(name));
    slot_ = &slot->second;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    // The library's text: "[json.exception.parse_error.101] parse error at line 1, column 2: what was found".
    std::string_view what = error.what();
    if (const size_t colon = what.find(": "); colon != std::string_view::npos) what = what.substr(colon + 2);
    fail("{}: not valid JSON at {}: {}; mend the file or write it anew", file_, place(text_, position),
         excerpt(what, 200));
  }

 private:
  Json* put(Json value) {
    NURI_CHECK(++n_values_ <= limits_.max_values, "{}: more than {} values; this is not a file of this kind", file_,
               limits_.max_values);
    if (open_.empty()) return root_ = std::move(value), &root_;
    if (open_.back()->is_object()) return *slot_ = std::move(value), slot_;
    auto& array = open_.back()->get_ref<Json::array_t&>();
    array.push_back(std::move(value));
    return &array.back();
  }
  void open(Json empty) {
    NURI_CHECK(static_cast<int>(open_.size()) < limits_.max_depth,
               "{}: nested deeper than {} levels; at most {} are read", file_, limits_.max_depth, limits_.max_depth);
    open_.push_back(put(std::move(empty)));  // stays valid: an array grows only while none of its elements is open
  }

  std::string_view text_, file_;
  const JsonLimits& limits_;
  Json root_;
  std::vector<Json*> open_;
  Json* slot_ = nullptr;
  uint64_t n_values_ = 0;
};

template <class J>
std::string indented(const J& value) {
  return value.dump(2, ' ', false, J::error_handler_t::replace) + "\n";
}

/// What was found, for a message: short scalars themselves, else their kind.
std::string found(const Json& value) {
  if (value.is_structured()) return std::string(json_kind(value));
  return excerpt(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

Json parse_json(std::string_view text, std::string_view file, const JsonLimits& limits) {
  NURI_CHECK(text.size() <= limits.max_bytes, "{}: {} bytes of JSON; at most {} are read", file, text.size(),
             limits.max_bytes);
  NURI_CHECK(!text.empty(), "{}: empty; a JSON value is needed", file);
  Builder builder(text, file, limits);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

Json read_json_file(const std::filesystem::path& path, const JsonLimits& limits) {
  return parse_json(read_file(path, limits.max_bytes), path.string(), limits);
}

std::string json_text(const Json& value) { return indented(value); }
std::string json_text(const OrderedJson& value) { return indented(value); }

std::string_view json_kind(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "true or false";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "an integer";
    case Json::value_t::number_float:
      return "a number";
    default:
      return "an unknown kind of value";
  }
}

JsonObject::JsonObject(const Json& value, std::string where) : value_(&value), where_(std::move(where)) {
  NURI_CHECK(value.is_object(), "{}: found {}; an object {{...}} is needed", where_, json_kind(value));
}

const Json* JsonObject::find(std::string_view key) const {
  const auto& object = value_->get_ref<const Json::object_t&>();
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &it->second;
}

bool JsonObject::has(std::string_view key) const { return find(key) != nullptr; }
bool JsonObject::is_null(std::string_view key) const { return find(key) && find(key)->is_null(); }
bool JsonObject::given(std::string_view key) const { return find(key) && !find(key)->is_null(); }

const Json& JsonObject::at(std::string_view key) const {
  const Json* value = find(key);
  NURI_CHECK(value, "{}: the key \"{}\" is missing; add it", where_, key);
  return *value;
}

int64_t JsonObject::integer(std::string_view key, int64_t min, int64_t max) const {
  const Json& value = at(key);
  bool inside = false;
  int64_t result = 0;
  if (value.is_number_unsigned()) {
    const uint64_t n = value.get<uint64_t>();
    inside = n <= static_cast<uint64_t>(INT64_MAX);
    result = static_cast<int64_t>(n);
  } else if (value.is_number_integer()) {
    inside = true;
    result = value.get<int64_t>();
  } else if (value.is_number_float()) {  // 4.0 is an integer, 4.5 is not
    const double x = value.get<double>();
    inside = std::fabs(x) < 9007199254740992.0 && std::floor(x) == x;
    result = inside ? static_cast<int64_t>(x) : 0;
  }
  NURI_CHECK(inside && result >= min && result <= max, "{}: {}: found {}; an integer from {} to {} is allowed", where_,
             key, found(value), min, max);
  return result;
}

double JsonObject::number(std::string_view key, double min, double max) const {
  const Json& value = at(key);
  const double x = value.is_number() ? value.get<double>() : NAN;
  NURI_CHECK(x >= min && x <= max, "{}: {}: found {}; a number from {} to {} is allowed", where_, key, found(value),
             min, max);
  return x;
}

bool JsonObject::boolean(std::string_view key) const {
  const Json& value = at(key);
  NURI_CHECK(value.is_boolean(), "{}: {}: found {}; true or false is allowed", where_, key, found(value));
  return value.get<bool>();
}

std::string JsonObject::text(std::string_view key) const {
  const Json& value = at(key);
  NURI_CHECK(value.is_string(), "{}: {}: found {}; a string is needed", where_, key, found(value));
  return value.get<std::string>();
}

JsonObject JsonObject::object(std::string_view key) const {
  return JsonObject(at(key), fmt::format("{}: {}", where_, key));
}

int64_t JsonObject::integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const {
  return has(key) ? integer(key, min, max) : fallback;
}
double JsonObject::number_or(std::string_view key, double fallback, double min, double max) const {
  return has(key) ? number(key, min, max) : fallback;
}
bool JsonObject::boolean_or(std::string_view key, bool fallback) const { return has(key) ? boolean(key) : fallback; }
std::string JsonObject::text_or(std::string_view key, std::string fallback) const {
  return has(key) ? text(key) : std::move(fallback);
}

void JsonObject::refuse_unknown(const std::vector<std::string_view>& allowed) const {
  for (const auto& [key, value] : value_->get_ref<const Json::object_t&>()) {
    if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) continue;
    fail("{}: unknown key \"{}\"{}; remove it or mend its name", where_, excerpt(key), did_you_mean(key, allowed));
  }
}

}  // namespace nuri
