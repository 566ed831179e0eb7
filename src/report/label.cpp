#include "report/label.h"

#include <fmt/format.h>

#include <cstddef>

namespace nuri::report {
namespace {

/// Length of the well-formed UTF-8 sequence at `i` (Unicode table 3-7), or 0.
size_t utf8_length(std::string_view s, size_t i) {
  const auto at = [&](size_t k) { return k < s.size() ? static_cast<unsigned char>(s[k]) : 0u; };
  const auto tail = [&](size_t k, unsigned low = 0x80, unsigned high = 0xBF) { return at(k) >= low && at(k) <= high; };
  const unsigned lead = at(i);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(i + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
    return tail(i + 1, low, high) && tail(i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
    return tail(i + 1, low, high) && tail(i + 2) && tail(i + 3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string escape(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (length == 0) {
      out += kReplacement;
      ++i;
      continue;
    }
    const char c = text[i];
    if (length > 1) {
      out += text.substr(i, length);
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if ((static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7F) {
      out += kReplacement;
    } else {
      out += c;
    }
    i += length;
  }
  return out;
}

std::string html(const Label& label) {
  if (label.ko.empty()) return escape(label.en);
  return fmt::format("<span class=\"en\" lang=\"en\">{}</span><span class=\"ko\" lang=\"ko\">{}</span>",
                     escape(label.en), escape(label.ko));
}

std::string svg_text(const Label& label, std::string_view attributes) {
  if (label.ko.empty()) return fmt::format("<text {}>{}</text>", attributes, escape(label.en));
  return fmt::format("<g class=\"en\"><text {0}>{1}</text></g><g class=\"ko\"><text {0}>{2}</text></g>", attributes,
                     escape(label.en), escape(label.ko));
}

}  // namespace nuri::report
