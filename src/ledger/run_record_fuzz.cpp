// Any bytes as run.json: an Error, or a record whose written form reads back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "ledger/run_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const nuri::RunRecord record = nuri::parse_run_record({reinterpret_cast<const char*>(data), size}, "run.json");
    const std::string text = nuri::run_record_json(record);
    if (nuri::run_record_json(nuri::parse_run_record(text, "again")) != text) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
