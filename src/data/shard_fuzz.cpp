// Any bytes as a shard: refused with nuri::Error, or every document and token can be read.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "data/shard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nuri::data;
  static const std::string path =
      (nuri::fs::temp_directory_path() / ("nuri_shard_fuzz_" + std::to_string(::getpid()))).string();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  try {
    const Shard shard = Shard::open(path, false);
    std::vector<int32_t> ids(shard.n_tokens());
    shard.copy(0, ids);
    for (uint64_t d = 0; d < shard.n_documents(); ++d) {
      const DocumentRecord record = shard.document(d);
      if (shard.document_at(record.first_token) != d) std::abort();
      if (shard.file(record.file).size() > size) std::abort();
    }
  } catch (const nuri::Error&) {
  }
  std::remove(path.c_str());
  return 0;
}
