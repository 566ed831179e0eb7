#include "data/prepare.h"

#include <fmt/format.h>

#include "data/html.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace nuri::data {
namespace {

/// More replaced sequences than this share of the bytes: no text at all.
constexpr int64_t kInvalidPerHundred = 1;

void prepare_row(const RawDocument& raw, const Source& source, RowParser& parser, Prepared& out) {
  if (raw.bytes.find_first_not_of(" \t\r\n") == std::string::npos) {
    out.blank_row = true;
    return;
  }
  if (raw.invalid > 0) {
    out.rejected = fmt::format("{} sequences form no character of {}", raw.invalid, encoding_name(raw.encoding));
    return;
  }
  out.rejected = parser.parse(raw.bytes, source.field, out.text);
}

bool surely_nfc_utf8(std::string_view text) {
  return utf8_first_invalid(text) == std::string_view::npos && surely_nfc(text);
}

/// NFC, and U+FFFD for what is no UTF-8.
void normalise(Prepared& out) {
  if (surely_nfc_utf8(out.text)) return;  // nearly every text
  Utf8Text text = to_utf8(out.text, Encoding::utf8, true);
  out.text = std::move(text.text);
  out.invalid += text.invalid;
}

}  // namespace

Prepared prepare(const RawDocument& raw, const Source& source, const ReadLimits& limits, RowParser& parser) {
  Prepared out;
  out.encoding = raw.encoding;
  if (raw.too_long) {
    out.rejected = fmt::format("{} bytes; at most {} are allowed", raw.full_bytes, limits.row_bytes);
    return out;
  }
  if (raw.kind == FileKind::jsonl) {
    prepare_row(raw, source, parser, out);
    if (out.blank_row || !out.rejected.empty()) return out;
  } else if (raw.kind == FileKind::html) {
    const DecodedText page = decode_text(raw.bytes, false);
    out.encoding = page.source.encoding;
    out.invalid = page.invalid;
    out.text = html_text(page.text);
  } else {
    out.text = raw.bytes;
    out.invalid = raw.invalid;
  }
  normalise(out);
  if (100 * out.invalid > kInvalidPerHundred * static_cast<int64_t>(raw.bytes.size())) {
    out.rejected = fmt::format("no text: {} of {} bytes form no character of {}", out.invalid, raw.bytes.size(),
                               encoding_name(out.encoding));
    return out;
  }
  out.text = tidy(out.text);
  if (source.hangul_lines > 0) out.text = tidy(keep_hangul_lines(out.text, source.hangul_lines));
  out.language = guess_language(out.text);
  out.hash = hash128(out.text);
  return out;
}

}  // namespace nuri::data
