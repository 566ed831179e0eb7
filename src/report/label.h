// Text of a report: escaped, in English and, where given, Korean.
#pragma once

#include <string>
#include <string_view>

namespace nuri::report {

/// What a reader sees. `ko` may be empty: then `en` serves both languages (names, numbers, units).
struct Label {
  std::string en, ko;
  Label() = default;
  Label(const char* text) : en(text) {}  // NOLINT(google-explicit-constructor): titles are written as literals
  Label(std::string text) : en(std::move(text)) {}  // NOLINT(google-explicit-constructor)
  Label(std::string english, std::string korean) : en(std::move(english)), ko(std::move(korean)) {}
  bool empty() const { return en.empty() && ko.empty(); }
};

/// HTML-safe form, for content and quoted attributes alike: & < > " ' as entities; bytes that are no UTF-8 and control
/// characters other than tab and line feed become U+FFFD.
std::string escape(std::string_view text);

/// The label as HTML content: one language, or both in spans of which the page shows one.
std::string html(const Label& label);

/// The label as SVG <text> elements with these attributes.
std::string svg_text(const Label& label, std::string_view attributes);

}  // namespace nuri::report
