#include "data/jsonl.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <initializer_list>
#include <new>

#include "data/long_row.h"

namespace nuri::data {
namespace {

std::string_view kind_name(simdjson::dom::element_type type) {
  using simdjson::dom::element_type;
  switch (type) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
    case element_type::STRING:
      return "a string";
    default:
      return "a number";
  }
}

}  // namespace

struct RowParser::State {
  LongRowLimits limits;
  simdjson::dom::parser parser;
  std::string padded;  // the parser reads a few bytes beyond the row

  /// Parses a copy of the parts. Empty, or what is wrong.
  std::string parse(std::initializer_list<std::string_view> parts, simdjson::dom::element& root) {
    padded.clear();
    for (const std::string_view part : parts) padded += part;
    const size_t bytes = padded.size();
    padded.append(simdjson::SIMDJSON_PADDING, '\0');
    const auto error = parser.parse(padded.data(), bytes, false).get(root);
    if (error == simdjson::MEMALLOC) throw std::bad_alloc();  // no fault of the row
    return error ? fmt::format("no valid JSON ({})", simdjson::error_message(error)) : std::string();
  }

  /// Checks a literal and, where `text` is given, decodes it.
  std::string decode(std::string_view literal, std::string* text) {
    while (!literal.empty()) {
      const size_t bytes = literal_part(literal, limits.part);
      simdjson::dom::element root;
      if (std::string wrong = parse({"\"", literal.substr(0, bytes), "\""}, root); !wrong.empty()) return wrong;
      std::string_view decoded;
      if (root.get_string().get(decoded)) return "no valid JSON (a string is needed)";
      if (text) *text += decoded;
      literal.remove_prefix(bytes);
    }
    return {};
  }
};

namespace {

/// The field of an object, or what is wrong.
std::string find_string(simdjson::dom::element root, std::string_view field, std::string_view& found) {
  simdjson::dom::object object;
  if (root.get_object().get(object)) return fmt::format("{} where an object is needed", kind_name(root.type()));
  simdjson::dom::element value;
  if (object.at_key(field).get(value)) return fmt::format("no field \"{}\"", field);
  if (value.get_string().get(found)) {
    return fmt::format("field \"{}\" is {}, a string is needed", field, kind_name(value.type()));
  }
  return {};
}

}  // namespace

RowParser::RowParser(LongRowLimits limits) : state_(std::make_unique<State>()) { state_->limits = limits; }
RowParser::~RowParser() = default;

std::string RowParser::parse(std::string_view row, std::string_view field, std::string& text) {
  State& s = *state_;
  // A field's name in escapes is six times as long; it must stay in the skeleton.
  const bool short_field = 6 * field.size() <= s.limits.string && !holds_mark(field);
  if (row.size() > s.limits.row && short_field) return parse_long(row, field, text);
  simdjson::dom::element root;
  std::string_view found;
  std::string wrong = s.parse({row}, root);
  if (wrong.empty()) wrong = find_string(root, field, found);
  if (wrong.empty()) text = found;
  return wrong;
}

std::string RowParser::parse_long(std::string_view row, std::string_view field, std::string& text) {
  State& s = *state_;
  const LongRow parts = take_out_long_strings(row, s.limits.string, s.limits.rest);
  if (parts.skeleton.size() > s.limits.rest)
    return fmt::format("more than {} bytes of JSON beside strings of more than {}", s.limits.rest, s.limits.string);
  simdjson::dom::element root;
  std::string wrong = s.parse({parts.skeleton}, root);
  std::string_view found;
  std::string missing;  // said where all else is well: an invalid row is called so
  if (wrong.empty()) missing = find_string(root, field, found);
  std::string decoded(found);
  if (parts.skeleton.size() > s.limits.row) {
    s.parser = simdjson::dom::parser();
    s.padded = std::string();
  }
  const size_t wanted = marked_literal(decoded);
  if (wanted < parts.literals.size()) {
    decoded.clear();
    decoded.reserve(parts.literals[wanted].size());
  }
  for (size_t i = 0; i < parts.literals.size() && wrong.empty(); ++i)
    wrong = s.decode(parts.literals[i], i == wanted ? &decoded : nullptr);
  if (wrong.empty()) wrong = std::move(missing);
  if (wrong.empty()) text = std::move(decoded);
  return wrong;
}

}  // namespace nuri::data
