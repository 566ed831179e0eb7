// Rows of a JSONL file: a row gives a text or a reason, never both wrong; clean text stays clean; a row taken apart, as
// long ones are, gives what it gives whole.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "data/prepare.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nuri::data;
  static RowParser parser, apart({.row = 0, .string = 24, .part = 3, .rest = size_t(1) << 20});
  if (size == 0) return 0;
  RawDocument raw;
  raw.kind = static_cast<FileKind>(data[0] % 3);
  raw.bytes.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  raw.full_bytes = raw.bytes.size();
  const Prepared out = prepare(raw, Source{}, ReadLimits{}, parser);
  if (out.rejected.empty() && !out.blank_row && tidy(out.text) != out.text) std::abort();
  std::string a, b;
  if (parser.parse(raw.bytes, "text", a).empty() != apart.parse(raw.bytes, "text", b).empty() || a != b) std::abort();
  return 0;
}
