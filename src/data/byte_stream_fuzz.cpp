// Any bytes as a plain, gzip or Zstandard file (the first byte chooses): an Error, or text no longer than allowed.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "data/byte_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kMost = 1 << 22;
  constexpr const char* kEndings[] = {".txt", ".gz", ".zst"};
  if (size == 0) return 0;
  const std::string path = (nuri::fs::temp_directory_path() /
                            ("nuri_byte_stream_fuzz_" + std::to_string(::getpid()) + kEndings[data[0] % 3]))
                               .string();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data) + 1, static_cast<std::streamsize>(size - 1));
  try {
    const std::string text = nuri::data::read_all(path, kMost);
    if (text.size() > kMost) std::abort();
    if (data[0] % 3 == 0 && text != std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1)) std::abort();
  } catch (const nuri::Error&) {
  }
  std::remove(path.c_str());
  return 0;
}
