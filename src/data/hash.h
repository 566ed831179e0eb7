// Hashes of texts and files (XXH3), and sets of them that take little more than the hashes themselves.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nuri::data {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

struct Hash128 {
  uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};
Hash128 hash128(std::string_view bytes);
/// 32 hexadecimal digits, high word first.
std::string hex(const Hash128& hash);

/// XXH3-128 of bytes that come in pieces.
class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(const StreamHash&) = delete;
  StreamHash& operator=(const StreamHash&) = delete;
  void add(const void* data, size_t bytes);
  Hash128 value() const;

 private:
  void* state_;
};

inline uint64_t slot_of(uint64_t key) { return key; }
inline uint64_t slot_of(const Hash128& key) { return key.low; }

/// A set of hashes by open addressing: at most 1.5 to 3 times their size in memory. The zero hash counts as one value.
template <class Key>
class HashSet {
 public:
  /// True when the key is new.
  bool insert(const Key& key) {
    if (key == Key{}) return !std::exchange(has_zero_, true);
    if (3 * (size_ + 1) > 2 * slots_.size()) grow();
    if (!place(key)) return false;
    ++size_;
    return true;
  }
  bool contains(const Key& key) const {
    if (key == Key{}) return has_zero_;
    if (slots_.empty()) return false;
    const size_t mask = slots_.size() - 1;
    for (size_t i = slot_of(key) & mask;; i = (i + 1) & mask) {
      if (slots_[i] == key) return true;
      if (slots_[i] == Key{}) return false;
    }
  }
  size_t size() const { return size_ + has_zero_; }
  void clear() { *this = HashSet(); }
  /// Without the keys, but with their memory.
  void empty_slots() {
    std::fill(slots_.begin(), slots_.end(), Key{});
    size_ = 0;
    has_zero_ = false;
  }
  /// Calls f(key) for each key, in no particular order.
  template <class F>
  void for_each(F f) const {
    if (has_zero_) f(Key{});
    for (const Key& key : slots_) {
      if (!(key == Key{})) f(key);
    }
  }

 private:
  bool place(const Key& key) {
    const size_t mask = slots_.size() - 1;
    for (size_t i = slot_of(key) & mask;; i = (i + 1) & mask) {
      if (slots_[i] == key) return false;
      if (slots_[i] == Key{}) {
        slots_[i] = key;
        return true;
      }
    }
  }
  void grow() {
    std::vector<Key> old(slots_.empty() ? 1024 : 2 * slots_.size());
    old.swap(slots_);
    for (const Key& key : old) {
      if (!(key == Key{})) place(key);
    }
  }

  std::vector<Key> slots_;
  size_t size_ = 0;
  bool has_zero_ = false;
};

}  // namespace nuri::data
