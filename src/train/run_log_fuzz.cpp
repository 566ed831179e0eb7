// Any bytes as log.jsonl: rows that are none are left out, and whatever was read becomes a report.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "train/metrics.h"
#include "train/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const nuri::RunLog log = nuri::parse_log(std::string(reinterpret_cast<const char*>(data), size));
  if (nuri::report_html("run", log, {}, {}).find("</html>") == std::string::npos) std::abort();
  return 0;
}
