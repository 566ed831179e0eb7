#include "ops/residual.h"

#include "autograd/tape.h"

namespace nuri {

namespace reference {

void add(const AddArgs& args) {
  for (int64_t i = 0; i < args.n; ++i) args.y[i] = args.a[i] + args.b[i];
}

}  // namespace reference

Tensor add(const Tensor& a, const Tensor& b) {
  NURI_ASSERT(a.shape() == b.shape() && a.contiguous() && b.contiguous(), "{} + {}", a.shape().text(),
              b.shape().text());
  Tensor y = Tensor::empty(a.shape());
  run(kernels().add, reference::add, AddArgs{a.size(), a.data<float>(), b.data<float>(), y.data<float>()});
  if (Tape* tape = Tape::current()) {
    tape->record("add", [a, b, y](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (!dy.defined()) return;
      // Both inputs receive dy itself; the first to be added into must not change the other's: one gets a copy.
      t.add_grad(b, dy.clone());
      t.add_grad(a, dy);
    });
  }
  observe("add", y);
  return y;
}

Tensor slice_columns(const Tensor& x, int64_t begin, int64_t end) {
  Tensor y = x.columns(begin, end);
  if (Tape* tape = Tape::current()) {
    tape->record("slice_columns", [x, y, begin, end](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (!dy.defined()) return;
      const Tensor part = t.grad_slot(x).columns(begin, end);
      if (meta_active()) return;
      for (int64_t i = 0; i < part.dim(0); ++i) {
        float* row = part.data<float>() + i * part.row_stride();
        run(kernels().add, reference::add, AddArgs{part.dim(1), row, dy.data<float>() + i * dy.row_stride(), row});
      }
    });
  }
  return y;
}

}  // namespace nuri
