#include "ops/cross_entropy.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "autograd/tape.h"
#include "base/threads.h"
#include "base/x1.h"
#include "ops/product.h"

namespace nuri {

namespace reference {

template <class T>
T log_sum_exp_row(int64_t vocab, const T* logits, T inv_temperature) {
  T m = -std::numeric_limits<T>::infinity(), l = 0;
  for (int64_t begin = 0; begin < vocab; begin += kVocabularyBlock) {
    const int64_t n = std::min(kVocabularyBlock, vocab - begin);
    const T* block = logits + begin;
    T next = m;
    for (int64_t i = 0; i < n; ++i) next = std::max(next, block[i] * inv_temperature);
    const T sum = x1::row_sum<T>(n, [&](int64_t i) { return x1::exp(block[i] * inv_temperature - next); });
    l = x1::fma(l, x1::exp(m - next), sum);
    m = next;
  }
  return m + x1::log(l);
}

template <class T>
void cross_entropy_grad_row(int64_t vocab, T* logits, T lse, int64_t target, T weight) {
  for (int64_t i = 0; i < vocab; ++i) {
    const T p = x1::exp(logits[i] - lse);
    logits[i] = weight == 0 ? T(0) : (i == target ? p - T(1) : p) * weight;
  }
}

template float log_sum_exp_row(int64_t, const float*, float);
template double log_sum_exp_row(int64_t, const double*, double);
template void cross_entropy_grad_row(int64_t, float*, float, int64_t, float);
template void cross_entropy_grad_row(int64_t, double*, double, int64_t, double);

void log_sum_exp(const LogSumExpArgs& a) {
  for (int64_t r = 0; r < a.n_rows; ++r)
    a.lse[r] = log_sum_exp_row(a.vocab, a.logits + r * a.stride, a.inv_temperature);
}

void sampler_logits(const SamplerLogitsArgs& a) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  float largest = kNone;
  for (int64_t i = 0; i < a.n; ++i) {
    a.z[i] = !a.allowed || a.allowed[i] ? a.logits[i] * a.inv_temperature : kNone;
    largest = a.z[i] > largest ? a.z[i] : largest;
  }
  *a.largest = largest + 0.0f;
}

void softmax_weights(const SoftmaxWeightsArgs& a) {
  for (int64_t i = 0; i < a.n; ++i) a.weights[i] = x1::exp(a.z[i] - a.largest);
}

void cross_entropy_grad(const CrossEntropyGradArgs& a) {
  for (int64_t r = 0; r < a.n_rows; ++r) {
    float* row = a.logits + r * a.stride;
    cross_entropy_grad_row(a.vocab, row, a.lse[r], a.targets[r], a.weights[r]);
    if (!a.rounded) continue;
    Bf16* rounded = reinterpret_cast<Bf16*>(row);
    for (int64_t i = 0; i < a.vocab; ++i) rounded[i].bits = x1::to_bf16(row[i]);
  }
}

}  // namespace reference

void log_sum_exp(const LogSumExpArgs& args) { run(kernels().log_sum_exp, reference::log_sum_exp, args); }
void sampler_logits(const SamplerLogitsArgs& args) { run(kernels().sampler_logits, reference::sampler_logits, args); }
void softmax_weights(const SoftmaxWeightsArgs& args) {
  run(kernels().softmax_weights, reference::softmax_weights, args);
}

namespace {

constexpr int64_t kLogitBytes = int64_t{16} << 20;  // of a chunk: small enough for the caches that cores share
// But at least so many rows: the gradient of the head, [vocab, d], comes from memory and goes back once for each chunk.
constexpr int64_t kLeastRows = 512;

Operand operand(const Tensor& t, bool transposed = false, const int32_t* rows = nullptr) {
  return {t.raw(), t.dtype(), t.row_stride(), transposed, rows};
}

/// C [m, n] = A [m, k] B [k, n] into contiguous rows; B is set by the caller.
ProductArgs product_args(Precision precision, int64_t m, int64_t n, int64_t k, const Operand& a, const Tensor& c) {
  ProductArgs p;
  p.precision = precision;
  p.m = m, p.n = n, p.k = k;
  p.a = a;
  p.c = c.data<float>(), p.c_stride = n;
  return p;
}

/// One chunk of target tokens: their logits, and what is made of them.
class Chunk {
 public:
  Chunk(const Tensor& x, Weight& head, Precision precision, float inverse_temperature, int64_t capacity)
      : x_(x),
        head_(head),
        precision_(precision),
        inverse_temperature_(inverse_temperature),
        logits_(Tensor::empty({capacity, head.out()}, DType::f32, Owner::scratch)),
        lse_(static_cast<size_t>(capacity)) {}

  /// Logits times the inverse temperature, and their lse, of rows `tokens` of x.
  void forward(const int32_t* tokens, int64_t n) {
    tokens_ = tokens, n_ = n;
    ProductArgs p = product_args(precision_, n, head_.out(), head_.in(), operand(x_, false, tokens), logits_);
    p.packed = &head_.packed_forward(precision_);
    products({&p, 1});
    if (inverse_temperature_ != 1 && !meta_active()) scale(n);
    log_sum_exp({n, head_.out(), logits_.data<float>(), head_.out(), 1.0f, lse_.data()});
  }
  float nll(int64_t i, int32_t target) const {
    return -log_probability(logits_.data<float>()[i * head_.out() + target], 1.0f, lse_[static_cast<size_t>(i)]);
  }
  /// Turns the logits into their gradient; writes dx [n, d] and continues the chains of the head's gradient
  /// [vocab, d].
  void backward(const int32_t* targets, const float* weights, const Tensor& dx, int use) {
    run(kernels().cross_entropy_grad, reference::cross_entropy_grad,
        CrossEntropyGradArgs{n_, head_.out(), logits_.data<float>(), head_.out(), lse_.data(), targets, weights,
                             precision_ == Precision::bf16});
    Operand dz = operand(logits_), dz_turned = operand(logits_, true);
    if (precision_ == Precision::bf16)  // in the first half of each row
      dz.dtype = dz_turned.dtype = DType::bf16, dz.stride = dz_turned.stride = 2 * head_.out();
    std::vector<ProductArgs> work;
    work.push_back(product_args(precision_, n_, head_.in(), head_.out(), dz, dx));
    work.back().packed = &head_.packed_backward(precision_);
    if (head_.trainable()) {
      const Tensor& dw = head_.grads[static_cast<size_t>(use)];
      work.push_back(product_args(precision_, head_.out(), head_.in(), n_, dz_turned, dw));
      work.back().b = operand(x_, false, tokens_);
      work.back().accumulate = head_.continue_chain(use);
    }
    products(work);
  }

 private:
  /// The same rounding as log_sum_exp's own, whose exponents then are those of the gradient too.
  void scale(int64_t n) {
    parallel_parts(n, [&](int64_t i) {
      float* row = logits_.data<float>() + i * head_.out();
      for (int64_t id = 0; id < head_.out(); ++id) row[id] *= inverse_temperature_;
    });
  }

  const Tensor& x_;
  Weight& head_;
  Precision precision_;
  float inverse_temperature_;
  Tensor logits_;
  std::vector<float> lse_;
  const int32_t* tokens_ = nullptr;
  int64_t n_ = 0;
};

/// Tokens whose weight is not 0, with their targets and weights.
struct Targets {
  std::vector<int32_t> token, id;
  std::vector<float> weight;
};
Targets choose(const std::vector<int32_t>& ids, const std::vector<float>& weights, int64_t vocab) {
  Targets chosen;
  for (size_t t = 0; t < ids.size(); ++t) {
    if (weights[t] == 0) continue;
    NURI_CHECK(
        ids[t] >= 0 && ids[t] < vocab,
        "target {} of the batch has id {}, but the model's vocabulary has ids 0 to {}; use the tokenizer that the "
        "model was trained with",
        t, ids[t], vocab - 1);
    chosen.token.push_back(static_cast<int32_t>(t));
    chosen.id.push_back(ids[t]);
    chosen.weight.push_back(weights[t]);
  }
  return chosen;
}

}  // namespace

CrossEntropyResult cross_entropy(const Tensor& x, Weight& head, int use, const std::vector<int32_t>& targets,
                                 const std::vector<float>& weights, Precision precision,
                                 const CrossEntropyOptions& options) {
  const int64_t n_tokens = static_cast<int64_t>(targets.size()), vocab = head.out(), d = head.in();
  x.expect({n_tokens, d}, "cross_entropy x [n_tokens, d]");
  NURI_ASSERT(weights.size() == targets.size());
  Targets chosen = choose(targets, weights, vocab);
  const int64_t n_chosen = static_cast<int64_t>(chosen.token.size());
  // By the tokens of the batch, not by how many of them are targets: that differs from step to step, and so would the
  // size of the blocks below, of which each would be kept for reuse.
  const int64_t capacity =
      std::min(std::max(kLogitBytes / (vocab * 4) / 16 * 16, kLeastRows), std::max<int64_t>(n_tokens, 16));

  Tape* tape = Tape::current();
  const bool all = n_chosen == n_tokens && !meta_active();  // a memory plan counts what some targets less would take
  Tensor dx, part;
  if (tape) {
    dx = all ? Tensor::empty(x.shape()) : Tensor::zeros(x.shape());
    if (!all) part = Tensor::empty({capacity, d}, DType::f32, Owner::scratch);
  }
  CrossEntropyResult result;
  result.nll.assign(targets.size(), 0.0f);
  Chunk chunk(x, head, precision, options.inverse_temperature, capacity);
  std::vector<float> log_p;
  for (int64_t begin = 0; begin < n_chosen; begin += capacity) {
    const int64_t n = std::min(capacity, n_chosen - begin);
    const int32_t *token = chosen.token.data() + begin, *id = chosen.id.data() + begin;
    float* weight = chosen.weight.data() + begin;
    chunk.forward(token, n);
    if (!meta_active()) {
      log_p.resize(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) log_p[static_cast<size_t>(i)] = -chunk.nll(i, id[i]);
      if (options.choose) options.choose({token, static_cast<size_t>(n)}, log_p, {weight, static_cast<size_t>(n)});
      for (int64_t i = 0; i < n; ++i) {
        const float nll = -log_p[static_cast<size_t>(i)];
        result.nll[static_cast<size_t>(token[i])] = nll;
        result.loss_sum += static_cast<double>(weight[i]) * static_cast<double>(nll);
        weight[i] *= options.inverse_temperature;
      }
    }
    if (!tape) continue;
    chunk.backward(id, weight, all ? dx.rows(begin, begin + n) : part, use);
    if (all || meta_active()) continue;
    for (int64_t i = 0; i < n; ++i)
      std::memcpy(dx.data<float>() + token[i] * d, part.data<float>() + i * d, static_cast<size_t>(d) * sizeof(float));
  }
  if (watching()) observe("cross_entropy", Tensor::from_floats({n_tokens}, result.nll));
  if (tape) tape->record("cross_entropy", [x = x.id(), dx](Tape& t) { t.add_grad(x, dx); });
  return result;
}

Tensor logits(const Tensor& x, Weight& head, Precision precision) {
  x.expect({-1, head.in()}, "logits x [n_rows, d]");
  Tensor z = Tensor::empty({x.dim(0), head.out()});
  ProductArgs p = product_args(precision, x.dim(0), head.out(), head.in(), operand(x), z);
  p.packed = &head.packed_forward(precision);
  products({&p, 1});
  observe("logits", z);
  return z;
}

}  // namespace nuri
