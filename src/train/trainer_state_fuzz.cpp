// Any bytes as trainer/state.json: an Error, or numbers inside their ranges.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "train/state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const nuri::TrainState s = nuri::parse_state({reinterpret_cast<const char*>(data), size}, "state.json");
    if (s.step < 0 || s.tokens < 0 || s.best_step < 0 || !(s.best_bits >= 0)) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
