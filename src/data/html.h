// Visible text of an HTML page.
#pragma once

#include <string>
#include <string_view>

namespace nuri::data {

/// What a reader of the page would read, as plain text: blocks on lines of their own, paragraphs and headings set off
/// by a blank line, white space collapsed except in <pre>, character references resolved. Left out: head, script,
/// style, navigation (nav, elements of class nav..., role navigation, page header, footer and aside), form controls,
/// embedded objects, comments. Any bytes are accepted; the result is UTF-8 where the input is. Time and memory are
/// linear.
std::string html_text(std::string_view page);

/// Resolves character references: named ones of HTML 4, decimal and hexadecimal. What is none stays as it stands.
std::string unescape_html(std::string_view text);

}  // namespace nuri::data
