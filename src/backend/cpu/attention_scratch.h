// Memory and packing shared by the drivers of attention.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "backend/cpu/attention_kernels.h"
#include "backend/cpu/levels.h"
#include "backend/kernels.h"

namespace nuri::cpu {

/// Scratch of one call, given back (into the cache of tensor/memory.h) at its end. Sizes follow the lengths of the
/// sequences; small ones are rounded up to a power of two, so that the cache keeps blocks of few sizes.
class Scratch {
 public:
  explicit Scratch(size_t bytes)
      : bytes_(bytes > 0 && bytes < (size_t(1) << 21) ? std::bit_ceil(bytes) : bytes),
        data_(static_cast<char*>(allocate(bytes_, Owner::scratch))) {}
  ~Scratch() { release(data_, bytes_, Owner::scratch); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  char* data() const { return data_; }

 private:
  size_t bytes_;
  char* data_;
};

/// Cuts arrays out of scratch, each on a cache line. Without memory it counts the bytes: sizing and cutting are one
/// list.
class Cutter {
 public:
  explicit Cutter(char* data = nullptr) : data_(data) {}
  template <class T>
  void take(T*& array, int64_t n) {
    array = data_ ? reinterpret_cast<T*>(data_ + used_) : nullptr;
    used_ += (static_cast<size_t>(n) * sizeof(T) + 63) / 64 * 64;
  }
  size_t used() const { return used_; }

 private:
  char* data_;
  size_t used_ = 0;
};

constexpr int64_t round_up_16(int64_t n) { return (n + 15) / 16 * 16; }

const AttentionKernels& attention_level();

/// Packing of one call's arrays into the words of its precision and level.
class Packer {
 public:
  explicit Packer(Precision precision) : bf16_(precision == Precision::bf16), kernels_(attention_level()) {}
  bool bf16() const { return bf16_; }
  bool pairs() const { return bf16_ && kernels_.pairs; }
  /// Words along k of k elements.
  int64_t depth(int64_t k) const { return pairs() ? (k + 1) / 2 : k; }
  /// Words between rows of A with k elements.
  int64_t row_words(int64_t k) const { return round_up_16(depth(k)); }

  /// Rows of A: [rows, stride] words, stride >= row_words(columns).
  void rows(const PackMatrix& m, uint32_t* out, int64_t stride) const { kernels_.pack_rows(bf16_, m, out, stride); }
  /// B with the matrix's rows as its columns (scores): round_up_16(rows) * depth(columns) words.
  void turned(const PackMatrix& m, uint32_t* out) const { kernels_.pack_turned(bf16_, m, out); }
  /// B with the matrix's columns as its columns: round_up_16(columns) * depth(rows) words.
  void straight(const PackMatrix& m, uint32_t* out) const { kernels_.pack_straight(bf16_, m, out); }
  /// A PackedMatrix of BF16 as panels of this level's words, where those are not pairs.
  void split(const uint32_t* panels, int64_t n_panels, int64_t depth, uint32_t* out) const {
    kernels_.split_pairs(panels, n_panels, depth, out);
  }
  /// straight() of floats that are words already.
  void straight_words(const PackMatrix& m, uint32_t* out) const { kernels_.pack_straight(false, m, out); }

 private:
  bool bf16_;
  const AttentionKernels& kernels_;
};

}  // namespace nuri::cpu
