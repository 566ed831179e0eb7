#include "text/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include <cstring>
#include <map>
#include <vector>

#include "base/error.h"
#include "text/utf8.h"

namespace nuri {
namespace {

uint8_t class_of_category(UCharCategory category) {
  const uint32_t mask = U_MASK(category);
  if (mask & U_GC_L_MASK) return kLetter;
  if (mask & U_GC_M_MASK) return kMark;
  if (mask & U_GC_N_MASK) return kNumber;
  if (mask & U_GC_P_MASK) return kPunctuation;
  if (mask & U_GC_S_MASK) return kSymbol;
  return 0;
}

void mark_set(const char* pattern, uint8_t bit, std::vector<uint8_t>& all) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeSet set(icu::UnicodeString::fromUTF8(pattern), status);
  NURI_CHECK(U_SUCCESS(status), "ICU: cannot read the character set {} ({}); reinstall libicu", pattern,
             u_errorName(status));
  for (int32_t i = 0; i < set.getRangeCount(); ++i)
    for (UChar32 c = set.getRangeStart(i); c <= set.getRangeEnd(i); ++c) all[static_cast<size_t>(c)] |= bit;
}

const icu::Normalizer2& nfc() {
  static const icu::Normalizer2* instance = [] {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* normalizer = icu::Normalizer2::getNFCInstance(status);
    NURI_CHECK(U_SUCCESS(status), "ICU: no NFC data ({}); reinstall libicu", u_errorName(status));
    return normalizer;
  }();
  return *instance;
}

}  // namespace

CharClasses::CharClasses() {
  std::vector<uint8_t> all(0x110000, 0);
  u_enumCharTypes(
      [](const void* context, UChar32 start, UChar32 limit, UCharCategory category) -> UBool {
        auto& classes = *static_cast<std::vector<uint8_t>*>(const_cast<void*>(context));
        std::memset(classes.data() + start, class_of_category(category), static_cast<size_t>(limit - start));
        return true;
      },
      &all);
  mark_set("[:White_Space:]", kSpace, all);
  mark_set("[\\r\\n]", kLineEnd, all);
  mark_set("[[:NFC_QC=No:][:NFC_QC=Maybe:][:^ccc=0:]]", kNfcUnsure, all);
  std::map<std::string_view, uint16_t> seen;
  for (size_t block = 0; block < 0x1100; ++block) {
    const std::string_view bytes(reinterpret_cast<const char*>(all.data()) + block * 256, 256);
    const auto [entry, added] = seen.emplace(bytes, static_cast<uint16_t>(seen.size()));
    if (added) {
      NURI_ASSERT(seen.size() * 256 <= sizeof data_);
      std::memcpy(data_ + size_t(entry->second) * 256, bytes.data(), 256);
    }
    block_[block] = entry->second;
  }
}

const CharClasses& CharClasses::get() {
  static const CharClasses classes;
  return classes;
}

bool surely_nfc(std::string_view utf8) {
  const CharClasses& classes = CharClasses::get();
  const char* at = utf8.data();
  const char* const end = at + utf8.size();
  while (at < end) {
    const auto lead = static_cast<unsigned char>(*at);
    if (lead < 0xCC) {  // below U+0300 everything is in NFC
      at += lead < 0x80 ? 1 : 2;
    } else if (lead >= 0xEB && lead <= 0xEC) {  // U+B000 to U+CFFF: Hangul syllables
      at += 3;
    } else if (classes[utf8_next(at)] & kNfcUnsure) {
      return false;
    }
  }
  return true;
}

void append_nfc(std::string_view utf8, std::string& out) {
  if (surely_nfc(utf8)) {
    out += utf8;
    return;
  }
  NURI_CHECK(utf8.size() < (size_t(1) << 30), "a text of {} bytes cannot be normalised at once; give parts below 1 GiB",
             utf8.size());
  UErrorCode status = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink(&out);
  nfc().normalizeUTF8(0, icu::StringPiece(utf8.data(), static_cast<int32_t>(utf8.size())), sink, nullptr, status);
  NURI_CHECK(U_SUCCESS(status), "ICU: NFC failed ({})", u_errorName(status));
}

}  // namespace nuri
