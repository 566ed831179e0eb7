// The kernels of attention equal the definition in every bit: all levels, precisions, threads, lengths around blocks
// and segments; chunks, page order, neighbours and poisoned memory never show.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/x1.h"
#include "ops/attention.h"
#include "ops/attention_case.h"
#include "ops/key_cache.h"
#include "ops/op_test_support.h"

namespace nuri {
namespace {

using test::AttentionCase;
using test::AttentionShape;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class... Vectors>
std::vector<float> joined(const Vectors&... parts) {
  std::vector<float> all;
  (all.insert(all.end(), parts.begin(), parts.end()), ...);
  return all;
}

/// The definition's results once, then the kernels' on every level and number of threads.
void expect_same(AttentionCase<float>& definition, AttentionCase<float>& found) {
  definition.reference_forward();
  definition.reference_backward();
  test::expect_same_bits("attention", [&](bool reference) {
    if (reference) return joined(definition.out, definition.lse, definition.row_max);
    attention_paged(found.args().forward);
    return joined(found.out, found.lse, found.row_max);
  });
  test::expect_same_bits("attention_grad", [&](bool reference) {
    if (reference) return joined(definition.dq, definition.dkv, definition.dk_shared);
    found.dq.assign(found.dq.size(), kNan);
    found.dkv.assign(found.dkv.size(), kNan);
    found.dk_shared.assign(found.dk_shared.size(), kNan);
    kernels().attention_grad(found.args());
    return joined(found.dq, found.dkv, found.dk_shared);
  });
}

void expect_kernels_equal_definition(const AttentionShape& shape) {
  AttentionCase<float> definition(shape), found(shape);
  expect_same(definition, found);
}

TEST(AttentionBits, KernelsAreThere) {
  EXPECT_NE(kernels().attention, nullptr);
  EXPECT_NE(kernels().attention_grad, nullptr);
}

class AttentionBits : public testing::TestWithParam<Precision> {};
INSTANTIATE_TEST_SUITE_P(Precisions, AttentionBits, testing::Values(Precision::f32, Precision::bf16),
                         [](const auto& info) { return std::string(precision_name(info.param)); });

TEST_P(AttentionBits, RaggedListsAroundABlock) {
  const std::vector<int64_t> lengths = {1, 2, 7, 63, 64, 65, 127, 128, 129};
  // Odd widths leave halves of pairs and parts of panels; then the widths of a small model.
  expect_kernels_equal_definition(
      {.precision = GetParam(), .n_heads = 3, .d_k = 7, .d_shared = 5, .d_v = 17, .lengths = lengths});
  expect_kernels_equal_definition(
      {.precision = GetParam(), .n_heads = 2, .d_k = 32, .d_shared = 16, .d_v = 32, .lengths = {1, 7, 64, 129}});
}

TEST_P(AttentionBits, WithoutASharedKey) {
  expect_kernels_equal_definition(
      {.precision = GetParam(), .n_heads = 2, .d_k = 16, .d_shared = 0, .d_v = 65, .lengths = {1, 66}});
}

TEST_P(AttentionBits, AbsorbedForm) {
  const std::vector<int64_t> lengths = {1, 2, 7, 63, 64, 65, 127, 129};
  expect_kernels_equal_definition({.precision = GetParam(),
                                   .absorbed = true,
                                   .n_heads = 3,
                                   .d_k = 24,
                                   .d_shared = 6,
                                   .d_v = 24,
                                   .lengths = lengths});
  // The value is a part of the key; widths and heads odd.
  expect_kernels_equal_definition({.precision = GetParam(),
                                   .absorbed = true,
                                   .n_heads = 5,
                                   .d_k = 19,
                                   .d_shared = 3,
                                   .d_v = 9,
                                   .lengths = {1, 65, 130}});
}

TEST_P(AttentionBits, AroundASegment) {
  expect_kernels_equal_definition(
      {.precision = GetParam(), .n_heads = 1, .d_k = 4, .d_shared = 2, .d_v = 4, .lengths = {1023, 1024, 1025}});
  expect_kernels_equal_definition({.precision = GetParam(),
                                   .absorbed = true,
                                   .n_heads = 2,
                                   .d_k = 5,
                                   .d_shared = 2,
                                   .d_v = 5,
                                   .lengths = {3, 1090}});
}

TEST_P(AttentionBits, SignedZerosAndVanishingProducts) {
  constexpr float kValues[] = {0.0f, -0.0f, 1.5f, -2.25f, 1e-20f, -1e-20f, 3e-30f, -3e-30f, 1e-38f, -1.2e-38f, 40.0f};
  for (const bool absorbed : {false, true}) {
    const AttentionShape shape{.precision = GetParam(),
                               .absorbed = absorbed,
                               .n_heads = 3,
                               .d_k = 9,
                               .d_shared = 3,
                               .d_v = 7,
                               .lengths = {1, 67, 130}};
    AttentionCase<float> definition(shape), found(shape);
    uint64_t stream = 10;
    for (auto array : {&AttentionCase<float>::q, &AttentionCase<float>::kv, &AttentionCase<float>::k_shared,
                       &AttentionCase<float>::dout}) {
      const Philox random(3, Purpose::test, ++stream);
      std::vector<float>& x = definition.*array;
      for (size_t i = 0; i < x.size(); ++i) x[i] = kValues[random.below(std::size(kValues), i)];
      found.*array = x;
    }
    expect_same(definition, found);
  }
}

// ------------------------------------------------------------------------------------------------- paged, in chunks

/// Keys and values of one sequence in pages of a cache, in any order; slots that hold no token are poisoned.
class Pages {
 public:
  Pages(const AttentionCase<float>& c, DType dtype, int64_t first_row, int64_t length, uint64_t seed)
      : page_(c.shape.absorbed
                  ? latent_key_page(dtype, c.shape.d_k, c.shape.d_shared)
                  : expanded_key_page(dtype, c.shape.n_heads, c.shape.d_k, c.shape.d_shared, c.shape.d_v)) {
    const int64_t n = (length + kKeyBlock - 1) / kKeyBlock;
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    const Philox random(seed, Purpose::test);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
    const size_t page_bytes = (static_cast<size_t>(page_.elements) * dtype_bytes(dtype) + 63) / 64 * 64;
    memory_ = Tensor::empty({n * static_cast<int64_t>(page_bytes)}, DType::u8);
    std::byte* memory = reinterpret_cast<std::byte*>(memory_.raw());
    std::memset(memory, 0xFF, memory_.bytes());  // a NaN in both types
    std::vector<KeyRun> runs;
    for (int64_t page = 0; page < n; ++page) {
      std::byte* at = memory + static_cast<size_t>(order[static_cast<size_t>(page)]) * page_bytes;
      blocks_.push_back(page_.block(at));
      // A page filled by two calls, as prompts and decoded tokens fill it.
      const int64_t count = std::min(kKeyBlock, length - page * kKeyBlock), first = count / 3;
      runs.push_back({page * kKeyBlock, first, 0, at});
      runs.push_back({page * kKeyBlock + first, count - first, first, at});
    }
    store_keys(page_, rows(c.kv, c.shape.kv_row(), first_row, length),
               rows(c.k_shared, c.shape.d_shared, first_row, length), runs);
  }

  const KeyBlock* blocks() const { return blocks_.data(); }
  /// args over these pages.
  AttentionArgs over(AttentionArgs args) const {
    page_.describe(args);
    return args;
  }

 private:
  static Tensor rows(const std::vector<float>& x, int64_t width, int64_t first, int64_t count) {
    Tensor t = Tensor::empty({count, width});
    std::copy_n(x.begin() + first * width, count * width, t.data<float>());
    return t;
  }
  KeyPage page_;
  Tensor memory_;
  std::vector<KeyBlock> blocks_;
};

/// All sequences in chunks of the given sizes (the last takes the rest), all sequences' n-th chunks in one call.
void run_in_chunks(AttentionCase<float>& c, const std::vector<int64_t>& chunks, uint64_t seed, bool reference = false) {
  const DType dtype = c.shape.precision == Precision::bf16 ? DType::bf16 : DType::f32;
  std::vector<Pages> pages;
  int64_t row = 0;
  std::vector<int64_t> first_rows;
  pages.reserve(c.shape.lengths.size());
  for (int64_t length : c.shape.lengths) {
    pages.emplace_back(c, dtype, row, length, seed + static_cast<uint64_t>(row));
    first_rows.push_back(row);
    row += length;
  }
  const AttentionArgs whole = pages[0].over(c.args().forward);
  std::vector<int64_t> position(pages.size(), 0);
  for (size_t n = 0;; ++n) {
    std::vector<AttentionSequence> sequences;
    for (size_t s = 0; s < pages.size(); ++s) {
      const int64_t left = c.shape.lengths[s] - position[s];
      const int64_t size =
          n + 1 < chunks.size() || chunks.size() == 1 ? std::min(chunks[n % chunks.size()], left) : left;
      if (size == 0) continue;
      sequences.push_back({.first_row = first_rows[s] + position[s],
                           .n_queries = size,
                           .first_position = position[s],
                           .blocks = pages[s].blocks()});
      position[s] += size;
    }
    if (sequences.empty()) break;
    AttentionArgs args = whole;
    args.sequences = sequences;
    if (reference)
      reference::attention(args);
    else
      attention_paged(args);
  }
}

TEST_P(AttentionBits, ChunksAndPagesDoNotShow) {
  for (const bool absorbed : {false, true}) {
    AttentionShape shape{.precision = GetParam(),
                         .absorbed = absorbed,
                         .n_heads = absorbed ? 2 : 1,
                         .d_k = 4,
                         .d_shared = 2,
                         .d_v = 4,
                         .lengths = {1100, 65, 1}};
    AttentionCase<float> definition(shape), found(shape);
    definition.reference_forward();
    const auto expected = joined(definition.out, definition.lse, definition.row_max);
    for (const std::vector<int64_t>& chunks :
         std::vector<std::vector<int64_t>>{{1000000}, {1, 7, 64, 1}, {63, 65, 1}, {64}, {100}, {1000, 1}}) {
      test::expect_same_bits("chunks", [&](bool reference) {
        if (reference) return expected;
        found.out.assign(found.out.size(), kNan);
        run_in_chunks(found, chunks, 7);
        return joined(found.out, found.lse, found.row_max);
      });
    }
  }
}

TEST_P(AttentionBits, DefinitionReadsPages) {
  for (const bool absorbed : {false, true}) {
    AttentionCase<float> rows({.precision = GetParam(),
                               .absorbed = absorbed,
                               .n_heads = 3,
                               .d_k = 7,
                               .d_shared = 5,
                               .d_v = absorbed ? 7 : 17,
                               .lengths = {129, 2}});
    AttentionCase<float> pages(rows.shape);
    rows.reference_forward();
    run_in_chunks(pages, {1000}, 3, true);
    EXPECT_EQ(rows.out, pages.out);
    EXPECT_EQ(rows.lse, pages.lse);
  }
}

// A single query, of one head or of several at a time: widths around the vectors and panels of every level.
TEST_P(AttentionBits, OneQueryAtATime) {
  for (const int64_t d_v : {1, 8, 16, 33, 64, 100, 130}) {
    AttentionCase<float> definition(
        {.precision = GetParam(), .n_heads = 3, .d_k = d_v % 7 + 19, .d_shared = 4, .d_v = d_v, .lengths = {140, 3}});
    AttentionCase<float> found(definition.shape);
    definition.reference_forward();
    test::expect_same_bits("one query of width " + std::to_string(d_v), [&](bool reference) {
      if (reference) return joined(definition.out, definition.lse, definition.row_max);
      found.out.assign(found.out.size(), kNan);
      run_in_chunks(found, {1}, 7);
      return joined(found.out, found.lse, found.row_max);
    });
  }
}

// Heads that share latents: few of them read keys where they lie or turn them, many meet keys in rows; narrow keys and
// wide ones are asked for at different times.
TEST_P(AttentionBits, OneQueryOfHeadsThatShareKeys) {
  struct Shape {
    int64_t n_heads, d_k, d_shared, d_v, longest = 75;
  };
  for (const auto& [n_heads, d_k, d_shared, d_v, longest] : {Shape{1, 16, 16, 16},
                                                             {1, 64, 8, 64},
                                                             {2, 96, 0, 96},
                                                             {3, 72, 24, 64},
                                                             {3, 40, 24, 32},
                                                             {4, 64, 16, 64, 140},
                                                             {5, 64, 16, 32},
                                                             {6, 128, 32, 128},
                                                             {7, 32, 8, 32},
                                                             {8, 160, 16, 160},
                                                             {8, 20, 16, 20},
                                                             {4, 64, 12, 64},
                                                             {9, 33, 16, 33},
                                                             {16, 128, 16, 128, 140},
                                                             {16, 144, 16, 144},
                                                             {17, 129, 16, 129},
                                                             {33, 16, 16, 16}}) {
    AttentionCase<float> definition({.precision = GetParam(),
                                     .absorbed = true,
                                     .n_heads = n_heads,
                                     .d_k = d_k,
                                     .d_shared = d_shared,
                                     .d_v = d_v,
                                     .lengths = {longest, 3, 64}});
    AttentionCase<float> found(definition.shape);
    definition.reference_forward();
    test::expect_same_bits(fmt::format("{} heads, latents of {}", n_heads, d_k), [&](bool reference) {
      if (reference) return joined(definition.out, definition.lse, definition.row_max);
      found.out.assign(found.out.size(), kNan);
      run_in_chunks(found, {1}, 7);
      return joined(found.out, found.lse, found.row_max);
    });
  }
}

// Segments are tasks of their own where there are threads, and are merged after them.
TEST_P(AttentionBits, DecodeOfALongContextIsShared) {
  const DType dtype = GetParam() == Precision::bf16 ? DType::bf16 : DType::f32;
  for (const AttentionShape& shape :
       {AttentionShape{.precision = GetParam(), .n_heads = 1, .d_k = 4, .d_shared = 2, .d_v = 4, .lengths = {2600}},
        AttentionShape{.precision = GetParam(),
        .absorbed = true,
        .n_heads = 4,
        .d_k = 32,
        .d_shared = 8,
        .d_v = 32,
        .lengths = {2060}}}) {
    AttentionCase<float> definition(shape), found(shape);
    const int64_t length = shape.lengths[0], from = length - 20, width = shape.n_heads * shape.d_v;
    const Pages pages(found, dtype, 0, length, 3);
    test::expect_same_bits("decode", [&](bool reference) {
      AttentionCase<float>& c = reference ? definition : found;
      AttentionArgs args = pages.over(c.args().forward);
      for (int64_t i = from; i < length; ++i) {  // one token at a time
        const AttentionSequence one{.first_row = i, .n_queries = 1, .first_position = i, .blocks = pages.blocks()};
        args.sequences = std::span(&one, 1);
        reference ? reference::attention(args) : attention_paged(args);
      }
      return joined(std::vector<float>(c.out.begin() + from * width, c.out.end()),
                    std::vector<float>(c.lse.begin() + from * shape.n_heads, c.lse.end()));
    });
  }
}

// --------------------------------------------------------------------------------------------------- poisoned memory

/// Rows of x: [tokens, width].
std::vector<float> part(const std::vector<float>& x, int64_t width, int64_t begin, int64_t end) {
  return {x.begin() + begin * width, x.begin() + end * width};
}

TEST_P(AttentionBits, NothingUnseenReachesARow) {
  for (const bool absorbed : {false, true}) {
    const AttentionShape shape{.precision = GetParam(),
                               .absorbed = absorbed,
                               .n_heads = 2,
                               .d_k = 7,
                               .d_shared = 3,
                               .d_v = 7,
                               .lengths = {70, 150, 65}};
    AttentionCase<float> clean(shape), poisoned(shape);
    clean.reference_forward();
    clean.reference_backward();
    // All of the first and third sequence, and in the second all tokens from position 101 on.
    const int64_t begin = 70, end = 70 + 101, n = shape.n_tokens();
    auto poison = [&](std::vector<float>& x, int64_t width) {
      std::fill(x.begin(), x.begin() + begin * width, kNan);
      std::fill(x.begin() + end * width, x.begin() + n * width, kNan);
    };
    const int64_t q = shape.n_heads * shape.d_q(), out = shape.n_heads * shape.d_v;
    poison(poisoned.q, q);
    poison(poisoned.kv, shape.kv_row());
    poison(poisoned.k_shared, shape.d_shared);
    poison(poisoned.dout, out);
    test::expect_same_bits("rows before poison", [&](bool reference) {
      if (!reference) {
        attention_paged(poisoned.args().forward);
        kernels().attention_grad(poisoned.args());
      }
      const AttentionCase<float>& c = reference ? clean : poisoned;
      return joined(part(c.out, out, begin, end), part(c.lse, shape.n_heads, begin, end), part(c.dq, q, begin, end));
    });
    // A query reaches the gradients of the keys it sees only: those after it stay clean.
    AttentionCase<float> bad_queries(shape);
    for (int64_t row = begin; row < begin + 67; ++row) {
      std::fill_n(bad_queries.q.begin() + row * q, q, kNan);
      std::fill_n(bad_queries.dout.begin() + row * out, out, kNan);
    }
    test::expect_same_bits("keys after poison", [&](bool reference) {
      if (!reference) {
        attention_paged(bad_queries.args().forward);
        kernels().attention_grad(bad_queries.args());
      }
      const AttentionCase<float>& c = reference ? clean : bad_queries;
      return joined(part(c.dkv, shape.kv_row(), begin + 67, begin + 150),
                    part(c.dk_shared, shape.d_shared, begin + 67, begin + 150), part(c.dkv, shape.kv_row(), 0, begin),
                    part(c.dq, q, begin + 67, begin + 150));
    });
  }
}

TEST_P(AttentionBits, NanOfARowIsNotLost) {
  AttentionCase<float> c({.precision = GetParam(), .n_heads = 1, .d_k = 4, .d_shared = 2, .d_v = 4, .lengths = {70}});
  c.q[66 * 6] = std::bit_cast<float>(0x7FFFFFFFu);
  attention_paged(c.args().forward);
  EXPECT_TRUE(std::isnan(c.out[66 * 4]));
  EXPECT_TRUE(std::isnan(c.lse[66]));
  EXPECT_FALSE(std::isnan(c.lse[65]));
  EXPECT_FALSE(std::isnan(c.lse[67]));
}

}  // namespace
}  // namespace nuri
