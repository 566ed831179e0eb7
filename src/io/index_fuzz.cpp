// model.safetensors.index.json from outside: any bytes give plain file names, or an Error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "io/model_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    for (const auto& [name, shard] : nuri::parse_index({reinterpret_cast<const char*>(data), size}, "index.json")) {
      if (shard.find('/') != std::string::npos || shard == "." || shard == "..") std::abort();
    }
  } catch (const nuri::Error&) {
  }
  return 0;
}
