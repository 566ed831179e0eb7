#include "data/jsonl.h"

#include <fmt/format.h>
#include <simdjson.h>

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
  simdjson::dom::parser parser;
  std::string padded;  // the parser reads a few bytes beyond the row
};

RowParser::RowParser() : state_(std::make_unique<State>()) {}
RowParser::~RowParser() = default;

std::string RowParser::parse(std::string_view row, std::string_view field, std::string& text) {
  State& s = *state_;
  s.padded.assign(row);
  s.padded.append(simdjson::SIMDJSON_PADDING, '\0');
  simdjson::dom::element root;
  if (const auto error = s.parser.parse(s.padded.data(), row.size(), false).get(root)) {
    return fmt::format("no valid JSON ({})", simdjson::error_message(error));
  }
  simdjson::dom::object object;
  if (root.get_object().get(object)) return fmt::format("{} where an object is needed", kind_name(root.type()));
  simdjson::dom::element value;
  if (object.at_key(field).get(value)) return fmt::format("no field \"{}\"", field);
  std::string_view found;
  if (value.get_string().get(found)) {
    return fmt::format("field \"{}\" is {}, a string is needed", field, kind_name(value.type()));
  }
  text = found;
  return {};
}

}  // namespace nuri::data
