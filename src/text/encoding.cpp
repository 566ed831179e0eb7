#include "text/encoding.h"

#include <unicode/ucnv.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace nuri {
namespace {

constexpr size_t kSampleBytes = 65536;

/// CP949 (Unified Hangul Code, a superset of EUC-KR): two bytes, first 0x81-0xFE, second 0x41-0xFE; 0 where no
/// character is. Taken from ICU once. User-defined areas count as no character.
class Cp949 {
 public:
  static const Cp949& get() {
    static const Cp949 table;
    return table;
  }
  static bool is_lead(uint8_t byte) { return byte >= 0x81 && byte <= 0xFE; }
  char32_t at(uint8_t lead, uint8_t trail) const {
    return trail < 0x41 || trail == 0xFF ? 0 : table_[lead - 0x81][trail];
  }

 private:
  Cp949() {
    UErrorCode status = U_ZERO_ERROR;
    UConverter* converter = ucnv_open("windows-949-2000", &status);
    NURI_CHECK(U_SUCCESS(status), "ICU: no converter for CP949 ({}); reinstall libicu", u_errorName(status));
    for (int lead = 0x81; lead <= 0xFE; ++lead) {
      for (int trail = 0x41; trail <= 0xFE; ++trail) {
        const char bytes[2] = {static_cast<char>(lead), static_cast<char>(trail)};
        UChar units[4];
        status = U_ZERO_ERROR;
        const int32_t n = ucnv_toUChars(converter, units, 4, bytes, 2, &status);
        const bool one = U_SUCCESS(status) && n == 1 && units[0] != 0xFFFD && (units[0] < 0xE000 || units[0] > 0xF8FF);
        table_[static_cast<size_t>(lead - 0x81)][static_cast<size_t>(trail)] = one ? units[0] : u'\0';
      }
    }
    ucnv_close(converter);
  }
  std::array<std::array<char16_t, 256>, 126> table_{};
};

struct Tally {
  int64_t good = 0, bad = 0;  // characters above ASCII, and sequences that form none
};

Tally tally_utf8(std::string_view bytes, bool cut) {
  Tally tally;
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at < end) {
    const Utf8Step step = utf8_step(at, end);
    at += step.length;
    if (step.status == Utf8Status::truncated && cut) break;  // the sample ends inside a character
    if (step.status != Utf8Status::ok)
      ++tally.bad;
    else if (step.length > 1)
      ++tally.good;
  }
  return tally;
}

/// Calls f(code point, or 0xFFFD where there is none).
template <class F>
void for_each_cp949(std::string_view bytes, F&& f) {
  const Cp949& table = Cp949::get();
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto lead = static_cast<uint8_t>(bytes[i]);
    if (lead < 0x80) {
      f(char32_t(lead));
      continue;
    }
    const uint8_t trail = i + 1 < bytes.size() ? static_cast<uint8_t>(bytes[i + 1]) : 0;
    const char32_t c = Cp949::is_lead(lead) ? table.at(lead, trail) : 0;
    if (c) {
      f(c);
      ++i;
    } else {
      f(char32_t(0xFFFD));
      if (Cp949::is_lead(lead) && trail >= 0x80) ++i;  // an ASCII byte is never swallowed
    }
  }
}

Tally tally_cp949(std::string_view bytes) {
  Tally tally;
  for_each_cp949(bytes, [&](char32_t c) {
    if (c == 0xFFFD)
      ++tally.bad;
    else if (c >= 0x80)
      ++tally.good;
  });
  return tally;
}

/// UTF-16 without byte order mark shows by its spaces, line ends, digits and Latin letters: a zero byte beside each,
/// always on the same side. One unit in 50 is enough for a text that is no UTF-8; a text that is UTF-8 too may hold
/// stray zero bytes, so there every second unit is wanted.
bool looks_like_utf16(std::string_view bytes, bool is_utf8, Encoding& encoding) {
  const auto ascii_text = [](char c) { return (c >= 0x20 && c < 0x7F) || c == '\n' || c == '\r' || c == '\t'; };
  const size_t units = bytes.size() / 2;
  size_t little = 0, big = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    little += bytes[i + 1] == '\0' && ascii_text(bytes[i]);
    big += bytes[i] == '\0' && ascii_text(bytes[i + 1]);
  }
  encoding = little > big ? Encoding::utf16le : Encoding::utf16be;
  const size_t more = std::max(little, big), less = std::min(little, big);
  return units >= 2 && more >= 1 && (is_utf8 ? 2 : 50) * more >= units && more >= 8 * less;
}

int64_t append_utf16(std::string_view bytes, bool little, std::string& out) {
  int64_t invalid = 0;
  const auto unit = [&](size_t i) -> char32_t {
    const auto a = static_cast<uint8_t>(bytes[2 * i]), b = static_cast<uint8_t>(bytes[2 * i + 1]);
    return static_cast<char32_t>(little ? a | (b << 8) : (a << 8) | b);
  };
  const size_t units = bytes.size() / 2;
  for (size_t i = 0; i < units; ++i) {
    char32_t c = unit(i);
    if (c >= 0xD800 && c <= 0xDFFF) {
      const char32_t next = c < 0xDC00 && i + 1 < units ? unit(i + 1) : 0;
      if (next >= 0xDC00 && next <= 0xDFFF) {
        c = 0x10000 + ((c - 0xD800) << 10) + (next - 0xDC00);
        ++i;
      } else {
        c = 0xFFFD;
        ++invalid;
      }
    }
    append_utf8(c, out);
  }
  if (bytes.size() % 2) {
    out += kReplacementUtf8;
    ++invalid;
  }
  return invalid;
}

}  // namespace

std::string_view encoding_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::utf8:
      return "UTF-8";
    case Encoding::utf16le:
      return "UTF-16LE";
    case Encoding::utf16be:
      return "UTF-16BE";
    case Encoding::cp949:
      return "CP949";
  }
  return "unknown";
}

DetectedEncoding detect_encoding(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) return {Encoding::utf8, 3};
  if (bytes.starts_with("\xFF\xFE")) return {Encoding::utf16le, 2};
  if (bytes.starts_with("\xFE\xFF")) return {Encoding::utf16be, 2};
  const bool cut = bytes.size() > kSampleBytes;
  const std::string_view sample = bytes.substr(0, kSampleBytes);
  const Tally utf8 = tally_utf8(sample, cut);
  Encoding utf16;
  if (looks_like_utf16(sample, utf8.bad == 0, utf16)) return {utf16, 0};
  if (utf8.bad == 0) return {Encoding::utf8, 0};
  // Text in CP949 read as UTF-8 is wrong at most characters; UTF-8 with some damage at few.
  const Tally cp949 = tally_cp949(sample);
  if (4 * utf8.bad > utf8.good && cp949.good > 0 && 20 * cp949.bad <= cp949.good + 1) return {Encoding::cp949, 0};
  return {Encoding::utf8, 0};
}

Utf8Text to_utf8(std::string_view bytes, Encoding encoding, bool nfc) {
  Utf8Text out;
  switch (encoding) {
    case Encoding::utf8:
      out.invalid = append_utf8_lossy(bytes, out.text);
      break;
    case Encoding::utf16le:
    case Encoding::utf16be:
      out.invalid = append_utf16(bytes, encoding == Encoding::utf16le, out.text);
      break;
    case Encoding::cp949:
      for_each_cp949(bytes, [&](char32_t c) {
        out.invalid += c == 0xFFFD;
        append_utf8(c, out.text);
      });
      break;
  }
  if (nfc && !surely_nfc(out.text)) {
    std::string normalised;
    append_nfc(out.text, normalised);
    out.nfc_changed = normalised != out.text;
    out.text = std::move(normalised);
  }
  return out;
}

DecodedText decode_text(std::string_view bytes, bool nfc) {
  const DetectedEncoding source = detect_encoding(bytes);
  bytes.remove_prefix(static_cast<size_t>(source.bom_bytes));
  DecodedText out{to_utf8(bytes, source.encoding, nfc), source};
  return out;
}

}  // namespace nuri
