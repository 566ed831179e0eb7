// chain.jsonl from outside: any bytes give rows or an Error.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "train/chain.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    for (const nuri::ChainRow& row : nuri::parse_chain({reinterpret_cast<const char*>(data), size}, "chain.jsonl"))
      (void)nuri::chain_link("", row);
  } catch (const nuri::Error&) {
  }
  return 0;
}
