#include "ops/attention_reference.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/x1.h"

namespace nuri::reference {
namespace {

template <class T>
constexpr T kMinusInfinity = -std::numeric_limits<T>::infinity();

template <class T>
T rounded(T x, Precision precision) {
  return precision == Precision::bf16 ? static_cast<T>(x1::round_bf16(x)) : x;
}

/// Element i of a key or value array as the products see it.
template <class T>
T element(const void* data, int64_t i, const AttentionArgs& args) {
  switch (args.kv_dtype) {
    case DType::f64:
      return static_cast<T>(static_cast<const double*>(data)[i]);
    case DType::bf16:
      return static_cast<T>(x1::from_bf16(static_cast<const Bf16*>(data)[i].bits));
    default:
      return rounded<T>(static_cast<T>(static_cast<const float*>(data)[i]), args.precision);
  }
}

/// Where element (row, column) of a PackedMatrix [k, n] lies, in elements of its type.
template <class E>
int64_t at_of_packed(int64_t k, int64_t row, int64_t column) {
  const int64_t panel = column / kPanelColumns, lane = column % kPanelColumns;
  if (sizeof(E) == 4) return (panel * k + row) * kPanelColumns + lane;
  const int64_t word = (panel * ((k + 1) / 2) + row / 2) * kPanelColumns + lane;
  return 2 * word + (row % 2 == 0 ? 1 : 0);  // the earlier element in the high half, little endian
}
int64_t at_of_packed(const AttentionArgs& args, int64_t k, int64_t row, int64_t column) {
  return args.kv_dtype == DType::bf16 ? at_of_packed<Bf16>(k, row, column) : at_of_packed<float>(k, row, column);
}

/// One query of one head: its score against the key at a position, and the values there.
template <class T>
struct Row {
  const AttentionArgs& args;
  const AttentionSequence& sequence;
  int64_t head;
  const T* q;  ///< [d_k + d_shared]

  const KeyBlock& block(int64_t position) const { return sequence.blocks[position / kKeyBlock]; }
  T key(int64_t position, int64_t i) const {
    const int64_t slot = position % kKeyBlock;
    if (args.layout == KeyLayout::panels) {
      if (i < args.d_k)
        return element<T>(block(position).k, head * args.k_head + at_of_packed(args, args.d_k, i, slot), args);
      return element<T>(block(position).k_shared, at_of_packed(args, args.d_shared, i - args.d_k, slot), args);
    }
    if (i < args.d_k) return element<T>(block(position).k, slot * args.k_row + head * args.k_head + i, args);
    return element<T>(block(position).k_shared, slot * args.shared_row + i - args.d_k, args);
  }
  T value(int64_t position, int64_t i) const {
    if (args.layout == KeyLayout::panels)
      return element<T>(block(position).v, head * args.v_head + at_of_packed(args, kKeyBlock, position % kKeyBlock, i),
                        args);
    return element<T>(block(position).v, position % kKeyBlock * args.v_row + head * args.v_head + i, args);
  }
  T score(int64_t position) const {
    T chain = 0;
    for (int64_t i = 0; i < args.d_k + args.d_shared; ++i)
      chain = x1::fma(rounded(q[i], args.precision), key(position, i), chain);
    return chain * static_cast<T>(args.scale);
  }
};

/// The softmax state of a row: of a segment (m, l, o) or of all finished segments (M, L, O).
template <class T>
struct State {
  T m = kMinusInfinity<T>, l = 0;
  std::vector<T> o;
};

template <class T>
T shrink(T m, T m_new) {
  return m == kMinusInfinity<T> ? T(0) : x1::exp(m - m_new);
}

/// Keys [begin, end), all in one block and visible.
template <class T>
void add_block(const Row<T>& row, int64_t begin, int64_t end, State<T>& state) {
  T s[kKeyBlock], p[kKeyBlock];
  const int64_t n = end - begin;
  T m = state.m;
  for (int64_t j = 0; j < n; ++j) m = std::max(m, s[j] = row.score(begin + j));
  for (int64_t j = 0; j < n; ++j) p[j] = x1::exp(s[j] - m);
  const T a = shrink(state.m, m);
  state.l = x1::fma(state.l, a, x1::row_sum<T>(n, [&](int64_t j) { return p[j]; }));
  for (int64_t i = 0; i < row.args.d_v; ++i) {
    T o = state.o[static_cast<size_t>(i)] * a;
    for (int64_t j = 0; j < n; ++j) o = x1::fma(rounded(p[j], row.args.precision), row.value(begin + j, i), o);
    state.o[static_cast<size_t>(i)] = o;
  }
  state.m = m;
}

template <class T>
void merge(const State<T>& segment, State<T>& all) {
  const T m = std::max(all.m, segment.m);
  const T a = shrink(all.m, m), c = x1::exp(segment.m - m);
  all.l = x1::fma(all.l, a, segment.l * c);
  for (size_t i = 0; i < all.o.size(); ++i) all.o[i] = x1::fma(all.o[i], a, segment.o[i] * c);
  all.m = m;
}

template <class T>
State<T> attend(const Row<T>& row, int64_t n_visible) {
  const std::vector<T> zeros(static_cast<size_t>(row.args.d_v), T(0));
  State<T> all{.o = zeros};
  for (int64_t segment = 0; segment < n_visible; segment += kSegmentBlocks * kKeyBlock) {
    State<T> state{.o = zeros};
    const int64_t end = std::min(n_visible, segment + kSegmentBlocks * kKeyBlock);
    for (int64_t block = segment; block < end; block += kKeyBlock)
      add_block(row, block, std::min(end, block + kKeyBlock), state);
    merge(state, all);
  }
  return all;
}

}  // namespace

template <class T>
void attention(const AttentionArgs& args, const AttentionArrays<T>& arrays) {
  for (const AttentionSequence& sequence : args.sequences) {
    for (int64_t i = 0; i < sequence.n_queries; ++i) {
      const int64_t token = sequence.first_row + i;
      for (int64_t head = 0; head < args.n_heads; ++head) {
        const Row<T> row{args, sequence, head, arrays.q + token * args.q_row + head * args.q_head};
        const State<T> all = attend(row, sequence.first_position + i + 1);
        T* out = arrays.out + token * args.out_row + head * args.out_head;
        for (int64_t e = 0; e < args.d_v; ++e) out[e] = all.o[static_cast<size_t>(e)] / all.l + T(0);
        if (arrays.lse) arrays.lse[token * args.n_heads + head] = all.m + x1::log(all.l);
        if (arrays.row_max) arrays.row_max[token * args.n_heads + head] = all.m + T(0);
      }
    }
  }
}

template <class T>
void attention_grad(const AttentionGradArgs& grad, const AttentionGradArrays<T>& arrays) {
  const AttentionArgs& args = grad.forward;
  const int64_t d_q = args.d_k + args.d_shared;
  auto round = [&](T x) { return rounded(x, args.precision); };
  for (const AttentionSequence& sequence : args.sequences) {
    for (int64_t i = 0; i < sequence.n_queries; ++i) {  // every chain starts at +0
      const int64_t token = sequence.first_row + i;
      for (int64_t head = 0; head < args.n_heads; ++head) {
        std::fill_n(arrays.dq + token * args.q_row + head * args.q_head, d_q, T(0));
        std::fill_n(arrays.dk + token * args.k_row + head * args.k_head, args.d_k, T(0));
        if (!grad.v_is_k) std::fill_n(arrays.dv + token * args.v_row + head * args.v_head, args.d_v, T(0));
      }
      if (args.d_shared) std::fill_n(arrays.dk_shared + token * args.shared_row, args.d_shared, T(0));
    }
    for (int64_t head = 0; head < args.n_heads; ++head) {
      for (int64_t i = 0; i < sequence.n_queries; ++i) {
        const int64_t token = sequence.first_row + i;
        const Row<T> row{args, sequence, head, arrays.forward.q + token * args.q_row + head * args.q_head};
        const int64_t at_out = token * args.out_row + head * args.out_head;
        const T* dout = arrays.dout + at_out;
        const T* out = arrays.forward.out + at_out;
        const T lse = arrays.forward.lse[token * args.n_heads + head];
        const T delta = x1::row_sum<T>(args.d_v, [&](int64_t e) { return dout[e] * out[e]; });
        T* dq = arrays.dq + token * args.q_row + head * args.q_head;
        for (int64_t j = 0; j <= i; ++j) {
          const T p = x1::exp(row.score(j) - lse);
          T dp = 0;
          for (int64_t e = 0; e < args.d_v; ++e) dp = x1::fma(round(dout[e]), row.value(j, e), dp);
          const T ds = (p * (dp - delta)) * static_cast<T>(args.scale);
          const int64_t key = sequence.first_row + j;
          T* dk = arrays.dk + key * args.k_row + head * args.k_head;
          T* dk_shared = args.d_shared ? arrays.dk_shared + key * args.shared_row : nullptr;
          T* dv = grad.v_is_k ? dk : arrays.dv + key * args.v_row + head * args.v_head;
          for (int64_t e = 0; e < d_q; ++e) {
            dq[e] = x1::fma(round(ds), row.key(j, e), dq[e]);
            T& into = e < args.d_k ? dk[e] : dk_shared[e - args.d_k];
            into = x1::fma(round(ds), round(row.q[e]), into);
          }
          for (int64_t e = 0; e < args.d_v; ++e) dv[e] = x1::fma(round(p), round(dout[e]), dv[e]);
        }
      }
    }
  }
}

template void attention<float>(const AttentionArgs&, const AttentionArrays<float>&);
template void attention<double>(const AttentionArgs&, const AttentionArrays<double>&);
template void attention_grad<float>(const AttentionGradArgs&, const AttentionGradArrays<float>&);
template void attention_grad<double>(const AttentionGradArgs&, const AttentionGradArrays<double>&);

void attention(const AttentionArgs& args) {
  attention<float>(args, {.q = args.q, .out = args.out, .lse = args.lse, .row_max = args.row_max});
}

void attention_grad(const AttentionGradArgs& args) {
  const AttentionArgs& f = args.forward;
  attention_grad<float>(args, {.forward = {.q = f.q, .out = f.out, .lse = f.lse},
                               .dout = args.dout,
                               .dq = args.dq,
                               .dk = args.dk,
                               .dk_shared = args.dk_shared,
                               .dv = args.dv});
}

}  // namespace nuri::reference
