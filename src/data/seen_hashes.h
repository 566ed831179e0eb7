// Which hashes came before, for any number of them in fixed memory: the newest lie in a table; when it is full they are
// sorted and written to a scratch file, a run. Runs of one size are merged by eights, so that there are few. A filter
// (one bit for each of several places of a hash) answers for most new hashes without a look at the runs; it is made
// with the first run and never grows, so beyond about one hash for each of its bytes more and more hashes cost a read,
// and the answer stays exact.
#pragma once

#include <cstdint>
#include <vector>

#include "base/scratch_file.h"
#include "data/hash.h"

namespace nuri::data {

/// Where the hashes may lie.
struct SeenStorage {
  fs::path dir = fs::temp_directory_path();    // of the scratch files: 8 or 16 bytes a hash, while merging twice that
  uint64_t memory_bytes = uint64_t(48) << 20;  // of one set
};

template <class Key>  // uint64_t or Hash128; their low bits must be as good as random
class SeenHashes {
 public:
  /// Takes up to storage.memory_bytes (two thirds of it only from the first run on), and one hash for each 4,096 bytes
  /// of runs.
  explicit SeenHashes(SeenStorage storage);
  /// True when the key is new. Errors: scratch files cannot be made or written.
  bool insert(const Key& key);
  uint64_t size() const { return n_in_runs_ + recent_.size(); }
  size_t n_runs() const { return runs_.size(); }

 private:
  struct Run {
    ScratchFile file;
    int level = 0;            // merged from 8^level tables
    std::vector<Key> firsts;  // of each block
  };
  bool in_runs(const Key& key);
  void spill();
  void merge(size_t first_run);
  void append(Run& run, const Key& key) const;

  SeenStorage storage_;
  size_t max_recent_, filter_bytes_;
  HashSet<Key> recent_;
  std::vector<uint64_t> filter_;
  std::vector<Run> runs_;
  std::vector<Key> block_;
  uint64_t n_in_runs_ = 0;
};

extern template class SeenHashes<uint64_t>;
extern template class SeenHashes<Hash128>;

}  // namespace nuri::data
