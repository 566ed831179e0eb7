// Functions of base/x1.h, and the same of the level's vectors: name by name their hashes are equal.
#include <array>

#include "backend/cpu/elementary.h"
#include "backend/cpu/levels.h"
#include "backend/selftest_entries.h"

namespace nuri::selftest {
namespace {

constexpr int64_t kN = 4099;

const cpu::ElementaryKernels& vectors() {
  return cpu::pick(cpu::portable::elementary_kernels, cpu::avx2::elementary_kernels, cpu::avx512::elementary_kernels,
                   cpu::avx512_bf16::elementary_kernels);
}

/// Random patterns of every exponent, signs too, without infinities, NaN and what lies around the smallest normal.
std::vector<float> patterns(uint64_t stream) {
  const Philox random(2025, Purpose::test, stream);
  std::vector<float> x(kN);
  for (size_t i = 0; i < x.size(); ++i) {
    const auto words = random.words(i);
    x[i] = __builtin_bit_cast(float, (words[0] & 0x807FFFFFu) | (4 + words[1] % 250) << 23);
  }
  return x;
}
/// Magnitudes whose products stay far from the ends of the range.
std::vector<float> moderate(uint64_t stream) {
  std::vector<float> x = patterns(stream);
  for (float& v : x) {
    const uint32_t u = __builtin_bit_cast(uint32_t, v);
    v = __builtin_bit_cast(float, (u & 0x807FFFFFu) | (110 + (u >> 23) % 32) << 23);
  }
  return x;
}
std::vector<float> positive(std::vector<float> x) {
  for (float& v : x) v = __builtin_fabsf(v);
  return x;
}

std::vector<float> exp_inputs() {
  std::vector<float> x = numbers(kN, 1, 100);
  for (float& v : x)  // not where the result is just below the smallest normal
    if (v < -87.3f && v > -87.4f) v = 0;
  return x;
}

template <float (*F)(float)>
bool scalar(BitHash& hash, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = F(x[i]);
  hash.add(y);
  return true;
}
bool vector(BitHash& hash, void (*f)(int64_t, const float*, float*), const std::vector<float>& x) {
  std::vector<float> y(x.size());
  f(static_cast<int64_t>(x.size()), x.data(), y.data());
  hash.add(y);
  return true;
}

float addend(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& c, size_t i) {
  if (i % 3) return c[i];  // every third addend nearly cancels the product
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, -(a[i] * b[i])) + static_cast<uint32_t>(i / 3 % 5) - 2);
}

bool scalar_fma(BitHash& hash) {
  const auto a = moderate(3), b = moderate(4), c = moderate(5);
  std::vector<float> y(a.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = x1::fma(a[i], b[i], addend(a, b, c, i));
  hash.add(y);
  return true;
}
bool emulated_fma(BitHash& hash) {
  const auto a = moderate(3), b = moderate(4), c = moderate(5);
  std::vector<float> y(a.size());
  for (size_t i = 0; i < y.size(); ++i) y[i] = x1::emulated_fma(a[i], b[i], addend(a, b, c, i));
  hash.add(y);
  return true;
}
bool vector_fma(BitHash& hash) {
  const auto a = moderate(3), b = moderate(4), c = moderate(5);
  std::vector<float> d(a.size()), y(a.size());
  for (size_t i = 0; i < y.size(); ++i) d[i] = addend(a, b, c, i);
  vectors().fma(static_cast<int64_t>(y.size()), a.data(), b.data(), d.data(), y.data());
  hash.add(y);
  return true;
}

/// Uniform in [-scale, scale).
std::vector<double> doubles(uint64_t stream, double scale) {
  const Philox random(2026, Purpose::test, stream);
  std::vector<double> x(kN / 4);
  for (size_t i = 0; i < x.size(); ++i) x[i] = (2 * random.uniform_double(i) - 1) * scale;
  return x;
}
template <class F>
bool each_double(BitHash& hash, const std::vector<double>& x, F f) {
  for (const double v : x) hash.add(f(v));
  return true;
}
template <double (*Fma)(double, double, double)>
bool double_fma(BitHash& hash) {
  const auto a = doubles(11, 3), b = doubles(12, 3), c = doubles(13, 3);
  for (size_t i = 0; i < a.size(); ++i) hash.add(Fma(a[i], b[i], i % 2 ? c[i] : -(a[i] * b[i])));
  return true;
}
bool sine_cosine(BitHash& hash) {
  for (const double range : {4.0, 163840.0, 0x1p30})
    for (const double x : doubles(14, range)) {
      double s = 0, c = 0;
      x1::sincos(x, s, c);
      hash.add(s), hash.add(c);
    }
  return true;
}
bool power(BitHash& hash) {
  const auto e = doubles(15, 8);
  const auto base = doubles(16, 1e6);
  for (size_t i = 0; i < e.size(); ++i) hash.add(x1::pow(__builtin_fabs(base[i]) + 1e-3, e[i]));
  return true;
}

bool philox_words(BitHash& hash) {
  const Philox random(7, Purpose::sampling, 9);
  for (uint64_t i = 0; i < 64; ++i) {
    for (const uint32_t w : random.words(i * 0x123456789)) hash.add(w);
    hash.add(random.uniform(i)), hash.add(random.uniform_double(i));
    hash.add(static_cast<uint32_t>(random.below(1000, i)));
  }
  return true;
}
bool normals(BitHash& hash) {
  const Philox random(7, Purpose::init, 1);
  for (uint64_t i = 0; i < 1000; ++i) hash.add(random.normal(i));
  return true;
}
template <class Sum>
bool row_sums(BitHash& hash, Sum sum) {
  const auto x = numbers(1000, 17, 50);
  for (const int64_t n : {0, 1, 63, 64, 65, 777, 1000}) hash.add(sum(n, x.data()));
  return true;
}

constexpr auto kExp = static_cast<float (*)(float)>(x1::exp);
constexpr auto kLog = static_cast<float (*)(float)>(x1::log);
constexpr auto kSigmoid = static_cast<float (*)(float)>(x1::sigmoid);
constexpr auto kSilu = static_cast<float (*)(float)>(x1::silu);
constexpr auto kSqrt = static_cast<float (*)(float)>(x1::sqrt);
constexpr auto kRound = static_cast<float (*)(float)>(x1::round_bf16);

constexpr Entry kEntries[] = {
    {"x1/exp", [](BitHash& h) { return scalar<kExp>(h, exp_inputs()); }},
    {"x1/log", [](BitHash& h) { return scalar<kLog>(h, positive(patterns(2))); }},
    {"x1/sigmoid", [](BitHash& h) { return scalar<kSigmoid>(h, exp_inputs()); }},
    {"x1/silu", [](BitHash& h) { return scalar<kSilu>(h, exp_inputs()); }},
    {"x1/sqrt", [](BitHash& h) { return scalar<kSqrt>(h, positive(patterns(2))); }},
    {"x1/round_bf16", [](BitHash& h) { return scalar<kRound>(h, patterns(6)); }},
    {"x1/fma", scalar_fma},
    {"x1/emulated_fma", emulated_fma},
    {"x1/row_sum",
     [](BitHash& h) {
       return row_sums(h, [](int64_t n, const float* x) {
         return x1::row_sum<float>(std::span<const float>(x, static_cast<size_t>(n)));
       });
     }},
    {"x1/exp_double", [](BitHash& h) { return each_double(h, doubles(18, 700), [](double v) { return x1::exp(v); }); }},
    {"x1/log_double",
     [](BitHash& h) { return each_double(h, doubles(19, 9), [](double v) { return x1::log(v + 9.001); }); }},
    {"x1/sigmoid_double",
     [](BitHash& h) { return each_double(h, doubles(20, 30), [](double v) { return x1::sigmoid(v); }); }},
    {"x1/pow", power},
    {"x1/sincos", sine_cosine},
    {"x1/fma_double", double_fma<x1::fma>},
    {"x1/emulated_fma_double", double_fma<x1::emulated_fma>},
    {"philox/words", philox_words},
    {"philox/normal", normals},
    {"vector/exp", [](BitHash& h) { return vector(h, vectors().exp, exp_inputs()); }},
    {"vector/log", [](BitHash& h) { return vector(h, vectors().log, positive(patterns(2))); }},
    {"vector/sigmoid", [](BitHash& h) { return vector(h, vectors().sigmoid, exp_inputs()); }},
    {"vector/silu", [](BitHash& h) { return vector(h, vectors().silu, exp_inputs()); }},
    {"vector/sqrt", [](BitHash& h) { return vector(h, vectors().sqrt, positive(patterns(2))); }},
    {"vector/round_bf16", [](BitHash& h) { return vector(h, vectors().round_bf16, patterns(6)); }},
    {"vector/fma", vector_fma},
    {"vector/row_sum", [](BitHash& h) { return row_sums(h, vectors().row_sum); }},
};

}  // namespace

std::span<const Entry> function_entries() { return kEntries; }

}  // namespace nuri::selftest
