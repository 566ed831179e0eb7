// Pages of keys and values: a fixed pool, handed out page by page to sequences.
#pragma once

#include <cstdint>
#include <vector>

#include "arch/deepseek_v3.h"
#include "nn/context.h"
#include "tensor/tensor.h"

namespace nuri {

/// n_pages pages of 64 tokens for all layers of a model. A page number means the same slot in every layer.
class KvPool {
 public:
  KvPool(const DeepseekV3Config& config, MlaForm form, DType dtype, int64_t n_pages);

  int64_t n_pages() const { return n_pages_; }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  /// Takes a free page; error when none is left.
  int32_t take();
  /// One more owner of a page, who gives it back too.
  void share(int32_t page);
  void give_back(int32_t page);
  /// Another page with the same contents in every layer. Error when none is left.
  int32_t copy(int32_t page);
  const std::vector<LayerPages>& layers() const { return layers_; }
  /// Bytes of one page over all layers.
  static int64_t page_bytes(const DeepseekV3Config& config, MlaForm form, DType dtype);
  /// For tests: the order in which pages are handed out next (a permutation of the free ones), and filling all memory.
  void set_free_order(std::vector<int32_t> order);
  void poison(uint8_t byte);

 private:
  int64_t n_pages_;
  Tensor memory_;
  std::vector<LayerPages> layers_;
  std::vector<int32_t> free_;    // taken from the back
  std::vector<int32_t> owners_;  // of each page
};

/// The pages of one sequence.
class KvSequence {
 public:
  explicit KvSequence(KvPool& pool) : pool_(&pool) {}
  ~KvSequence() { clear(); }
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&& other) noexcept;
  /// A sequence of the same tokens: whole pages, which nobody writes again, are shared, a begun one is copied. Error:
  /// the pool is empty.
  KvSequence fork() const;
  /// Makes room for n more tokens. Error: the pool is empty.
  void reserve(int64_t n);
  void advance(int64_t n) { length_ += n; }
  void clear();
  int64_t length() const { return length_; }
  const int32_t* pages() const { return pages_.data(); }
  /// Pages that reserve(n) would take.
  int64_t pages_needed(int64_t n) const;

 private:
  KvPool* pool_;
  std::vector<int32_t> pages_;
  int64_t length_ = 0;
};

}  // namespace nuri
