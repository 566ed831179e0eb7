#include "train/recipe_lines.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

namespace nuri {
namespace {

constexpr OddBreak kOddBreaks[] = {{"\r", "\\r"},           {"\v", "\\u000B"},           {"\f", "\\f"},
                                   {"\xC2\x85", "\\u0085"}, {"\xE2\x80\xA8", "\\u2028"}, {"\xE2\x80\xA9", "\\u2029"}};

}  // namespace

const OddBreak* odd_break(std::string_view rest) {
  for (const OddBreak& b : kOddBreaks)
    if (rest.starts_with(b.text) && !rest.starts_with("\r\n")) return &b;
  return nullptr;
}

void expect_flat(std::string_view text, const std::string& where) {
  size_t line = 1;
  char quote = 0;   // of the string we are in; '#': a comment
  char before = 0;  // what stands before in the line, outside of strings and but for blanks; 0: nothing
  bool equals = false, exponent = false;  // a '=' and the sign of an exponent stand before in the line
  for (size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0; i < text.size(); ++i) {
    const char c = text[i];
    const OddBreak* odd = odd_break(text.substr(i));
    NURI_CHECK(!odd,
               "{}: line {}: found a line break that is no new line; leave it out, or write {} in a string in double "
               "quotes",
               where, line, odd->escaped);
    if (c == '\n') {
      ++line;
      quote = before = 0;
      equals = exponent = false;
    } else if (c == '\r') {
      continue;  // of "\r\n"
    } else if (quote == '#') {
      continue;
    } else if (quote) {
      if (c == '\\' && quote == '"' && i + 1 < text.size() && text[i + 1] != '\n' && text[i + 1] != '\r')
        ++i;
      else if (c == quote)
        quote = 0;
    } else {
      const bool opens = c == '"' || c == '\'', blank = c == ' ' || c == '\t';
      const bool several = text.substr(i).starts_with("\"\"\"") || text.substr(i).starts_with("'''");
      const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        std::string_view("_-+.").find(c) != std::string_view::npos;
      NURI_CHECK(
          !several && (word || blank || opens || c == '#' || (c == '=' && !equals)),
          "{}: line {}: found {} outside of quotes and comments; a recipe is lines of key = value: a number, true, "
          "false or a quoted string of one line, without tables and lists",
          where, line,
          several                ? std::string("three quotes")
          : c == '='             ? "a second '='"
          : c > 0x20 && c < 0x7F ? fmt::format("'{}'", c)
                                 : fmt::format("byte {:#04x}", static_cast<unsigned char>(c)));
      NURI_CHECK(!opens || before == 0 || before == '=',
                 "{}: line {}: found {} inside a value; a string is quoted as a whole", where, line, c);
      if (equals && (c == '-' || c == '+') && before != '=')  // the library takes some for dates and reads on
        NURI_CHECK((before == 'e' || before == 'E') && !std::exchange(exponent, true),
                   "{}: line {}: found '{}' inside a value; numbers look like -1, 0.5 or 3e-4", where, line, c);
      if (opens || c == '#') quote = c;
      equals = equals || c == '=';
      if (!blank) before = c;
    }
  }
}

}  // namespace nuri
