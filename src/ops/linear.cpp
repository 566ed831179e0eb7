#include "ops/linear.h"

#include <cstring>

#include "autograd/kept.h"
#include "autograd/tape.h"
#include "base/threads.h"
#include "ops/product.h"

namespace nuri {
namespace {

Operand operand(const Tensor& t, bool transposed = false, const int32_t* rows = nullptr) {
  return {t.raw(), t.dtype(), t.row_stride(), transposed, rows};
}

/// The product into y, which it makes.
ProductArgs forward_item(const Tensor& x, Weight& w, Precision precision, Tensor& y) {
  x.expect({-1, w.in()}, "linear x [n_tokens, in]");
  y = Tensor::empty({x.dim(0), w.out()});
  ProductArgs item{precision, x.dim(0), w.out(), w.in(), operand(x)};
  item.packed = &w.packed_forward(precision);
  item.c = y.data<float>(), item.c_stride = w.out();
  return item;
}

Tensor forward(const Tensor& x, Weight& w, Precision precision) {
  Tensor y;
  const ProductArgs item = forward_item(x, w, precision, y);
  products({&item, 1});
  return y;
}

}  // namespace

Tensor linear(const Tensor& x, Weight& w, Precision precision, int use, bool again) {
  const int64_t n_tokens = x.dim(0);
  const Tensor y = forward(x, w, precision);
  if (Tape* tape = Tape::current()) {
    if (again) can_make_again(y, [x = Kept(x), &w, precision] { return forward(x.get(), w, precision); });
    tape->record("linear", [kept = Kept(x), id = x.id(), y = y.id(), &w, precision, use, n_tokens](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (!dy.defined()) return;
      const Tensor x = kept.get();
      std::vector<ProductArgs> items;
      Tensor dx = Tensor::empty({n_tokens, w.in()});
      ProductArgs to_x{precision, n_tokens, w.in(), w.out(), operand(dy)};
      to_x.packed = &w.packed_backward(precision);
      to_x.c = dx.data<float>(), to_x.c_stride = w.in();
      items.push_back(to_x);
      if (w.trainable()) {
        ProductArgs to_w{precision, w.out(), w.in(), n_tokens, operand(dy, true)};
        to_w.b = operand(x);
        const Tensor& grad = w.grads[static_cast<size_t>(use)];
        to_w.c = grad.data<float>(), to_w.c_stride = w.in(), to_w.accumulate = w.continue_chain(use);
        items.push_back(to_w);
      }
      products(items);
      t.add_grad(id, dx);
    });
  }
  observe("linear", y);
  return y;
}

namespace {

/// What a grouped product needs to go backwards.
struct Grouped {
  std::vector<Weight*> experts;
  Dispatch dispatch;
  bool gather;
  Precision precision;
  int64_t n_tokens;

  int64_t in() const { return experts[0]->in(); }
  int64_t out() const { return experts[0]->out(); }
  int64_t n_slots() const { return static_cast<int64_t>(dispatch.token_of_slot.size()); }
  /// Rows of slots [begin, ...): gathered from x, or x's own.
  Operand slots_of(const Tensor& x, int64_t begin, bool transposed) const {
    if (gather) return operand(x, transposed, dispatch.token_of_slot.data() + begin);
    return operand(x.rows(begin, x.dim(0)), transposed);
  }

  /// The products into y, which it makes, behind those in `items`.
  void add_items(const Tensor& x, Tensor& y, std::vector<ProductArgs>& items) const {
    x.expect({gather ? -1 : n_slots(), in()}, "grouped_linear x [n_tokens or n_slots, in]");
    y = Tensor::empty({n_slots(), out()});
    Weight::pack_all(experts, precision, true);
    for (size_t e = 0; e < experts.size(); ++e) {
      const int64_t begin = dispatch.offsets[e], count = dispatch.offsets[e + 1] - begin;
      if (count == 0) continue;
      ProductArgs item{precision, count, out(), in(), slots_of(x, begin, false)};
      item.packed = &experts[e]->packed_forward(precision);
      item.c = y.rows(begin, begin + count).data<float>(), item.c_stride = out();
      items.push_back(item);
    }
  }

  void backward(Tape& tape, uint64_t x_id, const Tensor& x, const Tensor& dy) const {
    Tensor dxs = Tensor::empty({n_slots(), in()});
    Weight::pack_all(experts, precision, false);
    std::vector<ProductArgs> work;
    for (size_t e = 0; e < experts.size(); ++e) {
      const int64_t begin = dispatch.offsets[e], count = dispatch.offsets[e + 1] - begin;
      if (count == 0) continue;
      const Tensor dy_e = dy.rows(begin, begin + count);
      ProductArgs to_x{precision, count, in(), out(), operand(dy_e)};
      to_x.packed = &experts[e]->packed_backward(precision);
      to_x.c = dxs.rows(begin, begin + count).data<float>(), to_x.c_stride = in();
      work.push_back(to_x);
      if (!experts[e]->trainable()) continue;
      ProductArgs to_w{precision, out(), in(), count, operand(dy_e, true)};
      to_w.b = slots_of(x, begin, false);
      to_w.c = experts[e]->grads[0].data<float>(), to_w.c_stride = in();
      to_w.accumulate = experts[e]->continue_chain(0);
      work.push_back(to_w);
    }
    products(work);
    tape.add_grad(x_id, gather ? gather_grad(dxs, dispatch, n_tokens ? n_slots() / n_tokens : 1) : dxs);
  }
};

}  // namespace

Tensor grouped_linear(const Tensor& x, std::span<Weight* const> experts, const Dispatch& dispatch, bool gather,
                      Precision precision) {
  const Grouped g{{experts.begin(), experts.end()}, dispatch, gather, precision, x.dim(0)};
  Tensor y;
  std::vector<ProductArgs> items;
  g.add_items(x, y, items);
  products(items);
  if (Tape* tape = Tape::current()) {
    tape->record("grouped_linear", [g, x = Kept(x), id = x.id(), y = y.id()](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (dy.defined()) g.backward(t, id, x.get(), dy);
    });
  }
  observe("grouped_linear", y);
  return y;
}

SharedAndRouted linear_beside(const Tensor& shared, Weight& w, const Tensor& x, std::span<Weight* const> experts,
                              const Dispatch& dispatch, bool gather, Precision precision) {
  NURI_ASSERT(!Tape::current());
  SharedAndRouted y;
  std::vector<ProductArgs> items{forward_item(shared, w, precision, y.shared)};
  const Grouped g{{experts.begin(), experts.end()}, dispatch, gather, precision, x.dim(0)};
  g.add_items(x, y.routed, items);
  products(items);
  observe("linear", y.shared);
  observe("grouped_linear", y.routed);
  return y;
}

Tensor head_linear(const Tensor& x, Weight& w, const HeadProduct& heads, Precision precision) {
  const int64_t width = heads.end - heads.begin, rank = w.in(), n = heads.n_heads;
  const int64_t from = heads.into_rank ? width : rank, to = heads.into_rank ? rank : width;
  const int64_t rest = heads.x_head - from, y_head = to + rest;
  x.expect({-1, n * heads.x_head}, "head_linear x [n_tokens, n_heads * x_head]");
  NURI_ASSERT(rest >= 0 && w.out() == n * heads.head_rows);
  const int64_t n_tokens = x.dim(0);
  Tensor y = Tensor::empty({n_tokens, n * y_head});
  // The columns past the product of each head, from one tensor to another of the same tokens.
  auto copy_rest = [n, rest](const Tensor& source, int64_t source_head, int64_t source_width, const Tensor& target,
                             int64_t target_head, int64_t target_width) {
    if (rest == 0 || meta_active()) return;
    parallel_ranges(source.dim(0), 64, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        for (int64_t h = 0; h < n; ++h)
          std::memcpy(target.data<float>() + t * target.row_stride() + h * target_head + target_width,
                      source.data<float>() + t * source.row_stride() + h * source_head + source_width,
                      static_cast<size_t>(rest) * sizeof(float));
    });
  };
  std::vector<ProductArgs> items;
  for (int64_t h = 0; h < n; ++h) {
    const int64_t row = h * heads.head_rows + heads.begin;
    ProductArgs item{precision, n_tokens, to, from, operand(x.columns(h * heads.x_head, h * heads.x_head + from))};
    item.packed = &w.packed_rows(precision, row, row + width, !heads.into_rank);
    item.c = y.columns(h * y_head, h * y_head + to).data<float>(), item.c_stride = y.row_stride();
    items.push_back(item);
  }
  products(items);
  copy_rest(x, heads.x_head, from, y, y_head, to);
  if (Tape* tape = Tape::current()) {
    tape->record("head_linear", [=, y = y.id(), &w](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (!dy.defined()) return;
      Tensor dx = Tensor::empty({n_tokens, n * heads.x_head});
      std::vector<ProductArgs> work;
      for (int64_t h = 0; h < n; ++h) {
        const int64_t row = h * heads.head_rows + heads.begin;
        const Tensor dy_h = dy.columns(h * y_head, h * y_head + to);
        const Tensor x_h = x.columns(h * heads.x_head, h * heads.x_head + from);
        ProductArgs to_x{precision, n_tokens, from, to, operand(dy_h)};
        to_x.packed = &w.packed_rows(precision, row, row + width, heads.into_rank);
        to_x.c = dx.columns(h * heads.x_head, h * heads.x_head + from).data<float>(), to_x.c_stride = dx.row_stride();
        work.push_back(to_x);
        if (!w.trainable()) continue;
        // dW_h [width, rank] = (into_rank ? x_h : dy_h)^T (into_rank ? dy_h : x_h)
        ProductArgs to_w{precision, width, rank, n_tokens, operand(heads.into_rank ? x_h : dy_h, true)};
        to_w.b = operand(heads.into_rank ? dy_h : x_h);
        to_w.c = w.chain(0).rows(row, row + width).data<float>(), to_w.c_stride = rank, to_w.accumulate = true;
        work.push_back(to_w);
      }
      products(work);
      copy_rest(dy, y_head, to, dx, heads.x_head, from);
      t.add_grad(x, dx);
    });
  }
  observe("head_linear", y);
  return y;
}

}  // namespace nuri
