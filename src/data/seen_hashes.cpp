#include "data/seen_hashes.h"

#include <algorithm>
#include <bit>

namespace nuri::data {
namespace {

constexpr size_t kBlockBytes = 4096;  // read for a look into a run
constexpr size_t kFanIn = 8;          // runs merged into one
constexpr size_t kFilterWords = 8;    // of a block of the filter: one cache line

bool less(uint64_t a, uint64_t b) { return a < b; }
bool less(const Hash128& a, const Hash128& b) { return a.high != b.high ? a.high < b.high : a.low < b.low; }

/// Calls f(word, bit) for the six places of a hash, all in one cache line of the filter.
template <class F>
bool all_places(uint64_t hash, size_t words, F f) {
  // Other bits than the table's slots, which are the low ones.
  const uint64_t mixed = (hash ^ hash >> 31) * 0x9E3779B97F4A7C15u;
  const size_t line = (mixed >> 24) & (words - kFilterWords);
  uint64_t places = (mixed ^ mixed >> 29) * 0xD1B54A32D192ED03u >> 10;
  for (int i = 0; i < 6; ++i, places >>= 9) {
    if (!f(line + (places >> 6 & 7), uint64_t(1) << (places & 63))) return false;
  }
  return true;
}

}  // namespace

template <class Key>
SeenHashes<Key>::SeenHashes(SeenStorage storage) : storage_(std::move(storage)) {
  const uint64_t memory_bytes = storage_.memory_bytes;
  // The table is up to two thirds full of a power of two, and while it grows half of it is there twice.
  const uint64_t slots = std::bit_floor(std::max<uint64_t>(memory_bytes / 3 / sizeof(Key), 8));
  max_recent_ = static_cast<size_t>(slots / 3 * 2);
  filter_bytes_ = static_cast<size_t>(std::bit_floor(std::max<uint64_t>(memory_bytes / 3 * 2, 8 * kFilterWords)));
}

template <class Key>
bool SeenHashes<Key>::insert(const Key& key) {
  if (runs_.empty()) {
    if (!recent_.insert(key)) return false;
  } else {
    if (recent_.contains(key)) return false;
    const uint64_t hash = slot_of(key);
    if (all_places(hash, filter_.size(), [&](size_t word, uint64_t bit) { return (filter_[word] & bit) != 0; }) &&
        in_runs(key))
      return false;
    recent_.insert(key);
  }
  if (recent_.size() >= max_recent_) spill();
  return true;
}

template <class Key>
bool SeenHashes<Key>::in_runs(const Key& key) {
  for (const Run& run : runs_) {
    const auto next = std::upper_bound(run.firsts.begin(), run.firsts.end(), key,
                                       [](const Key& a, const Key& b) { return less(a, b); });
    if (next == run.firsts.begin()) continue;
    const uint64_t at = static_cast<uint64_t>(next - run.firsts.begin() - 1) * kBlockBytes;
    block_.resize(static_cast<size_t>(std::min<uint64_t>(kBlockBytes, run.file.size() - at)) / sizeof(Key));
    run.file.read(at, block_.data(), block_.size() * sizeof(Key));
    if (std::binary_search(block_.begin(), block_.end(), key, [](const Key& a, const Key& b) { return less(a, b); }))
      return true;
  }
  return false;
}

template <class Key>
void SeenHashes<Key>::append(Run& run, const Key& key) const {
  if (run.file.size() % kBlockBytes == 0) run.firsts.push_back(key);
  run.file.append(&key, sizeof key);
}

template <class Key>
void SeenHashes<Key>::spill() {
  if (filter_.empty()) filter_.resize(filter_bytes_ / 8);
  std::vector<Key> keys;
  keys.reserve(recent_.size());
  recent_.for_each([&](const Key& key) { keys.push_back(key); });
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return less(a, b); });
  Run& run = runs_.emplace_back(Run{ScratchFile(storage_.dir), 0, {}});
  for (const Key& key : keys) {
    append(run, key);
    all_places(slot_of(key), filter_.size(), [&](size_t word, uint64_t bit) { return (filter_[word] |= bit) != 0; });
  }
  run.file.flush();
  n_in_runs_ += keys.size();
  recent_.empty_slots();
  while (runs_.size() >= kFanIn && runs_[runs_.size() - kFanIn].level == runs_.back().level)
    merge(runs_.size() - kFanIn);
}

/// The runs from first_run on become one. No key is in two of them.
template <class Key>
void SeenHashes<Key>::merge(size_t first_run) {
  struct Source {
    ScratchReader reader;
    Key key;
  };
  std::vector<Source> heap;
  const auto later = [](const Source& a, const Source& b) { return less(b.key, a.key); };
  const auto push = [&](Source source) {
    if (source.reader.left() == 0) return;
    source.reader.read(&source.key, sizeof source.key);
    heap.push_back(std::move(source));
    std::push_heap(heap.begin(), heap.end(), later);
  };
  for (size_t i = first_run; i < runs_.size(); ++i) push({ScratchReader(runs_[i].file), {}});
  Run merged{ScratchFile(storage_.dir), runs_.back().level + 1, {}};
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    Source source = std::move(heap.back());
    heap.pop_back();
    append(merged, source.key);
    push(std::move(source));
  }
  merged.file.flush();
  merged.firsts.shrink_to_fit();
  runs_.erase(runs_.begin() + static_cast<ptrdiff_t>(first_run), runs_.end());
  runs_.push_back(std::move(merged));
}

template class SeenHashes<uint64_t>;
template class SeenHashes<Hash128>;

}  // namespace nuri::data
