// config.json of any family from outside: any bytes give a shape that can be counted, or an Error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "arch/counts.h"
#include "arch/shape_config.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const nuri::ModelShape shape = nuri::parse_shape({reinterpret_cast<const char*>(data), size}, "config.json");
    if (nuri::count_parameters(shape).total() <= 0) std::abort();
    const int64_t length = 4096;
    if (!(nuri::training_flops(shape, std::span(&length, 1)) > 0)) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
