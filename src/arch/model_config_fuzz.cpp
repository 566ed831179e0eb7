// config.json from outside: any bytes give a description or an Error, and a description survives writing and reading.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "arch/counts.h"
#include "arch/deepseek_v3.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto config = nuri::parse_config({reinterpret_cast<const char*>(data), size}, "config.json");
    if (nuri::parse_config(nuri::write_config(config), "written") != config) std::abort();
    if (nuri::count_parameters(config).total() <= 0) std::abort();
    if (config.n_layers * config.n_routed_experts < 4096 && nuri::tensor_specs(config).empty()) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
