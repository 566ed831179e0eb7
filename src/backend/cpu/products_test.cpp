// Every level's products equal a scalar chain of fma, bit for bit, whatever the shape, layout, precision and threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "backend/cpu/levels.h"
#include "backend/kernels.h"
#include "base/error.h"
#include "base/threads.h"

namespace nuri {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

uint32_t hash(uint64_t x) {
  x = (x + 0x9E3779B97F4A7C15u) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return static_cast<uint32_t>(x >> 32);
}

/// Mostly of order one with all mantissa bits; some zeros of both signs, subnormal, tiny and large ones.
float value(uint64_t index) {
  const uint32_t h = hash(index), kind = hash(index + 0x1234567) % 64;
  const float x = (static_cast<float>(h) / 4294967296.0f - 0.5f) * 4;
  switch (kind) {
    case 0:
      return 0.0f;
    case 1:
      return -0.0f;
    case 2:
      return std::ldexp(x, -127);  // subnormal or nearly
    case 3:
      return std::ldexp(x, -64);
    case 4:
      return std::ldexp(x, 40);
    default:
      return x;
  }
}

uint16_t to_bf16(float x) {  // rule 4 of the profile
  uint32_t u;
  std::memcpy(&u, &x, 4);
  if ((u & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FC0;
  if ((u & 0x7FFFFFFFu) < 0x00800000u) return static_cast<uint16_t>((u >> 16) & 0x8000u);
  return static_cast<uint16_t>((u + 0x7FFFu + ((u >> 16) & 1u)) >> 16);
}
float from_bf16(uint16_t h) {
  const uint32_t u = static_cast<uint32_t>(h) << 16;
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}

/// A [rows, columns] matrix as an Operand of any layout; all memory that is not an element holds NaN.
struct Matrix {
  std::vector<float> element;  // row-major, as the product must see it before rounding
  std::vector<float> f32;
  std::vector<Bf16> bf16;
  std::vector<int32_t> rows;
  Operand operand;

  Matrix(int64_t n_rows, int64_t n_columns, bool transposed, bool gathered, bool is_bf16, uint64_t seed) {
    const int64_t memory_rows = transposed ? n_columns : n_rows, memory_columns = transposed ? n_rows : n_columns;
    const int64_t stride = memory_columns + 3, stored = gathered ? 2 * memory_rows + 1 : memory_rows;
    f32.assign(static_cast<size_t>(stored * stride + 5), kNaN);
    for (int64_t r = 0; gathered && r < memory_rows; ++r)
      rows.push_back(static_cast<int32_t>(2 * ((r * 7 + 3) % memory_rows) + 1));
    element.resize(static_cast<size_t>(n_rows * n_columns));
    for (int64_t r = 0; r < memory_rows; ++r)
      for (int64_t c = 0; c < memory_columns; ++c) {
        const int64_t at = gathered ? rows[static_cast<size_t>(r)] : r;
        float x = value(seed * 1000003 + static_cast<uint64_t>(at * memory_columns + c));
        if (is_bf16) x = from_bf16(to_bf16(x));
        f32[static_cast<size_t>(at * stride + c)] = x;
        element[static_cast<size_t>(transposed ? c * n_columns + r : r * n_columns + c)] = x;
      }
    for (float x : f32) bf16.push_back({to_bf16(x)});
    operand = {.data = is_bf16 ? static_cast<const void*>(bf16.data()) : f32.data(),
               .dtype = is_bf16 ? DType::bf16 : DType::f32,
               .stride = stride,
               .transposed = transposed,
               .rows = gathered ? rows.data() : nullptr};
  }
};

struct Aligned {
  std::unique_ptr<void, void (*)(void*)> data;
  explicit Aligned(size_t bytes) : data(std::aligned_alloc(64, (bytes + 64) / 64 * 64), std::free) {
    std::memset(data.get(), 0xFF, (bytes + 64) / 64 * 64);  // NaN
  }
};

struct Case {
  int64_t m, n, k;
  Precision precision = Precision::bf16;
  bool a_transposed = false, a_gathered = false, a_bf16 = false;
  bool packed = true, b_transposed = true, b_gathered = false, b_bf16 = false;
  bool accumulate = false;
  int64_t packed_column = 0, packed_k = 0, columns_after = 0, k_after = 0;
  std::string text() const {
    return fmt::format("m {} n {} k {} {} a {}{}{} b {}{}{}{} accumulate {} offsets {} {} after {} {}", m, n, k,
                       precision_name(precision), a_transposed, a_gathered, a_bf16, packed, b_transposed, b_gathered,
                       b_bf16, accumulate, packed_column, packed_k, columns_after, k_after);
  }
};

/// Operands, C and expected C of one case.
struct Problem {
  Case shape;
  Matrix a, b;  // b holds all of the packed matrix
  Aligned panels;
  PackedMatrix packed;
  int64_t c_stride;
  std::vector<float> start, expected, c;

  Problem(const Case& s, uint64_t seed)
      : shape(s),
        a(s.m, s.k, s.a_transposed, s.a_gathered, s.a_bf16, seed),
        b(s.packed_k + s.k + s.k_after, s.packed_column + s.n + s.columns_after, s.b_transposed, s.b_gathered, s.b_bf16,
          seed + 1),
        panels(packed_bytes(s.precision, s.packed_k + s.k + s.k_after, s.packed_column + s.n + s.columns_after)),
        packed{.precision = s.precision,
               .k = s.packed_k + s.k + s.k_after,
               .n = s.packed_column + s.n + s.columns_after,
               .data = panels.data.get()},
        c_stride(s.n + 2) {
    start.assign(static_cast<size_t>(s.m * c_stride), 77.0f);
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < s.n; ++j)
        start[static_cast<size_t>(i * c_stride + j)] = s.accumulate ? value(seed + 5 + i * s.n + j) : kNaN;
    expected = start;
    const auto rounded = [&](float x) { return s.precision == Precision::bf16 ? from_bf16(to_bf16(x)) : x; };
    for (float& x : a.element) x = rounded(x);
    for (float& x : b.element) x = rounded(x);
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < s.n; ++j) {
        float sum = s.accumulate ? start[static_cast<size_t>(i * c_stride + j)] : 0.0f;
        for (int64_t k = 0; k < s.k; ++k)
          sum = std::fma(a.element[static_cast<size_t>(i * s.k + k)],
                         b.element[static_cast<size_t>((s.packed_k + k) * packed.n + s.packed_column + j)], sum);
        expected[static_cast<size_t>(i * c_stride + j)] = sum;
      }
  }

  ProductArgs args() {
    c = start;
    ProductArgs p;
    p.precision = shape.precision;
    p.m = shape.m, p.n = shape.n, p.k = shape.k;
    p.a = a.operand;
    if (shape.packed) {
      p.packed = &packed;
      p.packed_column = shape.packed_column;
      p.packed_k = shape.packed_k;
    } else {
      p.b = b.operand;
    }
    p.c = c.data();
    p.c_stride = c_stride;
    p.accumulate = shape.accumulate;
    return p;
  }

  void check(const std::string& how) const {
    for (size_t i = 0; i < c.size(); ++i) {
      uint32_t got, want;
      std::memcpy(&got, &c[i], 4);
      std::memcpy(&want, &expected[i], 4);
      if (got == want) continue;
      ADD_FAILURE() << how << ", " << shape.text() << ": row " << i / static_cast<size_t>(c_stride) << " column "
                    << i % static_cast<size_t>(c_stride) << " is " << c[i] << ", the chain gives " << expected[i];
      return;
    }
  }
};

/// Runs the problems as one batch, on all thread counts.
void run(std::vector<std::unique_ptr<Problem>>& problems) {
  for (auto& problem : problems) {
    const PackArgs pack{problem->b.operand, &problem->packed};
    if (problem->shape.packed) kernels().pack({&pack, 1});
  }
  for (int threads : {1, 2, 3, 5}) {
    set_thread_count(threads);
    std::vector<ProductArgs> args;
    for (auto& problem : problems) args.push_back(problem->args());
    kernels().products(args);
    for (auto& problem : problems)
      problem->check(fmt::format("{} threads, {}", threads, cpu::level_name(cpu::active_level())));
    if (::testing::Test::HasFailure()) return;
  }
}

class Products : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const auto level = static_cast<cpu::Level>(GetParam());
    if (!cpu::level_available(level)) GTEST_SKIP() << "this CPU does not have the level " << cpu::level_name(level);
    before_ = cpu::active_level();
    threads_ = thread_count();
    cpu::set_active_level(level);
  }
  void TearDown() override {
    if (threads_ == 0) return;
    cpu::set_active_level(before_);
    set_thread_count(threads_);
  }

 private:
  FlushSubnormals flush_;
  cpu::Level before_{};
  int threads_ = 0;
};

constexpr int64_t kSizes[] = {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 512, 513};

void run_one(const Case& shape, uint64_t seed) {
  std::vector<std::unique_ptr<Problem>> problems;
  problems.push_back(std::make_unique<Problem>(shape, seed));
  run(problems);
}

TEST_P(Products, SampledShapesAndLayouts) {
  int64_t work = 0;
  for (uint64_t sample = 0; work < 60'000'000; ++sample) {
    const auto draw = [&](uint64_t what, uint64_t n) { return hash(sample * 64 + what) % n; };
    Case s{.m = kSizes[draw(0, 17)], .n = kSizes[draw(1, 17)], .k = kSizes[draw(2, 17)]};
    if (s.m * s.n * s.k > 9'000'000) continue;
    s.precision = draw(3, 3) ? Precision::bf16 : Precision::f32;
    s.a_transposed = draw(4, 2), s.a_gathered = draw(5, 2), s.a_bf16 = draw(6, 3) == 0;
    s.packed = draw(7, 3) > 0, s.b_transposed = draw(8, 2), s.b_gathered = draw(9, 2), s.b_bf16 = draw(10, 3) == 0;
    s.accumulate = draw(11, 2);
    if (s.packed && draw(12, 2)) {
      s.packed_column = 16 * static_cast<int64_t>(draw(13, 3));
      s.packed_k = 2 * static_cast<int64_t>(draw(14, 9));
      s.columns_after = static_cast<int64_t>(draw(15, 20));
      s.k_after = static_cast<int64_t>(draw(16, 4));
    }
    work += s.m * s.n * s.k + 20000;
    run_one(s, sample);
    if (HasFailure()) return;
  }
}

TEST_P(Products, LargeAndLong) {
  for (Precision precision : {Precision::f32, Precision::bf16}) {
    const bool slow = cpu::active_level() == cpu::Level::portable;
    run_one({.m = slow ? 65 : 512, .n = 129, .k = 513, .precision = precision}, 1);
    run_one({.m = slow ? 5 : 33, .n = 513, .k = 1027, .precision = precision, .accumulate = true}, 2);
    run_one({.m = slow ? 17 : 129,
             .n = 64,
             .k = 2049,
             .precision = precision,
             .a_transposed = true,
             .packed = false,
             .b_transposed = false,
             .accumulate = true},
            3);
    if (HasFailure()) return;
  }
}

TEST_P(Products, RaggedBatchesWithEmptyItems) {
  for (Precision precision : {Precision::f32, Precision::bf16}) {
    std::vector<std::unique_ptr<Problem>> problems;
    uint64_t seed = 9;
    for (int64_t m : {0, 5, 1, 0, 65, 17, 0, 130, 2, 0})
      problems.push_back(std::make_unique<Problem>(
          Case{.m = m, .n = 48, .k = 33, .precision = precision, .a_gathered = m % 2 == 1, .packed = m != 17}, ++seed));
    problems.push_back(std::make_unique<Problem>(Case{.m = 7, .n = 0, .k = 3, .precision = precision}, ++seed));
    problems.push_back(std::make_unique<Problem>(Case{.m = 7, .n = 20, .k = 0, .precision = precision}, ++seed));
    problems.push_back(
        std::make_unique<Problem>(Case{.m = 7, .n = 20, .k = 0, .precision = precision, .accumulate = true}, ++seed));
    run(problems);
    kernels().products({});
  }
}

TEST_P(Products, TasksThatPackForThemselves) {  // experts' weight gradients, and rows longer than one part of k
  for (Precision precision : {Precision::f32, Precision::bf16}) {
    std::vector<std::unique_ptr<Problem>> problems;
    uint64_t seed = 40;
    for (int64_t k : {0, 1, 31, 33, 1201, 64, 17, 1300, 65, 96, 1025, 5, 127, 1201, 7, 1250})
      problems.push_back(std::make_unique<Problem>(Case{.m = 65,
                                                        .n = 31 + k % 2,
                                                        .k = k,
                                                        .precision = precision,
                                                        .a_transposed = true,
                                                        .packed = false,
                                                        .b_transposed = false,
                                                        .b_gathered = k % 3 == 1,
                                                        .accumulate = true},
                                                   ++seed));
    for (int64_t m : {9, 33, 57})
      problems.push_back(std::make_unique<Problem>(
          Case{.m = m, .n = 17, .k = 2501, .precision = precision, .a_transposed = m == 33, .a_gathered = m == 57},
          ++seed));
    run(problems);
    if (HasFailure()) return;
  }
}

TEST_P(Products, RowsDoNotDependOnTheirNumber) {
  for (Precision precision : {Precision::f32, Precision::bf16}) {
    Problem whole({.m = 70, .n = 80, .k = 131, .precision = precision, .a_transposed = false}, 21);
    const PackArgs pack{whole.b.operand, &whole.packed};
    kernels().pack({&pack, 1});
    ProductArgs args = whole.args();
    kernels().products({&args, 1});
    const std::vector<float> all = whole.c;
    for (int64_t m = 1; m <= 35; ++m) {
      ProductArgs few = whole.args();
      few.m = m;
      kernels().products({&few, 1});
      ASSERT_EQ(std::memcmp(all.data(), whole.c.data(), static_cast<size_t>(m * whole.c_stride) * 4), 0) << m;
    }
  }
}

TEST_P(Products, PackedBytesAreTheDocumentedOnes) {
  for (bool transposed : {false, true})
    for (bool gathered : {false, true})
      for (Precision precision : {Precision::f32, Precision::bf16}) {
        const bool bf16 = precision == Precision::bf16;
        const int64_t k = 37, n = 35, depth = bf16 ? 19 : 37;
        Problem p({.m = 1, .n = n, .k = k, .precision = precision, .b_transposed = transposed, .b_gathered = gathered},
                  4);
        const PackArgs pack{p.b.operand, &p.packed};
        kernels().pack({&pack, 1});
        const auto* words = static_cast<const uint32_t*>(p.packed.data);
        const auto bits = [&](int64_t row, int64_t column) -> uint32_t {
          if (column >= n) return 0;
          const float x = p.b.element[static_cast<size_t>(row * n + column)];  // already rounded
          uint32_t u;
          std::memcpy(&u, &x, 4);
          return u;
        };
        for (int64_t column = 0; column < 48; ++column)
          for (int64_t w = 0; w < depth; ++w) {
            uint32_t want = bits(bf16 ? 2 * w : w, column);
            if (bf16) want |= 2 * w + 1 < k ? bits(2 * w + 1, column) >> 16 : 0x8000u;
            ASSERT_EQ(words[(column / 16 * depth + w) * 16 + column % 16], want) << column << " " << w;
          }
        const auto* end = words + packed_bytes(precision, k, n) / 4;
        ASSERT_EQ(*end, 0xFFFFFFFFu) << "written past the end";
      }
}

INSTANTIATE_TEST_SUITE_P(Levels, Products, ::testing::Range(0, cpu::kLevels), [](const auto& info) {
  return std::string(cpu::level_name(static_cast<cpu::Level>(info.param)));
});

}  // namespace
}  // namespace nuri
