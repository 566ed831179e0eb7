#include "tasks/plain_math.h"

#include <algorithm>
#include <span>

namespace nuri::tasks {
namespace {

struct Spelling {
  std::string_view from, to;
};

// Commands by their names. A name ends where its letters end: \cdots is not \cdot, \times10 is \times.
constexpr Spelling kCommands[] = {
    {"dfrac", "\\frac"},  {"tfrac", "\\frac"},  {"cfrac", "\\frac"},
    {"mathrm", "\\text"}, {"textrm", "\\text"}, {"textnormal", "\\text"},
    {"mbox", "\\text"},   {"times", "*"},       {"cdot", "*"},
    {"ast", "*"},         {"div", "/"},         {"left", ""},
    {"right", ""},        {"displaystyle", ""}, {"boxed", ""},
    {"fbox", ""},         {"mathbf", ""},       {"textbf", ""},
    {"boldsymbol", ""},   {"degree", ""},       {"textdegree", ""},
    {"quad", " "},        {"qquad", " "},
};
// A backslash and one sign.
constexpr Spelling kEscapes[] = {{"\\%", "%"}, {"\\!", ""},  {"\\;", " "}, {"\\:", " "}, {"\\ ", " "},
                                 {"\\(", " "}, {"\\)", " "}, {"\\[", " "}, {"\\]", " "}, {"\\\n", " "}};
constexpr Spelling kSigns[] = {
    {"\\\\ ", "\\\\ "},       {"\\\\\n", "\\\\\n"},  {"\\\\[", "\\\\["},  // a line's end, no escaped blank
    {"^\\circ", ""},          {"^{\\circ}", ""},     {"{,}", ","},          {"~", " "},
    {"\xC2\xB0", ""},         {"\xC3\x97", "*"},                             // degree, times
    {"\xC2\xB7", "*"},        {"\xE2\x8B\x85", "*"}, {"\xE2\x88\x99", "*"},  // middle dot, dot and bullet operators
    {"\xC3\xB7", "/"},        {"\xE2\x81\x84", "/"}, {"\xE2\x88\x95", "/"},  // division, fraction and division slash
    {"\xE2\x88\x92", "-"},    {"\xE2\x80\x91", "-"}, {"\xE2\x80\x93", "-"},  // minus, hyphen, en dash
    {"\xEF\xB9\xA3", "-"},    {"\xC2\xA0", " "},     {"\xE2\x80\xAF", " "},  // small hyphen-minus, no-break spaces
    {"\xE2\x81\x9F", " "},    {"\xE3\x80\x80", " "}, {"\xE2\x80\x8B", ""},   // more spaces, one of no width
    {"\xC2\xBD", " 1/2"},     {"\xC2\xBC", " 1/4"},  {"\xC2\xBE", " 3/4"},  {"\xE2\x85\x93", " 1/3"},
    {"\xE2\x85\x94", " 2/3"},
};
constexpr std::string_view kCurrencies[] = {
    "\\$",          "$",        "\xE2\x82\xA9", "\xEF\xBF\xA6",
    "\xE2\x82\xAC", "\xC2\xA3", "\xC2\xA5",     "\xEF\xBC\x84"};  // won twice, euro, pound, yen, full-width $

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

const Spelling* find_start(std::span<const Spelling> list, std::string_view text) {
  const auto found = std::find_if(list.begin(), list.end(), [text](const Spelling& s) {
    return text.front() == s.from.front() && text.starts_with(s.from);  // the first sign decides nearly always
  });
  return found == list.end() ? nullptr : &*found;
}

/// Three digits and no fourth: what a separator of thousands is followed by.
bool is_group(std::string_view text) {
  return text.size() >= 3 && is_digit(text[0]) && is_digit(text[1]) && is_digit(text[2]) &&
         (text.size() == 3 || !is_digit(text[3]));
}

class Writer {
 public:
  explicit Writer(std::string_view text) : rest_(text) { out_.reserve(text.size()); }

  std::string write() {
    while (!rest_.empty())
      if (stays(rest_.front()))
        copy(1);
      else if (!currency() && !spelling() && !thin_space() && !command() && !other_space() && !full_width())
        copy(1);
    return std::move(out_);
  }

 private:
  static bool stays(char c) {
    constexpr std::string_view kBegin = "\\${~^";
    return static_cast<unsigned char>(c) < 0x80 && kBegin.find(c) == std::string_view::npos;
  }
  bool behind_digit() const { return !out_.empty() && is_digit(out_.back()); }
  void copy(size_t bytes) {
    out_ += rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
  }
  void put(std::string_view plain, size_t bytes) {
    out_ += plain;
    rest_.remove_prefix(bytes);
  }

  bool currency() {
    for (const std::string_view sign : kCurrencies) {
      if (rest_.front() != sign.front() || !rest_.starts_with(sign)) continue;
      // 1$2 is not 12.
      const bool between = behind_digit() && rest_.size() > sign.size() && is_digit(rest_[sign.size()]);
      put(between ? " " : "", sign.size());
      return true;
    }
    return false;
  }

  bool spelling() {
    const Spelling* s = find_start(kSigns, rest_);
    if (!s) s = find_start(kEscapes, rest_);
    if (!s) return false;
    put(s->to, s->from.size());
    if (s->from == "\\!" && out_.ends_with(','))  // 11,\! 111
      while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    return true;
  }

  bool thin_space() {
    if (!rest_.starts_with("\\,")) return false;
    put(behind_digit() && is_group(rest_.substr(2)) ? "" : " ", 2);
    return true;
  }

  bool command() {
    if (!rest_.starts_with('\\')) return false;
    size_t end = 1;
    while (end < rest_.size() && is_letter(rest_[end])) ++end;
    const std::string_view name = rest_.substr(1, end - 1);
    for (const Spelling& s : kCommands)
      if (name == s.from) {
        put(s.to, end);
        return true;
      }
    copy(end);
    return true;
  }

  /// U+2000 to U+200A.
  bool other_space() {
    if (!rest_.starts_with("\xE2\x80") || rest_.size() < 3) return false;
    const auto last = static_cast<unsigned char>(rest_[2]);
    if (last < 0x80 || last > 0x8A) return false;
    put(" ", 3);
    return true;
  }

  /// U+FF01 to U+FF5E are ASCII's 0x21 to 0x7E.
  bool full_width() {
    if (!rest_.starts_with('\xEF') || rest_.size() < 3) return false;
    const auto middle = static_cast<unsigned char>(rest_[1]), last = static_cast<unsigned char>(rest_[2]);
    if (last < 0x80 || last > 0xBF || (middle != 0xBC && middle != 0xBD)) return false;
    const int code = 0x20 + (last & 0x3F) + (middle == 0xBD ? 0x40 : 0);
    if (code < 0x21 || code > 0x7E) return false;
    out_ += static_cast<char>(code);
    rest_.remove_prefix(3);
    return true;
  }

  std::string_view rest_;
  std::string out_;
};

}  // namespace

std::string plain_math(std::string_view text) { return Writer(text).write(); }

}  // namespace nuri::tasks
