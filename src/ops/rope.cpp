#include "ops/rope.h"

#include <algorithm>
#include <cmath>

#include "autograd/kept.h"
#include "autograd/tape.h"
#include "base/threads.h"
#include "base/x1.h"

namespace nuri {

namespace {
constexpr double kPi = 3.14159265358979323846;

double yarn_gm(double factor, double m) { return factor <= 1 ? 1.0 : 0.1 * m * x1::log(factor) + 1.0; }
}  // namespace

std::vector<double> rope_frequencies(int64_t dim, double theta, const YarnOptions& yarn) {
  NURI_ASSERT(dim > 0 && dim % 2 == 0 && theta > 1, "dim {}, theta {}", dim, theta);
  std::vector<double> w(static_cast<size_t>(dim / 2));
  const double d = static_cast<double>(dim);
  for (int64_t j = 0; j < dim / 2; ++j) w[static_cast<size_t>(j)] = x1::pow(theta, -2.0 * static_cast<double>(j) / d);
  if (yarn.factor <= 1) return w;
  auto turns = [&](double r) {
    return d * x1::log(yarn.original_max_positions / (r * 2 * kPi)) / (2 * x1::log(theta));
  };
  const double low = std::max(std::floor(turns(yarn.beta_fast)), 0.0);
  double high = std::min(-std::floor(-turns(yarn.beta_slow)), d - 1);  // ceil
  if (high <= low) high = low + 0.001;
  for (int64_t j = 0; j < dim / 2; ++j) {
    const double ramp = std::clamp((static_cast<double>(j) - low) / (high - low), 0.0, 1.0);
    double& f = w[static_cast<size_t>(j)];
    f = f / yarn.factor * ramp + f * (1 - ramp);
  }
  return w;
}

double yarn_amplitude(const YarnOptions& yarn) {
  if (yarn.attention_factor != 0) return yarn.attention_factor;
  if (yarn.factor <= 1) return 1;
  if (yarn.mscale != 0 && yarn.mscale_all_dim != 0)
    return yarn_gm(yarn.factor, yarn.mscale) / yarn_gm(yarn.factor, yarn.mscale_all_dim);
  return yarn_gm(yarn.factor, 1);
}

double yarn_softmax_scale(const YarnOptions& yarn) {
  if (yarn.mscale_all_dim == 0) return 1;
  const double gm = yarn_gm(yarn.factor, yarn.mscale_all_dim);
  return gm * gm;
}

RopeTable::RopeTable(int64_t max_positions, int64_t dim, double theta, const YarnOptions& yarn)
    : dim_(dim), amplitude_(yarn_amplitude(yarn)), frequencies_(rope_frequencies(dim, theta, yarn)) {
  ensure(max_positions - 1);
}

void RopeTable::ensure(int64_t max_position) {
  const bool made = cos.defined() && (cos.raw() != nullptr || meta_active());
  if (made && max_position < cos.dim(0)) return;
  const int64_t half = dim_ / 2, n = std::max({max_position + 1, 2 * positions(), int64_t{64}});
  cos = Tensor::empty({n, half}, DType::f32, Owner::weights);
  sin = Tensor::empty({n, half}, DType::f32, Owner::weights);
  if (!cos.raw()) return;  // a meta run counts the memory
  float *c = cos.data<float>(), *s = sin.data<float>();
  parallel_ranges(n, 256, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      for (int64_t j = 0; j < half; ++j) {
        double sine, cosine;
        x1::sincos(static_cast<double>(p) * frequencies_[static_cast<size_t>(j)], sine, cosine);
        c[p * half + j] = static_cast<float>(cosine * amplitude_);
        s[p * half + j] = static_cast<float>(sine * amplitude_);
      }
  });
}

namespace reference {

template <class T>
void rope_head(int64_t dim, const T* x, const T* cos, const T* sin, bool interleaved, bool inverse, T* y) {
  for (int64_t j = 0; j < dim / 2; ++j) {
    const int64_t first = interleaved ? 2 * j : j, second = interleaved ? 2 * j + 1 : j + dim / 2;
    const T a = x[first], b = x[second], c = cos[j], s = inverse ? -sin[j] : sin[j];
    y[first] = x1::fma(a, c, -(b * s));
    y[second] = x1::fma(b, c, a * s);
  }
}
template void rope_head(int64_t, const float*, const float*, const float*, bool, bool, float*);
template void rope_head(int64_t, const double*, const double*, const double*, bool, bool, double*);

void rope(const RopeArgs& a) {
  for (int64_t t = 0; t < a.n_tokens; ++t) {
    const int64_t angle = a.positions[t] * (a.dim / 2);
    for (int64_t h = 0; h < a.n_heads; ++h)
      rope_head(a.dim, a.x + t * a.x_row + h * a.x_head, a.cos + angle, a.sin + angle, a.interleaved, a.inverse,
                a.y + t * a.y_row + h * a.y_head);
  }
}

}  // namespace reference

Tensor rope(const Tensor& x, const std::vector<int32_t>& positions, const RopeTable& table, int64_t n_heads,
            int64_t head_dim, int64_t rope_offset, int64_t rope_dim, bool interleaved, bool in_place) {
  x.expect({static_cast<int64_t>(positions.size()), n_heads * head_dim}, "rope x [n_tokens, n_heads * head_dim]");
  NURI_ASSERT(rope_dim == table.dim() && rope_offset >= 0 && rope_offset + rope_dim <= head_dim);
  for (const int32_t p : positions)
    NURI_ASSERT(p >= 0 && p < table.positions(), "position {} of {}: ensure() first", p, table.positions());
  Tensor y = in_place ? x : x.clone();
  auto rotate = [positions, cos = table.cos, sin = table.sin, n_heads, head_dim, rope_offset, rope_dim, interleaved](
                    const Tensor& v, bool inverse) {
    float* data = v.data<float>() + (meta_active() ? 0 : rope_offset);
    run(kernels().rope, reference::rope,
        RopeArgs{.n_tokens = v.dim(0),
                 .n_heads = n_heads,
                 .dim = rope_dim,
                 .x = data,
                 .x_row = v.row_stride(),
                 .x_head = head_dim,
                 .y = data,
                 .y_row = v.row_stride(),
                 .y_head = head_dim,
                 .positions = positions.data(),
                 .cos = cos.data<float>(),
                 .sin = sin.data<float>(),
                 .interleaved = interleaved,
                 .inverse = inverse});
  };
  rotate(y, false);
  if (Tape* tape = Tape::current()) {
    tape->record("rope", [x = x.id(), y = y.id(), rotate](Tape& t) {
      const Tensor dy = t.take_own_grad(y);
      if (!dy.defined()) return;
      rotate(dy, true);
      t.add_grad(x, dy);
    });
    // In place, what is kept of y is made again as x was, and turned.
    if (in_place && tape->again(x))
      can_make_again(y, [x = Kept(x), rotate] {
        const Tensor again = x.get();
        rotate(again, false);
        return again;
      });
  }
  observe("rope", y);
  return y;
}

}  // namespace nuri
