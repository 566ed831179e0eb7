// The chip contract: argument structs of every kernel, and the table of functions a chip may implement. Pointers in the
// arguments are memory of the chip. Structs are plain; axes are documented here and checked by the ops that fill them
// in.
//
// All arithmetic is profile x1 (ARCHITECTURE.md, "Arithmetic"). The float instantiation of the reference beside each op
// is the definition that every kernel equals to the bit. "chain" means c = fma(a_i, b_i, c) for i ascending.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "backend/work.h"
#include "tensor/dtype.h"
#include "tensor/memory.h"

namespace nuri {

/// How a product treats its inputs: f32 as they are; bf16 rounds each input once to BF16 (nearest even) where it is not
/// BF16 already. Results and accumulators are FP32 in both.
enum class Precision : uint8_t { f32, bf16 };
constexpr std::string_view precision_name(Precision p) { return p == Precision::f32 ? "f32" : "bf16"; }

// ------------------------------------------------------------------------------------------------------------ products

/// A matrix in row-major memory, f32 or bf16. Memory row r is data + (rows ? rows[r] : r) * stride elements.
/// As a [R, C] operand: element (r, c) is memory row r, column c; transposed: memory row c, column r.
struct Operand {
  const void* data = nullptr;
  DType dtype = DType::f32;
  int64_t stride = 0;  ///< elements between memory rows
  bool transposed = false;
  const int32_t* rows = nullptr;  ///< gather of memory rows; null: all in order
};

/// B [k, n] repacked for products: panels of 16 columns, panel after panel; in a panel, BF16: for each pair of k,
/// 16 words of 32 bits with element 2p in the high half and 2p+1 in the low half (the order in which VDPBF16PS adds
/// them); FP32: for each k, 16 floats. Columns past n are zero; an odd k is padded with -0.
struct PackedMatrix {
  Precision precision = Precision::f32;
  int64_t k = 0, n = 0;
  void* data = nullptr;  ///< packed_bytes(precision, k, n) bytes, 64-byte aligned
};
inline constexpr int64_t kPanelColumns = 16;
constexpr size_t packed_bytes(Precision precision, int64_t k, int64_t n) {
  const int64_t panels = (n + kPanelColumns - 1) / kPanelColumns;
  const int64_t depth = precision == Precision::bf16 ? (k + 1) / 2 : k;
  return static_cast<size_t>(panels * depth * kPanelColumns) * 4;
}

struct PackArgs {
  Operand source;        ///< as B [k, n]; a stored weight W [out, in] for y = x W^T is transposed
  PackedMatrix* packed;  ///< sizes and data set by the caller
};

/// C [m, n] (+)= A [m, k] B [k, n]; each element one chain over k ascending from +0, or from the value in C.
struct ProductArgs {
  Precision precision = Precision::f32;
  int64_t m = 0, n = 0, k = 0;
  Operand a;
  const PackedMatrix* packed = nullptr;     ///< B, packed; else b
  int64_t packed_column = 0, packed_k = 0;  ///< B is columns/rows from here on of `packed`: multiples of 16 / 2
  Operand b;
  float* c = nullptr;
  int64_t c_stride = 0;
  bool accumulate = false;
};

// ----------------------------------------------------------------------------------------------------------- attention

inline constexpr int64_t kKeyBlock = 64;       ///< keys in a block (and tokens in a page)
inline constexpr int64_t kSegmentBlocks = 16;  ///< blocks in a segment

/// How the keys and values of a block lie in memory.
enum class KeyLayout : uint8_t {
  rows,    ///< key after key, by the strides of AttentionArgs: a training batch, a cache of latents
  panels,  ///< as products read them: of each head k is a PackedMatrix [d_k, 64], v one [64, d_v]; k_shared like k.
           ///< BF16 in BF16 precision, FP32 in FP32; what belongs to keys past the last one may be anything
};

/// Keys and values of 64 consecutive positions of a sequence; the last block may hold fewer.
struct KeyBlock {
  const void* k = nullptr;         ///< rows: [64, heads or 1, d_k]
  const void* k_shared = nullptr;  ///< rows: [64, d_shared], one for all heads
  const void* v = nullptr;         ///< rows: [64, heads or 1, d_v]; may be k itself (absorbed MLA)
};

struct AttentionSequence {
  int64_t first_row = 0;  ///< of q, out, lse
  int64_t n_queries = 0;
  int64_t first_position = 0;        ///< position of the first query = number of keys before it
  const KeyBlock* blocks = nullptr;  ///< ceil((first_position + n_queries) / 64) entries, aligned to position 0
};

/// Query i at position p sees keys 0..p of its own sequence. Definition: ARCHITECTURE.md, "Attention".
struct AttentionArgs {
  Precision precision = Precision::f32;
  int64_t n_heads = 0, d_k = 0, d_shared = 0, d_v = 0;  ///< the query head is [d_k | d_shared] wide
  float scale = 1;
  DType kv_dtype = DType::f32;  ///< of k, k_shared, v; f32 values are rounded here in bf16 precision
  KeyLayout layout = KeyLayout::rows;
  int64_t k_row = 0, k_head = 0;  ///< element strides (rows: both, panels: of heads); k_head 0: one key for all heads
  int64_t shared_row = 0;
  int64_t v_row = 0, v_head = 0;
  const float* q = nullptr;  ///< [tokens, n_heads, d_k + d_shared]
  int64_t q_row = 0, q_head = 0;
  std::span<const AttentionSequence> sequences;
  float* out = nullptr;  ///< [tokens, n_heads, d_v]
  int64_t out_row = 0, out_head = 0;
  float* lse = nullptr;      ///< [tokens, n_heads]; null: not wanted
  float* row_max = nullptr;  ///< [tokens, n_heads] largest visible score; null: not wanted
};

/// Gradients of all of q, k, k_shared, v for sequences that start at position 0 (training). Written, not accumulated.
/// dk, dk_shared, dv have the strides of k, k_shared, v and the rows of the same tokens: the gradient of the key at
/// position p of sequence s lies at row first_row(s) + p. With v_is_k the value is the first d_v of the key, and dk
/// receives both parts (for each query: key part, then value part).
struct AttentionGradArgs {
  AttentionArgs forward;  ///< as in the forward; out and lse are read; kv_dtype f32
  bool v_is_k = false;
  const float* dout = nullptr;  ///< [tokens, n_heads, d_v], strides as out
  float* dq = nullptr;          ///< strides as q
  float* dk = nullptr;
  float* dk_shared = nullptr;
  float* dv = nullptr;  ///< null with v_is_k
};

// ---------------------------------------------------------------------------------------------------------------- rows

/// y[t,i] = (x[t,i] * r[t]) * g[i];  r[t] = 1 / sqrt(row_sum(x^2) / d + eps). Results that feed products of BF16
/// precision alone are written rounded, as those would round them. With an addend x + addend takes the place of x, so
/// that the residual stream goes through memory once.
struct RmsNormArgs {
  int64_t n_tokens = 0, d = 0;
  const float* x = nullptr;
  int64_t x_stride = 0;
  const void* g = nullptr;  ///< [d]
  DType g_dtype = DType::f32;
  float eps = 0;
  float* y = nullptr;  ///< [n_tokens, d]; may be null
  int64_t y_stride = 0;
  float* r = nullptr;             ///< [n_tokens], kept for backward; may be null
  Bf16* y_rounded = nullptr;      ///< [n_tokens, d] BF16 of y; may be null
  const float* addend = nullptr;  ///< [n_tokens, d]; null: none
  float* sum = nullptr;           ///< [n_tokens, d] x + addend, where there is one
};

/// dx[t,i] = r (g dy - x r^2 / d * row_sum_j(g_j dy_j x_j));  dg[i] += chain over t of dy[t,i] * (x[t,i] r[t]).
struct RmsNormGradArgs {
  int64_t n_tokens = 0, d = 0;
  const float* x = nullptr;
  int64_t x_stride = 0;
  const void* g = nullptr;
  DType g_dtype = DType::f32;
  const float* r = nullptr;
  const float* dy = nullptr;
  int64_t dy_stride = 0;
  float* dx = nullptr;
  int64_t dx_stride = 0;
  bool dx_accumulate = false;  ///< dx = dx + (...)
  float* dg = nullptr;         ///< [d], accumulated; null: frozen
};

/// Rotates `dim` consecutive elements of each head by the angles of its position; in place when x == y.
/// interleaved: pairs (2j, 2j+1); else (j, j + dim/2). inverse: by the negative angle (the backward).
///   a' = a cos - b sin;  b' = b cos + a sin:   a' = fma(a, cos, -(b * sin)),  b' = fma(b, cos, a * sin)
struct RopeArgs {
  int64_t n_tokens = 0, n_heads = 0, dim = 0;
  const float* x = nullptr;
  int64_t x_row = 0, x_head = 0;
  float* y = nullptr;
  int64_t y_row = 0, y_head = 0;
  const int32_t* positions = nullptr;  ///< [n_tokens]
  const float* cos = nullptr;          ///< [max_position, dim/2]
  const float* sin = nullptr;
  bool interleaved = true, inverse = false;
};

/// y[t,:] = table[ids[t],:], widened.
struct EmbeddingArgs {
  int64_t n_tokens = 0, d = 0, vocab = 0;
  const int32_t* ids = nullptr;
  const void* table = nullptr;  ///< [vocab, d]
  DType dtype = DType::f32;
  float* y = nullptr;
};
/// dtable[ids[t],:] += dy[t,:], t ascending for each row.
struct EmbeddingGradArgs {
  int64_t n_tokens = 0, d = 0, vocab = 0;
  const int32_t* ids = nullptr;
  const float* dy = nullptr;
  float* dtable = nullptr;
};

/// h[t,i] = silu(gu[t,i]) * gu[t, d + i];  silu(x) = x * sigmoid(x).
struct SwigluArgs {
  int64_t n_tokens = 0, d = 0;
  const float* gu = nullptr;  ///< [n_tokens, 2 d]: gate, up
  float* h = nullptr;         ///< [n_tokens, d]; null: rounded
  Bf16* h_rounded = nullptr;  ///< where h is null
};
struct SwigluGradArgs {
  int64_t n_tokens = 0, d = 0;
  const float* gu = nullptr;
  const float* dh = nullptr;
  float* dgu = nullptr;         ///< [n_tokens, 2 d]; null: rounded
  Bf16* dgu_rounded = nullptr;  ///< where dgu is null
};

/// V3's router (noaux_tc) after the product: s = sigmoid(logits); choice = s + bias; group score = sum of its two
/// largest choices (one group: no selection); keep the best groups; K largest choices, ties by lower id; ids ascending;
/// w = s (normalised by a chain of additions in ascending id, plus 1e-20) * route_scale.
struct RouterArgs {
  int64_t n_tokens = 0, n_experts = 0, n_active = 0, n_groups = 1, n_kept_groups = 1;
  bool normalise = true;
  float route_scale = 1;
  const float* logits = nullptr;  ///< [n_tokens, n_experts]
  const float* bias = nullptr;    ///< [n_experts]; null: zero
  float* scores = nullptr;        ///< [n_tokens, n_experts] s
  int32_t* experts = nullptr;     ///< [n_tokens, n_active] ascending
  float* weights = nullptr;       ///< [n_tokens, n_active]
};
/// dlogits from dweights and from the balance loss. balance_f [n_rows, n_experts] holds, for each packed row,
/// alpha / n_rows / T_row * f_e (the factor in front of s / sum s); token t lies in row row_of[t].
///   ds_e = (scale / S) (u_e - (chain_j u_j s_j) / S) for chosen e (u = dweights; without normalisation scale u_e)
///   ds_e += (f_e - (row_sum_j f_j s_j) / Z) / Z for all e, Z = row_sum_j s_j;   dlogit = ds * (s * (1 - s))
struct RouterGradArgs {
  int64_t n_tokens = 0, n_experts = 0, n_active = 0;
  bool normalise = true;
  float route_scale = 1;
  const float* scores = nullptr;
  const int32_t* experts = nullptr;
  const float* dweights = nullptr;   ///< [n_tokens, n_active]
  const float* balance_f = nullptr;  ///< null: no balance loss
  const int32_t* row_of = nullptr;   ///< [n_tokens]
  float* dlogits = nullptr;
};

/// y[t] = shared[t]; y = fma(w[t,j], f[slot[t,j]], y) for j ascending (experts ascending). shared null: starts at +0.
/// With a residual, last: y[t] = residual[t] + y[t].
struct CombineArgs {
  int64_t n_tokens = 0, d = 0, n_active = 0;
  const float* shared = nullptr;   ///< [n_tokens, d]
  const float* f = nullptr;        ///< [n_tokens * n_active, d], sorted by expert
  const int32_t* slots = nullptr;  ///< [n_tokens, n_active] row of f
  const float* weights = nullptr;  ///< [n_tokens, n_active]
  float* y = nullptr;
  const float* residual = nullptr;  ///< [n_tokens, d]; null: none
};
/// df[slot] = w * dy;  dweights = row_sum(dy * f[slot]).
struct CombineGradArgs {
  int64_t n_tokens = 0, d = 0, n_active = 0;
  const float* f = nullptr;
  const int32_t* slots = nullptr;
  const float* weights = nullptr;
  const float* dy = nullptr;
  float* df = nullptr;  ///< null: rounded
  float* dweights = nullptr;
  Bf16* df_rounded = nullptr;  ///< where df is null
};
/// dx[t] = dxs[slot[t,0]] + dxs[slot[t,1]] + ... in that order (the backward of the gather).
struct GatherGradArgs {
  int64_t n_tokens = 0, d = 0, n_active = 0;
  const float* dxs = nullptr;
  const int32_t* slots = nullptr;
  float* dx = nullptr;
};

/// Per row of logits [n_rows, vocab]: z = logits * inv_temperature; blocks of 1,024 ids ascending:
///   m' = max(m, z);  l = fma(l, exp(m - m'), row_sum(exp(z - m')));   lse = m + log(l)
struct LogSumExpArgs {
  int64_t n_rows = 0, vocab = 0;
  const float* logits = nullptr;
  int64_t stride = 0;
  float inv_temperature = 1;
  float* lse = nullptr;  ///< [n_rows]
};
/// z[i] = logits[i] inv_temperature, -inf where allowed[i] is 0 (null: all are allowed); *largest: the largest z, a
/// zero of it positive. No logit is NaN.
struct SamplerLogitsArgs {
  int64_t n = 0;
  const float* logits = nullptr;
  float inv_temperature = 1;
  const uint8_t* allowed = nullptr;
  float* z = nullptr;
  float* largest = nullptr;
};
/// weights[i] = exp(z[i] - largest): what a sampler draws by; may be z itself.
struct SoftmaxWeightsArgs {
  int64_t n = 0;
  const float* z = nullptr;
  float largest = 0;
  float* weights = nullptr;
};
/// logits <- (exp(logits - lse) - [id == target]) * weight, in place; rows of weight 0 become +0. rounded: BF16, in the
/// first half of each row's memory.
struct CrossEntropyGradArgs {
  int64_t n_rows = 0, vocab = 0;
  float* logits = nullptr;
  int64_t stride = 0;
  const float* lse = nullptr;
  const int32_t* targets = nullptr;
  const float* weights = nullptr;
  bool rounded = false;
};

/// y = a + b (any of them may be the same memory).
struct AddArgs {
  int64_t n = 0;
  const float* a = nullptr;
  const float* b = nullptr;
  float* y = nullptr;
};
/// y = BF16 of x.
struct RoundArgs {
  int64_t n = 0;
  const float* x = nullptr;
  Bf16* y = nullptr;
};

/// One tensor's AdamW step (decoupled decay), operations in this order, all in FP32:
///   g = grad * clip;  m = fma(beta1, m, (1 - beta1) * g);  v = fma(beta2, v, ((1 - beta2) * g) * g)
///   p = p - (lr * decay) * p;  p = p - lr * ((m / bias1) / (sqrt(v / bias2) + eps))
/// bias_i = 1 - beta_i^step in double, rounded once. copy (may be null) receives BF16 of p.
struct AdamWArgs {
  int64_t n = 0;
  float* p = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  const float* grad = nullptr;
  Bf16* copy = nullptr;
  float lr = 0, beta1 = 0, beta2 = 0, eps = 0, decay = 0, clip = 1, bias1 = 1, bias2 = 1;
};
/// out = fma(b, y, a * x), or a * x where y is null. Any of them may be the same memory.
struct AxpbyArgs {
  int64_t n = 0;
  float a = 0;
  const float* x = nullptr;
  float b = 0;
  const float* y = nullptr;
  float* out = nullptr;
};
/// Muon's momentum of many matrices, of n elements each (Nesterov):
///   g = grad * clip;  m = fma(momentum, m, (1 - momentum) * g);  u = fma(momentum, m, (1 - momentum) * g)
struct MuonMomentumArgs {
  struct Matrix {
    int64_t n = 0;
    const float* grad = nullptr;
    float* m = nullptr;
    float* u = nullptr;
  };
  std::span<const Matrix> matrices;
  float momentum = 0, clip = 1;
};
/// Muon's update by the orthogonalised u:  p = p - lr_decay * p;  p = p - rate * u;  copy (may be null) = BF16 of p.
struct MuonUpdateArgs {
  struct Matrix {
    int64_t n = 0;
    const float* u = nullptr;
    float* p = nullptr;
    Bf16* copy = nullptr;
  };
  std::span<const Matrix> matrices;
  float lr_decay = 0, rate = 0;
};
/// Sums of squares of blocks of 4,096 elements by rule 5, block sums added in double in order; *sum is written.
struct SquareSumArgs {
  int64_t n = 0;
  const float* x = nullptr;
  double* sum = nullptr;
};

/// Everything a chip may implement; null: not yet, the reference of the op runs on the host. In a meta run (MetaScope)
/// products, attention and attention_grad are called too, without data: they count their scratch and return.
struct KernelTable {
  std::string_view chip;
  void (*pack)(std::span<const PackArgs>) = nullptr;
  void (*products)(std::span<const ProductArgs>) = nullptr;  ///< independent products, run as one
  void (*attention)(const AttentionArgs&) = nullptr;
  void (*attention_grad)(const AttentionGradArgs&) = nullptr;
  void (*rmsnorm)(const RmsNormArgs&) = nullptr;
  void (*rmsnorm_grad)(const RmsNormGradArgs&) = nullptr;
  void (*rope)(const RopeArgs&) = nullptr;
  void (*embedding)(const EmbeddingArgs&) = nullptr;
  void (*embedding_grad)(const EmbeddingGradArgs&) = nullptr;
  void (*swiglu)(const SwigluArgs&) = nullptr;
  void (*swiglu_grad)(const SwigluGradArgs&) = nullptr;
  void (*router)(const RouterArgs&) = nullptr;
  void (*router_grad)(const RouterGradArgs&) = nullptr;
  void (*combine)(const CombineArgs&) = nullptr;
  void (*combine_grad)(const CombineGradArgs&) = nullptr;
  void (*gather_grad)(const GatherGradArgs&) = nullptr;
  void (*log_sum_exp)(const LogSumExpArgs&) = nullptr;
  void (*sampler_logits)(const SamplerLogitsArgs&) = nullptr;
  void (*softmax_weights)(const SoftmaxWeightsArgs&) = nullptr;
  void (*cross_entropy_grad)(const CrossEntropyGradArgs&) = nullptr;
  void (*add)(const AddArgs&) = nullptr;
  void (*round)(const RoundArgs&) = nullptr;
  void (*adamw)(std::span<const AdamWArgs>) = nullptr;  ///< tensors of one optimizer step, run as one
  void (*square_sum)(std::span<const SquareSumArgs>) = nullptr;
  void (*axpby)(const AxpbyArgs&) = nullptr;
  void (*muon_momentum)(const MuonMomentumArgs&) = nullptr;
  void (*muon_update)(const MuonUpdateArgs&) = nullptr;
};

/// The chip in use. Tests may put another table in its place.
const KernelTable& kernels();
void set_kernels(const KernelTable* table);  ///< null: back to the CPU's

/// Runs the chip's kernel, or the reference where the chip has none; does nothing in a meta run.
template <class Args>
void run(void (*kernel)(const Args&), void (*reference)(const Args&), const Args& args) {
  if (meta_active()) return;
  const Profiled<Args> span(args, kernel == nullptr);
  (kernel ? kernel : reference)(args);
}
/// The same for kernels that take several items as one.
template <class Args>
void run_all(void (*kernel)(std::span<const Args>), void (*reference)(const Args&), std::span<const Args> items) {
  if (meta_active() || items.empty()) return;
  const Profiled<std::span<const Args>> span(items, kernel == nullptr);
  if (kernel) {
    kernel(items);
    return;
  }
  for (const Args& item : items) reference(item);
}
/// The same for kernels that count their scratch in a meta run.
template <class Args>
void run_counted(void (*kernel)(const Args&), void (*reference)(const Args&), const Args& args) {
  const Profiled<Args> span(args, kernel == nullptr);
  if (kernel)
    kernel(args);
  else if (!meta_active())
    reference(args);
}

}  // namespace nuri
