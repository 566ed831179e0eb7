#include "autograd/tape.h"

#include <optional>

#include "backend/kernels.h"
#include "base/profile.h"

namespace nuri {
namespace {

thread_local Tape* t_tape = nullptr;
thread_local Watcher t_watcher;
thread_local std::vector<std::string> t_modules;

void add_reference(const AddArgs& a) {
  for (int64_t i = 0; i < a.n; ++i) a.y[i] = a.a[i] + a.b[i];
}

std::string module_path() {
  std::string path;
  for (const std::string& name : t_modules) path += (path.empty() ? "" : ".") + name;
  return path;
}

/// y = a + b; y contiguous, and maybe a itself.
void add(const Tensor& a, const Tensor& b, const Tensor& y) {
  if (a.contiguous() && b.contiguous()) {
    run(kernels().add, add_reference, AddArgs{y.size(), a.data<float>(), b.data<float>(), y.data<float>()});
    return;
  }
  const Tensor whole_a = a.contiguous() ? a : a.clone(), whole_b = b.contiguous() ? b : b.clone();
  add(whole_a, whole_b, y);
}

}  // namespace

Tape* Tape::current() { return t_tape; }

void Tape::record(const char* op, Backward backward) {
  nodes_.push_back({op, t_watcher || profile::on() ? module_path() : std::string(), std::move(backward)});
}

Tensor Tape::take_grad(uint64_t id) {
  auto found = grads_.find(id);
  if (found == grads_.end()) return {};
  Tensor grad = std::move(found->second);
  grads_.erase(found);
  return grad;
}

Tensor Tape::take_own_grad(uint64_t id) {
  Tensor grad = take_grad(id);
  return !grad.defined() || grad.unshared() ? grad : grad.clone();
}

void Tape::add_grad(uint64_t id, Tensor dx) {
  auto found = grads_.find(id);
  if (found == grads_.end()) {
    grads_.emplace(id, std::move(dx));
    return;
  }
  Tensor& sum = found->second;
  NURI_ASSERT(sum.shape() == dx.shape(), "{} += {}", sum.shape().text(), dx.shape().text());
  if (!sum.unshared() || !sum.contiguous()) {
    const Tensor shared = sum;
    sum = Tensor::empty(shared.shape());
    add(shared, dx, sum);
  } else {
    add(sum, dx, sum);
  }
}

Tensor Tape::own_grad(uint64_t id) {
  auto found = grads_.find(id);
  if (found == grads_.end()) return {};
  if (!found->second.unshared()) found->second = found->second.clone();
  return found->second;
}

void Tape::backward() {
  while (!nodes_.empty()) {
    Node node = std::move(nodes_.back());
    nodes_.pop_back();
    {
      std::optional<profile::Scope> scope;
      if (profile::on()) scope.emplace(node.module + (node.module.empty() ? "" : ".") + "gradient of " + node.op, true);
      node.backward(*this);
    }
    if (!t_watcher) continue;
    for (const auto& [id, grad] : grads_) t_watcher(("gradient of " + std::string(node.op)).c_str(), node.module, grad);
  }
  grads_.clear();
  again_.clear();
}

std::shared_ptr<detail::Again> Tape::again(const Tensor& x) const {
  auto found = again_.find({x.id(), x.dtype()});
  return found == again_.end() ? nullptr : found->second;
}

void Tape::remember(const Tensor& x, std::shared_ptr<detail::Again> again) {
  again_[{x.id(), x.dtype()}] = std::move(again);
}

TapeScope::TapeScope(Tape& tape) : previous_(t_tape) { t_tape = &tape; }
TapeScope::~TapeScope() { t_tape = previous_; }
NoTapeScope::NoTapeScope() : previous_(t_tape) { t_tape = nullptr; }
NoTapeScope::~NoTapeScope() { t_tape = previous_; }

void observe(const char* op, const Tensor& y) {
  if (t_watcher) t_watcher(op, module_path(), y);
}

bool watching() { return static_cast<bool>(t_watcher); }

WatchScope::WatchScope(Watcher watcher) { t_watcher = std::move(watcher); }
WatchScope::~WatchScope() { t_watcher = nullptr; }

ModuleScope::ModuleScope(const std::string& name) : profiled_(name) { t_modules.push_back(name); }
ModuleScope::~ModuleScope() { t_modules.pop_back(); }

}  // namespace nuri
