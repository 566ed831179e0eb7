// Any text as manifest.json: refused with nuri::Error, or read; what was read and written again reads the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "data/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nuri::data;
  try {
    const Manifest m = parse_manifest({reinterpret_cast<const char*>(data), size}, "manifest.json");
    const std::string text = manifest_text(m);
    if (manifest_text(parse_manifest(text, "again")) != text) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
