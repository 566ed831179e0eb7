// A safetensors file from outside: any bytes give entries that lie inside the file, or an Error.
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const nuri::SafetensorsHeader header = nuri::parse_safetensors(bytes, "model.safetensors");
    uint64_t sum = 0;
    for (const nuri::TensorEntry& entry : header.entries) {
      if (entry.offset > size || entry.bytes > size - entry.offset) std::abort();
      sum += entry.bytes;
      if (!nuri::convertible(*entry.type, nuri::DType::f32)) continue;
      std::vector<float> wide(static_cast<size_t>(entry.elements()));
      nuri::convert_elements(bytes.data() + entry.offset, *entry.type, entry.elements(), nuri::DType::f32, wide.data());
    }
    if (sum > size) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
