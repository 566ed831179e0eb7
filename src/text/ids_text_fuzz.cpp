// Any bytes as a file of ids: an Error, or ids of the vocabulary that come back from their text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "text/ids_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int32_t kEnd = 129280;
  try {
    const auto ids = nuri::ids_from_text({reinterpret_cast<const char*>(data), size}, kEnd, "ids");
    for (const int32_t id : ids)
      if (id < 0 || id >= kEnd) std::abort();
    if (nuri::ids_from_text(nuri::ids_to_text(ids), kEnd, "again") != ids) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
