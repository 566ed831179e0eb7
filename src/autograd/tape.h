// The tape: what the forward recorded, run backwards. Gradients belong to tensors by identity (Tensor::id); a backward
// captures the tensors whose values it reads, and of the others the identity alone, so that their memory is free.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/profile.h"
#include "tensor/tensor.h"

namespace nuri {

namespace detail {
struct Again;
}

/// What a backward makes again instead of keeping it; never visible in the bits.
enum class Recompute : uint8_t {
  none,
  selective,  ///< norms, SwiGLU and the up-projections of MLA: little work for a third of the activations
  blocks,     ///< whole layers: of each only its input is kept, and its forward runs twice
};

class Tape {
 public:
  using Backward = std::function<void(Tape&)>;
  explicit Tape(Recompute recompute = Recompute::none) : recompute_(recompute) {}

  Recompute recompute() const { return recompute_; }
  /// How to make x again; null where it has to be kept. See autograd/kept.h.
  std::shared_ptr<detail::Again> again(const Tensor& x) const;
  void remember(const Tensor& x, std::shared_ptr<detail::Again> again);

  /// Records the backward of an op that just ran. It is called once, in reverse order, and freed with all it captured.
  void record(const char* op, Backward backward);

  /// Gradient of y, taken off the tape; undefined when nothing flowed into y (then the backward has nothing to do).
  Tensor take_grad(const Tensor& y) { return take_grad(y.id()); }
  Tensor take_grad(uint64_t id);
  /// The same for a backward that changes it in place: a copy where it is another tensor's gradient as well.
  Tensor take_own_grad(uint64_t id);
  /// Adds dx to the gradient of x: the first is adopted as it is, others are added in the order in which they come. One
  /// dx may be given to several tensors; it is never changed while another holds it.
  void add_grad(const Tensor& x, Tensor dx) { add_grad(x.id(), std::move(dx)); }
  void add_grad(uint64_t id, Tensor dx);
  /// The gradient of x for a kernel that adds to it in place (a copy where others hold it); undefined when there is
  /// none yet.
  Tensor own_grad(uint64_t id);

  /// Runs all backwards in reverse. Seed the gradients of the outputs first (a loss op does it itself).
  void backward();
  size_t size() const { return nodes_.size(); }

  /// The tape that ops record on, or null: nothing is recorded (inference). One per thread.
  static Tape* current();

 private:
  friend class TapeScope;
  struct Node {
    const char* op;
    std::string module;  // of the forward; empty where nobody watches
    Backward backward;
  };
  std::vector<Node> nodes_;
  Recompute recompute_;
  std::map<std::pair<uint64_t, DType>, std::shared_ptr<detail::Again>> again_;  // a value and its rounding share an id
  std::unordered_map<uint64_t, Tensor> grads_;  // looked up by id; only a watcher sees all, in no order
};

/// Makes a tape current while alive.
class TapeScope {
 public:
  explicit TapeScope(Tape& tape);
  ~TapeScope();
  TapeScope(const TapeScope&) = delete;
  TapeScope& operator=(const TapeScope&) = delete;

 private:
  Tape* previous_;
};

/// No tape is current while alive.
class NoTapeScope {
 public:
  NoTapeScope();
  ~NoTapeScope();
  NoTapeScope(const NoTapeScope&) = delete;
  NoTapeScope& operator=(const NoTapeScope&) = delete;

 private:
  Tape* previous_;
};

// ------------------------------------------------------------------------------------------------ watching the values

/// Every op reports its output here. With a watcher set, the watcher sees (op, module path, tensor), and of a backward
/// ("gradient of " op, module path, gradient) for each gradient that waits on the tape after it: the search for the
/// first NaN runs a step again with one. Tape and forward must then both run while it is set.
using Watcher = std::function<void(const char* op, const std::string& module, const Tensor& y)>;
void observe(const char* op, const Tensor& y);
/// Whether a watcher is set: for ops whose output is no tensor yet.
bool watching();

/// Sets the watcher of this thread while alive.
class WatchScope {
 public:
  explicit WatchScope(Watcher watcher);
  ~WatchScope();
  WatchScope(const WatchScope&) = delete;
  WatchScope& operator=(const WatchScope&) = delete;
};

/// Names the module whose ops run while alive: "model.layers.3" / "self_attn".
class ModuleScope {
 public:
  explicit ModuleScope(const std::string& name);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  profile::Scope profiled_;
};

}  // namespace nuri
