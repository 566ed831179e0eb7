// From Oniguruma (Ruby syntax) to PCRE2 (UTF, UCP). The two agree on groups, classes, quantifiers and lookarounds as
// far as published tokenizers use them; this file rewrites the rest or refuses it.
#include <algorithm>

#include "base/error.h"
#include "text/regex.h"
#include "text/utf8.h"

namespace nuri {
namespace {

// White_Space. PCRE2's own \s also takes U+180E.
constexpr std::string_view kSpaces =
    "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
// Word characters by Unicode's definition. PCRE2 10.42's own \w leaves out marks.
constexpr std::string_view kWordCharacters = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kHexDigits = "0-9a-fA-F";

class Translator {
 public:
  Translator(std::string_view in, const std::string& where) : in_(in), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\')
        escape();
      else if (in_class_)
        class_character(c);
      else if (c == '[')
        open_class();
      else if (c == '(')
        group();
      else if (c == '{')
        interval();
      else
        take(1);
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(
        "{}: the regular expression {} has {} at byte {}, which is not supported; use groups, classes, \\s \\d \\w "
        "\\p, "
        "quantifiers and lookarounds",
        where_, in_, what, at_);
  }

  bool next_is(std::string_view text) const { return in_.substr(at_, text.size()) == text; }

  void take(size_t n) {
    out_ += in_.substr(at_, n);
    at_ += n;
  }

  void replace(size_t n, std::string_view by) {
    out_ += by;
    at_ += n;
  }

  // A set given as the inside of a class.
  void set(std::string_view inside, bool negated) {
    if (in_class_ && negated) refuse("a negated shorthand inside a class");
    if (!in_class_) out_ += negated ? "[^" : "[";
    replace(2, inside);
    if (!in_class_) out_ += ']';
  }

  void escape() {
    if (at_ + 1 >= in_.size()) refuse("a backslash at the end");
    const char c = in_[at_ + 1];
    switch (c) {
      case 's':
        return set(kSpaces, false);
      case 'S':
        return set(kSpaces, true);
      case 'w':
        return set(kWordCharacters, false);
      case 'W':
        return set(kWordCharacters, true);
      case 'h':
        return set(kHexDigits, false);
      case 'H':
        return set(kHexDigits, true);
      case 'p':
      case 'P':
        return property();
      case 'u':
        return code_unit();
      case 'x':
        if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{') refuse("\\x without braces");
        return take(2);
      default:
        break;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter && std::string_view("nrtfvaedDAzbB").find(c) == std::string_view::npos) refuse("this escape");
    if (in_class_ && (c == 'b' || c == 'B' || c == 'A' || c == 'z')) refuse("this escape in a class");
    take(2);
  }

  // \p{L} is the same in both; a longer name may be a script, which PCRE2 would read as script extensions.
  void property() {
    if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{') refuse("\\p without braces");
    const size_t close = in_.find('}', at_);
    if (close == std::string_view::npos || close - at_ > 64) refuse("\\p without a closing brace");
    const std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    if (name.starts_with("^")) refuse("\\p{^...}");
    constexpr std::string_view kScripts[] = {"Han",      "Hangul", "Hiragana", "Katakana", "Latin",     "Greek",
                                             "Cyrillic", "Arabic", "Hebrew",   "Thai",     "Devanagari"};
    if (std::find(std::begin(kScripts), std::end(kScripts), name) != std::end(kScripts)) {
      out_ += fmt::format("\\{}{{sc:{}}}", in_[at_ + 1], name);
      at_ = close + 1;
    } else {
      take(close + 1 - at_);
    }
  }

  void code_unit() {  // \u3040
    const std::string_view digits = in_.substr(std::min(at_ + 2, in_.size()), 4);
    const bool hex = digits.size() == 4 && digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    if (!hex) refuse("\\u without four hexadecimal digits");
    replace(6, fmt::format("\\x{{{}}}", digits));
  }

  void open_class() {
    in_class_ = true;
    take(1);
    if (next_is("^")) take(1);
    if (next_is("]")) refuse("an empty class");
  }

  void class_character(char c) {
    if (c == '[') refuse("a class inside a class");
    if (next_is("&&")) refuse("a class intersection");
    if (c == ']') in_class_ = false;
    take(1);
  }

  void group() {
    if (next_is("(*")) refuse("a verb");
    if (!next_is("(?")) return take(1);
    for (const std::string_view known : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i)"})
      if (next_is(known)) return take(known.size());
    refuse("this kind of group");
  }

  void interval() {
    const size_t close = in_.find('}', at_);
    if (close == std::string_view::npos) refuse("an opening brace alone");
    // a{1,3}+ repeats the interval in Oniguruma and is possessive in PCRE2
    if (close + 1 < in_.size() && in_[close + 1] == '+') refuse("a repeated interval");
    if (next_is("{,")) replace(2, "{0,");
    take(close + 1 - at_);
  }

  std::string_view in_;
  const std::string& where_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

std::string translate_oniguruma(std::string_view pattern, const std::string& where) {
  NURI_CHECK(pattern.size() <= 65536, "{}: a regular expression of {} bytes; allowed are 65536", where, pattern.size());
  NURI_CHECK(utf8_first_invalid(pattern) == std::string_view::npos, "{}: the regular expression is not UTF-8", where);
  return Translator(pattern, where).run();
}

}  // namespace nuri
