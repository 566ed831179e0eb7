// Everything that works row by row: norms, rope, embedding, activations, router, MoE, softmax, optimizer.
#include "backend/selftest_entries.h"

namespace nuri::selftest {
namespace {

constexpr int64_t kTokens = 19, kWidth = 197;

bool rmsnorm(BitHash& hash) {
  if (!kernels().rmsnorm || !kernels().rmsnorm_grad) return false;
  const auto x = numbers(kTokens * kWidth, 600, 3), g = numbers(kWidth, 601), dy = numbers(kTokens * kWidth, 602);
  const auto narrow = rounded(g);
  for (const bool bf16 : {false, true}) {
    const void* gain = bf16 ? static_cast<const void*>(narrow.data()) : g.data();
    const DType dtype = bf16 ? DType::bf16 : DType::f32;
    auto y = room(kTokens * kWidth), r = room(kTokens), dx = numbers(kTokens * kWidth, 603), dg = numbers(kWidth, 604);
    kernels().rmsnorm({.n_tokens = kTokens,
                       .d = kWidth,
                       .x = x.data(),
                       .x_stride = kWidth,
                       .g = gain,
                       .g_dtype = dtype,
                       .eps = 1e-6f,
                       .y = y.data(),
                       .y_stride = kWidth,
                       .r = r.data()});
    kernels().rmsnorm_grad({.n_tokens = kTokens,
                            .d = kWidth,
                            .x = x.data(),
                            .x_stride = kWidth,
                            .g = gain,
                            .g_dtype = dtype,
                            .r = r.data(),
                            .dy = dy.data(),
                            .dy_stride = kWidth,
                            .dx = dx.data(),
                            .dx_stride = kWidth,
                            .dx_accumulate = bf16,
                            .dg = dg.data()});
    hash.add(y), hash.add(r), hash.add(dx), hash.add(dg);
  }
  return true;
}

bool rope(BitHash& hash) {
  if (!kernels().rope) return false;
  constexpr int64_t kHeads = 3, kDim = 22, kPositions = 50;
  const auto x = numbers(kTokens * kHeads * kDim, 610), cos = numbers(kPositions * kDim / 2, 611),
             sin = numbers(kPositions * kDim / 2, 612);
  const auto positions = integers(kTokens, 613, kPositions);
  for (const bool interleaved : {true, false})
    for (const bool inverse : {false, true}) {
      auto y = room(kTokens * kHeads * kDim);
      kernels().rope({.n_tokens = kTokens,
                      .n_heads = kHeads,
                      .dim = kDim,
                      .x = x.data(),
                      .x_row = kHeads * kDim,
                      .x_head = kDim,
                      .y = y.data(),
                      .y_row = kHeads * kDim,
                      .y_head = kDim,
                      .positions = positions.data(),
                      .cos = cos.data(),
                      .sin = sin.data(),
                      .interleaved = interleaved,
                      .inverse = inverse});
      hash.add(y);
    }
  return true;
}

bool embedding(BitHash& hash) {
  if (!kernels().embedding || !kernels().embedding_grad) return false;
  constexpr int64_t kVocab = 31;
  const auto ids = integers(kTokens, 620, kVocab);
  const auto table = numbers(kVocab * kWidth, 621), dy = numbers(kTokens * kWidth, 622);
  const auto narrow = rounded(table);
  auto y = room(kTokens * kWidth), dtable = numbers(kVocab * kWidth, 623);
  kernels().embedding({.n_tokens = kTokens,
                       .d = kWidth,
                       .vocab = kVocab,
                       .ids = ids.data(),
                       .table = narrow.data(),
                       .dtype = DType::bf16,
                       .y = y.data()});
  kernels().embedding_grad(
      {.n_tokens = kTokens, .d = kWidth, .vocab = kVocab, .ids = ids.data(), .dy = dy.data(), .dtable = dtable.data()});
  hash.add(y), hash.add(dtable);
  return true;
}

bool swiglu(BitHash& hash) {
  if (!kernels().swiglu || !kernels().swiglu_grad) return false;
  const auto gu = numbers(kTokens * kWidth * 2, 630, 9), dh = numbers(kTokens * kWidth, 631);
  auto h = room(kTokens * kWidth), dgu = room(kTokens * kWidth * 2);
  kernels().swiglu({.n_tokens = kTokens, .d = kWidth, .gu = gu.data(), .h = h.data()});
  kernels().swiglu_grad({.n_tokens = kTokens, .d = kWidth, .gu = gu.data(), .dh = dh.data(), .dgu = dgu.data()});
  hash.add(h), hash.add(dgu);
  return true;
}

bool router(BitHash& hash) {
  if (!kernels().router || !kernels().router_grad) return false;
  struct Shape {
    int64_t experts, active, groups, kept;
    bool normalise, bias;
  };
  for (const Shape& s :
       {Shape{24, 4, 4, 2, true, true}, Shape{17, 3, 1, 1, false, false}, Shape{64, 6, 8, 3, true, true}}) {
    const auto logits = numbers(kTokens * s.experts, 640, 4), bias = numbers(s.experts, 641, 0.1f);
    auto scores = room(kTokens * s.experts), weights = room(kTokens * s.active), dlogits = room(kTokens * s.experts);
    std::vector<int32_t> experts(static_cast<size_t>(kTokens * s.active));
    kernels().router({.n_tokens = kTokens,
                      .n_experts = s.experts,
                      .n_active = s.active,
                      .n_groups = s.groups,
                      .n_kept_groups = s.kept,
                      .normalise = s.normalise,
                      .route_scale = 2.5f,
                      .logits = logits.data(),
                      .bias = s.bias ? bias.data() : nullptr,
                      .scores = scores.data(),
                      .experts = experts.data(),
                      .weights = weights.data()});
    const auto dweights = numbers(kTokens * s.active, 642), balance = numbers(2 * s.experts, 643, 1e-3f);
    std::vector<int32_t> row_of(static_cast<size_t>(kTokens));
    for (size_t t = 0; t < row_of.size(); ++t) row_of[t] = t >= 8;
    kernels().router_grad({.n_tokens = kTokens,
                           .n_experts = s.experts,
                           .n_active = s.active,
                           .normalise = s.normalise,
                           .route_scale = 2.5f,
                           .scores = scores.data(),
                           .experts = experts.data(),
                           .dweights = dweights.data(),
                           .balance_f = s.bias ? balance.data() : nullptr,
                           .row_of = row_of.data(),
                           .dlogits = dlogits.data()});
    hash.add(scores), hash.add(experts), hash.add(weights), hash.add(dlogits);
  }
  return true;
}

bool moe(BitHash& hash) {
  if (!kernels().combine || !kernels().combine_grad || !kernels().gather_grad) return false;
  constexpr int64_t kActive = 5;
  std::vector<int32_t> slots(static_cast<size_t>(kTokens * kActive));  // a permutation: 7 has no factor in common
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int32_t>(i * 7 % slots.size());
  const auto shared = numbers(kTokens * kWidth, 650), f = numbers(kTokens * kActive * kWidth, 651),
             weights = numbers(kTokens * kActive, 652), dy = numbers(kTokens * kWidth, 653);
  for (const bool with_shared : {true, false}) {
    auto y = room(kTokens * kWidth);
    kernels().combine({.n_tokens = kTokens,
                       .d = kWidth,
                       .n_active = kActive,
                       .shared = with_shared ? shared.data() : nullptr,
                       .f = f.data(),
                       .slots = slots.data(),
                       .weights = weights.data(),
                       .y = y.data()});
    hash.add(y);
  }
  auto df = room(kTokens * kActive * kWidth), dweights = room(kTokens * kActive), dx = room(kTokens * kWidth);
  kernels().combine_grad({.n_tokens = kTokens,
                          .d = kWidth,
                          .n_active = kActive,
                          .f = f.data(),
                          .slots = slots.data(),
                          .weights = weights.data(),
                          .dy = dy.data(),
                          .df = df.data(),
                          .dweights = dweights.data()});
  kernels().gather_grad({.n_tokens = kTokens,
                         .d = kWidth,
                         .n_active = kActive,
                         .dxs = df.data(),
                         .slots = slots.data(),
                         .dx = dx.data()});
  hash.add(df), hash.add(dweights), hash.add(dx);
  return true;
}

bool cross_entropy(BitHash& hash) {
  if (!kernels().log_sum_exp || !kernels().cross_entropy_grad) return false;
  constexpr int64_t kRows = 5, kVocab = 2055, kStride = kVocab + 2;
  auto logits = numbers(kRows * kStride, 660, 12);
  for (const float inv_temperature : {1.0f, 1.0f / 0.7f}) {
    auto lse = room(kRows);
    kernels().log_sum_exp({.n_rows = kRows,
                           .vocab = kVocab,
                           .logits = logits.data(),
                           .stride = kStride,
                           .inv_temperature = inv_temperature,
                           .lse = lse.data()});
    hash.add(lse);
  }
  auto lse = room(kRows);
  const auto targets = integers(kRows, 661, kVocab);
  const std::vector<float> weights = {0.25f, 0, 1, 0.125f, 0.3f};
  kernels().log_sum_exp(
      {.n_rows = kRows, .vocab = kVocab, .logits = logits.data(), .stride = kStride, .lse = lse.data()});
  kernels().cross_entropy_grad({.n_rows = kRows,
                                .vocab = kVocab,
                                .logits = logits.data(),
                                .stride = kStride,
                                .lse = lse.data(),
                                .targets = targets.data(),
                                .weights = weights.data()});
  hash.add(logits);
  return true;
}

bool sampler_weights(BitHash& hash) {
  if (!kernels().softmax_weights) return false;
  const auto z = numbers(2055, 663, 12);
  auto weights = room(2055);
  kernels().softmax_weights({.n = 2055, .z = z.data(), .largest = 12, .weights = weights.data()});
  hash.add(weights);
  return true;
}

bool elements(BitHash& hash) {
  if (!kernels().add || !kernels().round) return false;
  constexpr int64_t kN = 10'007;
  const auto a = numbers(kN, 670, 5), b = numbers(kN, 671);
  auto y = room(kN);
  std::vector<uint16_t> narrow(static_cast<size_t>(kN));
  kernels().add({.n = kN, .a = a.data(), .b = b.data(), .y = y.data()});
  std::vector<Bf16> bf16(static_cast<size_t>(kN));
  kernels().round({.n = kN, .x = y.data(), .y = bf16.data()});
  for (size_t i = 0; i < bf16.size(); ++i) narrow[i] = bf16[i].bits;
  hash.add(y), hash.add(narrow);
  return true;
}

bool optimizer(BitHash& hash) {
  if (!kernels().adamw || !kernels().square_sum) return false;
  constexpr int64_t kN = 9'001;
  auto p = numbers(kN, 680), m = numbers(kN, 681, 0.01f), v = numbers(kN, 682, 1e-3f);
  for (float& x : v) x = x * x;
  const auto grad = numbers(kN, 683, 0.1f);
  std::vector<Bf16> copy(static_cast<size_t>(kN));
  const AdamWArgs step{.n = kN,
                       .p = p.data(),
                       .m = m.data(),
                       .v = v.data(),
                       .grad = grad.data(),
                       .copy = copy.data(),
                       .lr = 2.2e-4f,
                       .beta1 = 0.9f,
                       .beta2 = 0.95f,
                       .eps = 1e-8f,
                       .decay = 0.1f,
                       .clip = 0.37f,
                       .bias1 = 0.271f,
                       .bias2 = 0.142625f};
  kernels().adamw({&step, 1});
  std::vector<uint16_t> narrow(copy.size());
  for (size_t i = 0; i < copy.size(); ++i) narrow[i] = copy[i].bits;
  double sum = 0;
  const SquareSumArgs squares{.n = kN, .x = grad.data(), .sum = &sum};
  kernels().square_sum({&squares, 1});
  hash.add(p), hash.add(m), hash.add(v), hash.add(narrow), hash.add(sum);
  return true;
}

bool muon(BitHash& hash) {
  if (!kernels().axpby || !kernels().muon_momentum || !kernels().muon_update) return false;
  constexpr int64_t kN = 9'001, kFirst = 64;  // two matrices
  auto p = numbers(kN, 690), m = numbers(kN, 691, 0.01f), u = room(kN);
  const auto grad = numbers(kN, 692, 0.1f);
  std::vector<Bf16> copy(static_cast<size_t>(kN));
  const MuonMomentumArgs::Matrix momentum[] = {
      {.n = kFirst, .grad = grad.data(), .m = m.data(), .u = u.data()},
      {.n = kN - kFirst, .grad = grad.data() + kFirst, .m = m.data() + kFirst, .u = u.data() + kFirst}};
  const MuonUpdateArgs::Matrix update[] = {
      {.n = kFirst, .u = u.data(), .p = p.data(), .copy = copy.data()},
      {.n = kN - kFirst, .u = u.data() + kFirst, .p = p.data() + kFirst, .copy = copy.data() + kFirst}};
  kernels().muon_momentum({.matrices = momentum, .momentum = 0.95f, .clip = 0.37f});
  kernels().axpby({.n = kN, .a = 3.4445f, .x = u.data(), .b = -4.775f, .y = p.data(), .out = u.data()});
  kernels().muon_update({.matrices = update, .lr_decay = 2.2e-5f, .rate = 3e-3f});
  std::vector<uint16_t> narrow(copy.size());
  for (size_t i = 0; i < copy.size(); ++i) narrow[i] = copy[i].bits;
  hash.add(p), hash.add(m), hash.add(u), hash.add(narrow);
  kernels().axpby({.n = kN, .a = 0.7f, .x = m.data(), .out = u.data()});
  hash.add(u);
  return true;
}

constexpr Entry kEntries[] = {
    {"kernel/rmsnorm", rmsnorm},
    {"kernel/rope", rope},
    {"kernel/embedding", embedding},
    {"kernel/swiglu", swiglu},
    {"kernel/router", router},
    {"kernel/moe", moe},
    {"kernel/elements", elements},
    {"kernel/cross_entropy", cross_entropy},
    {"kernel/softmax_weights", sampler_weights},
    {"kernel/optimizer", optimizer},
    {"kernel/muon", muon},
};

}  // namespace

std::span<const Entry> row_entries() { return kEntries; }

}  // namespace nuri::selftest
