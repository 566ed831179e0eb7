// What the forward of attention multiplies: queries, keys and values as words of the level, packed or where they lie.
#pragma once

#include "backend/cpu/attention_plan.h"
#include "backend/cpu/attention_scratch.h"

namespace nuri::cpu {

class AttentionOperands {
 public:
  explicit AttentionOperands(const AttentionArgs& args);

  const Packer& packer() const { return pack_; }
  bool share_keys() const { return shares_keys_; }  ///< all heads have the same keys and values
  int64_t columns() const { return columns_; }      ///< of o: d_v in whole panels
  bool panels() const { return args_.layout == KeyLayout::panels; }
  /// Words between keys packed in rows: an odd number of cache lines, so that those of a tile fall into different sets.
  int64_t key_words(int64_t width) const { return pack_.row_words(width) | 16; }

  /// One query whose many heads share keys that lie in rows: the keys stay rows, the heads become panels.
  bool keys_in_rows(const AttentionTask& task) const;
  /// One query whose few heads share keys that lie in rows of BF16: neither they nor the values are packed.
  bool latents_in_place(const AttentionTask& task) const;

  /// Rows of a task: queries ascending, for each its heads. q, q_shared: [rows, row_words of their width].
  void pack_queries(const AttentionTask& task, uint32_t* q, uint32_t* q_shared) const;

  /// Lines of 64 bytes that will be read next.
  struct Lines {
    const void* data = nullptr;
    int64_t count = 0;
  };
  /// Of so many elements of keys or values.
  Lines lines(const void* data, int64_t elements) const;

  /// k or k_shared of a block (rows of `width`) as words: panels along the width, or rows. ahead: those of the block
  /// that comes after it. room: where they are packed, if they are.
  const uint32_t* keys_of(const void* data, int64_t stride, int64_t n_keys, int64_t width, bool as_rows, Lines ahead,
                          uint32_t* room) const;

  /// Operands of one head against a block.
  struct Panels {
    const uint32_t* keys;
    const uint32_t* values;
    int64_t value_words;
    int64_t key_rows = 0;  ///< keys, where they are rows
    Lying keys_lie = Lying::panels, values_lie = Lying::panels;
    int64_t value_row = 0;
    Lines next{};  ///< to ask for as the values are multiplied
  };
  Panels panels_of(const AttentionTask& task, int64_t head, const KeyBlock& block, int64_t n_keys, Lines ahead,
                   uint32_t* key_room, uint32_t* value_room) const;

 private:
  const char* at(const void* data, int64_t elements) const {
    return static_cast<const char*>(data) + static_cast<size_t>(elements) * dtype_bytes(args_.kv_dtype);
  }
  /// The cache holds pairs, the level multiplies floats.
  bool splits_pairs() const { return panels() && pack_.bf16() && !pack_.pairs(); }

  const AttentionArgs& args_;
  const Packer pack_;
  const bool shares_keys_, reads_latents_;  // the level can read them where they lie
  const int64_t columns_;
};

}  // namespace nuri::cpu
