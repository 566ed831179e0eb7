#include "ops/residual.h"

#include <cstring>

#include "autograd/tape.h"
#include "base/threads.h"

namespace nuri {

namespace reference {

void add(const AddArgs& args) {
  for (int64_t i = 0; i < args.n; ++i) args.y[i] = args.a[i] + args.b[i];
}

}  // namespace reference

namespace {

/// y = [parts], widths[i] columns each; an undefined part is zero.
void join_columns(const std::vector<Tensor>& parts, const std::vector<int64_t>& widths, const Tensor& y) {
  constexpr int64_t kTaskFloats = 16 * 1024;
  parallel_ranges(y.dim(0), std::max<int64_t>(1, kTaskFloats / y.dim(1)), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* to = y.data<float>() + t * y.row_stride();
      for (size_t i = 0; i < parts.size(); ++i) {
        const size_t width = static_cast<size_t>(widths[i]);
        if (parts[i].defined())
          std::memcpy(to, parts[i].data<float>() + t * parts[i].row_stride(), width * sizeof(float));
        else
          std::memset(to, 0, width * sizeof(float));
        to += width;
      }
    }
  });
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  NURI_ASSERT(a.shape() == b.shape() && a.contiguous() && b.contiguous(), "{} + {}", a.shape().text(),
              b.shape().text());
  Tensor y = Tensor::empty(a.shape());
  run(kernels().add, reference::add, AddArgs{a.size(), a.data<float>(), b.data<float>(), y.data<float>()});
  record_add(a.id(), b.id(), y.id());
  observe("add", y);
  return y;
}

void record_add(uint64_t a, uint64_t b, uint64_t y) {
  Tape* tape = Tape::current();
  if (!tape) return;
  tape->record("add", [a, b, y](Tape& t) {
    const Tensor dy = t.take_grad(y);
    if (!dy.defined()) return;
    t.add_grad(b, dy);
    t.add_grad(a, dy);
  });
}

std::vector<Tensor> split_columns(const Tensor& x, const std::vector<int64_t>& widths) {
  std::vector<Tensor> parts;
  int64_t end = 0;
  for (const int64_t width : widths) {
    parts.push_back(x.columns(end, end + width));
    end += width;
  }
  NURI_ASSERT(end == x.dim(1), "parts of {} columns, x has {}", end, x.dim(1));
  if (Tape* tape = Tape::current()) {
    std::vector<uint64_t> ids;
    for (const Tensor& part : parts) ids.push_back(part.id());
    tape->record("split_columns", [x = x.id(), shape = x.shape(), ids, widths](Tape& t) {
      std::vector<Tensor> grads;
      bool any = false;
      for (const uint64_t id : ids) {
        grads.push_back(t.take_grad(id));
        any |= grads.back().defined();
      }
      if (!any) return;
      const Tensor dx = Tensor::empty(shape);
      if (!meta_active()) join_columns(grads, widths, dx);
      t.add_grad(x, dx);
    });
  }
  return parts;
}

}  // namespace nuri
