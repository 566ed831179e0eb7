// Tables of published runs and of hardware from outside: any bytes give rows or an Error.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "plan/constants.h"
#include "plan/fit.h"
#include "plan/published.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 1 << 14) return 0;
  try {
    for (const nuri::plan::PublishedRun& run :
         nuri::plan::parse_published({reinterpret_cast<const char*>(data), size}, "runs.csv"))
      if (run.job && !std::isfinite(nuri::plan::predict(run, nuri::plan::prior_constants()))) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
