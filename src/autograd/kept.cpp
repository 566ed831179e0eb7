#include "autograd/kept.h"

#include <utility>

namespace nuri {

Kept::Kept(const Tensor& x) {
  if (Tape* tape = Tape::current()) again_ = tape->again(x);
  if (again_)
    ++again_->readers;
  else
    tensor_ = x;
}

Tensor Kept::get() const {
  if (!again_) return tensor_;
  if (!again_->value.defined()) {
    const NoTapeScope none;
    again_->value = again_->make();
  }
  Tensor value = again_->value;
  if (--again_->readers == 0) again_->value = {};
  return value;
}

void can_make_again(const Tensor& y, std::function<Tensor()> make) {
  Tape* tape = Tape::current();
  if (!tape || tape->recompute() != Recompute::selective) return;
  auto again = std::make_shared<detail::Again>();
  again->make = std::move(make);
  tape->remember(y, std::move(again));
}

Tensor recomputed_block(Tape& tape, const char* name, std::function<Tensor(bool again)> forward) {
  Tensor y;
  {
    const NoTapeScope none;
    y = forward(false);
  }
  tape.record(name, [y = y.id(), forward = std::move(forward)](Tape& t) {
    Tensor dy = t.take_grad(y);
    if (!dy.defined()) return;
    const TapeScope scope(t);  // what runs now is recorded behind this node, and goes backwards next
    t.add_grad(forward(true), std::move(dy));
  });
  return y;
}

}  // namespace nuri
