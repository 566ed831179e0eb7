// The entries of the selftest, by group, and their inputs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/kernels.h"
#include "backend/selftest.h"
#include "base/philox.h"
#include "base/x1.h"

namespace nuri::selftest {

struct Entry {
  std::string_view name;
  bool (*run)(BitHash& hash);  ///< false: the chip has no such kernel
};

std::span<const Entry> function_entries();   // selftest_functions.cpp
std::span<const Entry> product_entries();    // selftest_products.cpp
std::span<const Entry> attention_entries();  // selftest_attention.cpp
std::span<const Entry> row_entries();        // selftest_rows.cpp

/// n numbers uniform in [-scale, scale), on a grid of 2^-23 scale; `stream` tells arrays apart.
inline std::vector<float> numbers(int64_t n, uint64_t stream, float scale = 1) {
  const Philox random(2024, Purpose::test, stream);
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = (random.uniform(i) * 2 - 1) * scale;
  return x;
}
inline std::vector<uint16_t> rounded(const std::vector<float>& x) {
  std::vector<uint16_t> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x1::to_bf16(x[i]);
  return y;
}
/// n integers in [0, below).
inline std::vector<int32_t> integers(int64_t n, uint64_t stream, int64_t below) {
  const Philox random(2024, Purpose::test, stream);
  std::vector<int32_t> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int32_t>(random.below(static_cast<uint64_t>(below), i));
  return x;
}
/// An array to be written.
inline std::vector<float> room(int64_t n) { return std::vector<float>(static_cast<size_t>(n)); }

}  // namespace nuri::selftest
