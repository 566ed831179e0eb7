// What a backward reads of the forward: a tensor that is kept, or one that is made again (selective recomputation, as
// DeepSeek-V3 does for norms and up-projections; V3 paper, section 3.2.3). What is made again has the same bits.
#pragma once

#include <functional>
#include <memory>

#include "autograd/tape.h"
#include "tensor/tensor.h"

namespace nuri {

namespace detail {
struct Again {
  std::function<Tensor()> make;
  Tensor value;
  int readers = 0;  ///< that have still to read it; the last one lets it go
};
}  // namespace detail

/// A tensor that a backward reads once. Captured by it instead of the tensor.
class Kept {
 public:
  /// x itself, or where the current tape knows how to make x again: that.
  explicit Kept(const Tensor& x);
  /// The value. Makes it, if need be, for all that read it, without a tape.
  Tensor get() const;

 private:
  Tensor tensor_;
  std::shared_ptr<detail::Again> again_;
};

/// Tells the current tape how to make y again, where it recomputes (Tape::recompute); else nothing. `make` runs without
/// a tape and captures what it reads as Kept.
void can_make_again(const Tensor& y, std::function<Tensor()> make);

/// y = forward(false), whose inputs stay and of which nothing else is kept: it runs again at its backward, with
/// again = true (then it must not count what it saw a second time). For a tape that recomputes blocks.
Tensor recomputed_block(Tape& tape, const char* name, std::function<Tensor(bool again)> forward);

}  // namespace nuri
