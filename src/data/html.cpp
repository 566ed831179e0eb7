#include "data/html.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace nuri::data {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_name_char(char c) {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == ':' || c == '_';
}

template <size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 14> kVoid = {"area",  "base", "br",   "col",   "embed",  "hr",    "img",
                                                    "input", "link", "meta", "param", "source", "track", "wbr"};
// Left out with all they hold.
constexpr std::array<std::string_view, 17> kInvisible = {"head",   "nav",      "noscript", "template", "svg",    "math",
                                                         "iframe", "object",   "audio",    "video",    "canvas", "map",
                                                         "select", "textarea", "button",   "form",     "dialog"};
// The page's frame; inside an article they belong to it.
constexpr std::array<std::string_view, 3> kFrame = {"header", "footer", "aside"};
// Their content is no markup: everything up to the closing tag.
constexpr std::array<std::string_view, 4> kRawText = {"script", "style", "xmp", "title"};
constexpr std::array<std::string_view, 18> kParagraph = {"p",  "h1",    "h2",      "h3",      "h4",         "h5",
                                                         "h6", "ul",    "ol",      "pre",     "blockquote", "dl",
                                                         "hr", "table", "section", "article", "figure",     "main"};
constexpr std::array<std::string_view, 14> kLine = {"br",         "div",     "li",    "dt",     "dd",
                                                    "tr",         "caption", "body",  "option", "address",
                                                    "figcaption", "thead",   "tbody", "summary"};

/// Text being laid out: pending white space and line ends become real only before the next visible character.
class Layout {
 public:
  void add(std::string_view text, bool preformatted) {
    if (!preformatted) {
      for (size_t i = 0; i < text.size(); ++i) {
        if (is_space(text[i])) {
          space_ = true;
        } else {
          put(text[i]);
        }
      }
      return;
    }
    for (char c : text) {
      if (c == '\n') {
        ++raw_lines_;
      } else if (c == ' ' || c == '\t') {
        indent_ += c;
      } else if (c != '\r') {
        put(c);
      }
    }
  }
  void space() { space_ = true; }
  void lines(int n) {
    lines_ = std::max(lines_, n);
    indent_.clear();
  }
  std::string take() { return std::move(out_); }

 private:
  void put(char c) {
    const int lines = std::max(lines_, std::min(raw_lines_, 2));
    if (lines > 0) {
      if (!out_.empty()) out_.append(static_cast<size_t>(lines), '\n');
      out_ += indent_;
    } else if (!indent_.empty()) {
      out_ += indent_;
    } else if (space_ && !out_.empty()) {
      out_ += ' ';
    }
    lines_ = raw_lines_ = 0;
    space_ = false;
    indent_.clear();
    out_ += c;
  }

  std::string out_, indent_;
  int lines_ = 0, raw_lines_ = 0;
  bool space_ = false;
};

struct Tag {
  std::string name;  // lower case
  bool closing = false, self_closing = false, navigation = false;
  size_t end = 0;  // after '>'
};

/// Does an attribute value of class or role mark navigation?
bool marks_navigation(std::string_view attribute, std::string_view value) {
  if (attribute == "role") return value == "navigation";
  if (attribute != "class") return false;
  for (size_t i = 0; i < value.size();) {
    while (i < value.size() && is_space(value[i])) ++i;
    if (value.substr(i, 3) == "nav") return true;
    while (i < value.size() && !is_space(value[i])) ++i;
  }
  return false;
}

/// Reads the tag at `at` ('<' there, a letter or '/' and a letter behind it). An unfinished tag ends with the page.
Tag read_tag(std::string_view s, size_t at) {
  Tag tag;
  size_t i = at + 1;
  if (s[i] == '/') tag.closing = true, ++i;
  while (i < s.size() && is_name_char(s[i])) {
    if (tag.name.size() < 32) tag.name += lower(s[i]);
    ++i;
  }
  while (i < s.size() && s[i] != '>') {
    if (is_space(s[i]) || s[i] == '/') {
      tag.self_closing = s[i] == '/';
      ++i;
      continue;
    }
    std::string attribute;
    while (i < s.size() && s[i] != '=' && s[i] != '>' && s[i] != '/' && !is_space(s[i])) {
      if (attribute.size() < 16) attribute += lower(s[i]);
      ++i;
    }
    while (i < s.size() && is_space(s[i])) ++i;
    if (i >= s.size() || s[i] != '=') {
      if (attribute.empty() && i < s.size() && s[i] != '>' && s[i] != '/') ++i;
      continue;
    }
    ++i;
    while (i < s.size() && is_space(s[i])) ++i;
    std::string_view value;
    if (i < s.size() && (s[i] == '"' || s[i] == '\'')) {
      const size_t close = s.find(s[i], i + 1);
      value = s.substr(i + 1, close == std::string_view::npos ? close : close - i - 1);
      i = close == std::string_view::npos ? s.size() : close + 1;
    } else {
      const size_t from = i;
      while (i < s.size() && s[i] != '>' && !is_space(s[i])) ++i;
      value = s.substr(from, i - from);
    }
    tag.navigation = tag.navigation || marks_navigation(attribute, value);
    tag.self_closing = false;
  }
  tag.end = std::min(i + 1, s.size());
  return tag;
}

class Extractor {
 public:
  explicit Extractor(std::string_view page) : s_(page) {}

  std::string run() {
    size_t i = 0;
    while (i < s_.size()) {
      const size_t open = find_markup(i);
      text(s_.substr(i, open - i));
      if (open == std::string_view::npos) break;
      i = markup(open);
    }
    return layout_.take();
  }

 private:
  /// The next '<' that begins markup; others are text.
  size_t find_markup(size_t from) const {
    for (size_t i = s_.find('<', from); i != std::string_view::npos; i = s_.find('<', i + 1)) {
      if (i + 1 >= s_.size()) return std::string_view::npos;
      char c = s_[i + 1];
      if (c == '!' || c == '?') return i;
      if (c == '/' && i + 2 < s_.size()) c = s_[i + 2];
      c = lower(c);
      if (c >= 'a' && c <= 'z') return i;
    }
    return std::string_view::npos;
  }

  void text(std::string_view raw) {
    if (skip_.empty() && !raw.empty()) {
      std::string plain = raw.find('&') == std::string_view::npos ? std::string(raw) : unescape_html(raw);
      // No-break space (C2 A0) is white space here; the soft hyphen (C2 AD) is not visible.
      size_t to = 0;
      for (size_t i = 0; i < plain.size(); ++i) {
        const auto next = i + 1 < plain.size() ? static_cast<unsigned char>(plain[i + 1]) : 0;
        if (static_cast<unsigned char>(plain[i]) == 0xC2 && (next == 0xA0 || next == 0xAD)) {
          ++i;
          if (next == 0xA0) plain[to++] = ' ';
        } else {
          plain[to++] = plain[i];
        }
      }
      plain.resize(to);
      layout_.add(plain, pre_ > 0);
    }
  }

  /// Handles the markup at `at` and returns where text goes on.
  size_t markup(size_t at) {
    if (s_[at + 1] == '!' || s_[at + 1] == '?') {
      const bool comment = s_.substr(at, 4) == "<!--", cdata = s_.substr(at, 9) == "<![CDATA[";
      const std::string_view close = comment ? "-->" : cdata ? "]]>" : ">";
      const size_t end = find_close(close, at + (comment ? 4 : 2));
      if (cdata) text(s_.substr(at + 9, end == std::string_view::npos ? end : end - at - 9));
      return end == std::string_view::npos ? s_.size() : end + close.size();
    }
    const Tag tag = read_tag(s_, at);
    if (!tag.closing && is_one_of(tag.name, kRawText)) return skip_raw(tag);
    if (tag.closing) {
      close(tag);
    } else {
      open(tag);
    }
    return tag.end;
  }

  /// Position of a closing mark, or npos. One that is missing once is missing for good: never searched again, so that
  /// the whole stays linear.
  size_t find_close(std::string_view mark, size_t from) {
    bool& missing = missing_[mark == "-->" ? 0 : mark == "]]>" ? 1 : 2];
    if (missing) return std::string_view::npos;
    const size_t end = s_.find(mark, from);
    missing = end == std::string_view::npos;
    return end;
  }

  /// <script> and the like: up to "</name", any case; without one up to the end of the page.
  size_t skip_raw(const Tag& tag) {
    for (size_t i = s_.find("</", tag.end); i != std::string_view::npos; i = s_.find("</", i + 2)) {
      size_t k = 0;
      while (k < tag.name.size() && i + 2 + k < s_.size() && lower(s_[i + 2 + k]) == tag.name[k]) ++k;
      if (k == tag.name.size()) return read_tag(s_, i).end;
    }
    return s_.size();
  }

  void open(const Tag& tag) {
    if (tag.name == "body") skip_.clear(), depth_ = 0;  // ends an unclosed head
    if (!skip_.empty()) {
      if (tag.name == skip_ && !tag.self_closing) ++depth_;
      return;
    }
    if (tag.name == "article" || tag.name == "main") ++article_;
    const bool holds = !tag.self_closing && !is_one_of(tag.name, kVoid);
    if (holds && tag.name != "body" && tag.name != "html" &&
        (is_one_of(tag.name, kInvisible) || tag.navigation || (article_ == 0 && is_one_of(tag.name, kFrame)))) {
      skip_ = tag.name;
      depth_ = 1;
      return;
    }
    if (tag.name == "pre" && holds) ++pre_;
    break_line(tag.name);
  }

  void close(const Tag& tag) {
    if (!skip_.empty()) {
      if (tag.name == skip_ && --depth_ == 0) skip_.clear();
      if (tag.name == "body" || tag.name == "html") skip_.clear(), depth_ = 0;
      return;
    }
    if ((tag.name == "article" || tag.name == "main") && article_ > 0) --article_;
    if (tag.name == "pre" && pre_ > 0) --pre_;
    break_line(tag.name);
  }

  void break_line(std::string_view name) {
    if (is_one_of(name, kParagraph)) {
      layout_.lines(2);
    } else if (is_one_of(name, kLine)) {
      layout_.lines(1);
    } else if (name == "td" || name == "th") {
      layout_.space();
    }
  }

  std::string_view s_;
  Layout layout_;
  std::string skip_;  // name of the element being left out, and how deep it nests in itself
  int64_t depth_ = 0, pre_ = 0, article_ = 0;
  bool missing_[3] = {};
};

}  // namespace

std::string html_text(std::string_view page) { return Extractor(page).run(); }

}  // namespace nuri::data
