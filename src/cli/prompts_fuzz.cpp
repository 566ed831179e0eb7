// Any bytes as a file of prompts: an Error, or no more prompts than lines.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "cli/prompts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const size_t n = nuri::parse_prompts(text, "prompts.jsonl").size();
    if (n == 0 || n > static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
