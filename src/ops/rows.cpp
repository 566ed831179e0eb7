#include "ops/rows.h"

#include <cstring>

#include "autograd/tape.h"

namespace nuri {
namespace {

void copy_row(float* to, const float* from, int64_t n) {
  std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

}  // namespace

Tensor take_rows(const Tensor& x, std::vector<int32_t> index) {
  const int64_t n = static_cast<int64_t>(index.size()), d = x.dim(1);
  Tensor y = Tensor::empty({n, d});
  if (!meta_active())
    for (int64_t i = 0; i < n; ++i)
      copy_row(y.data<float>() + i * d, x.data<float>() + index[static_cast<size_t>(i)] * x.row_stride(), d);
  if (Tape* tape = Tape::current()) {
    tape->record("take_rows", [x = x.id(), shape = x.shape(), y = y.id(), index = std::move(index), n, d](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (!dy.defined()) return;
      Tensor dx = Tensor::zeros(shape);
      if (!meta_active())
        for (int64_t i = 0; i < n; ++i)
          copy_row(dx.data<float>() + index[static_cast<size_t>(i)] * d, dy.data<float>() + i * dy.row_stride(), d);
      t.add_grad(x, dx);
    });
  }
  return y;
}

Tensor concat_columns(const Tensor& a, const Tensor& b) {
  NURI_ASSERT(a.dim(0) == b.dim(0));
  const int64_t n = a.dim(0), da = a.dim(1), db = b.dim(1);
  Tensor y = Tensor::empty({n, da + db});
  if (!meta_active())
    for (int64_t i = 0; i < n; ++i) {
      copy_row(y.data<float>() + i * (da + db), a.data<float>() + i * a.row_stride(), da);
      copy_row(y.data<float>() + i * (da + db) + da, b.data<float>() + i * b.row_stride(), db);
    }
  if (Tape* tape = Tape::current()) {
    tape->record("concat_columns", [a = a.id(), b = b.id(), y = y.id(), da, db](Tape& t) {
      const Tensor dy = t.take_grad(y);
      if (!dy.defined()) return;
      t.add_grad(a, dy.columns(0, da).clone());
      t.add_grad(b, dy.columns(da, da + db).clone());
    });
  }
  return y;
}

}  // namespace nuri
