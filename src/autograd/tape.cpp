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

/// into += x, both contiguous or both of rank 2.
void add_into(const Tensor& into, const Tensor& x) {
  NURI_ASSERT(into.shape() == x.shape(), "{} += {}", into.shape().text(), x.shape().text());
  if (meta_active()) return;
  if (into.contiguous() && x.contiguous()) {
    run(kernels().add, add_reference, AddArgs{into.size(), into.data<float>(), x.data<float>(), into.data<float>()});
    return;
  }
  for (int64_t i = 0; i < into.dim(0); ++i) {
    float* row = into.data<float>() + i * into.row_stride();
    run(kernels().add, add_reference, AddArgs{into.dim(1), row, x.data<float>() + i * x.row_stride(), row});
  }
}

}  // namespace

Tape* Tape::current() { return t_tape; }

void Tape::record(const char* op, Backward backward) {
  nodes_.push_back({op, t_watcher || profile::on() ? module_path() : std::string(), std::move(backward)});
}

Tensor Tape::take_grad(const Tensor& y) {
  auto found = grads_.find(y.id());
  if (found == grads_.end()) return {};
  Tensor grad = std::move(found->second);
  grads_.erase(found);
  return grad;
}

void Tape::add_grad(const Tensor& x, Tensor dx) {
  auto [slot, fresh] = grads_.try_emplace(x.id(), dx);
  if (!fresh) add_into(slot->second, dx);
}

Tensor Tape::grad_slot(const Tensor& x) {
  auto found = grads_.find(x.id());
  if (found != grads_.end()) return found->second;
  Tensor zeros = Tensor::zeros(x.shape());
  grads_.emplace(x.id(), zeros);
  return zeros;
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
}

TapeScope::TapeScope(Tape& tape) : previous_(t_tape) { t_tape = &tape; }
TapeScope::~TapeScope() { t_tape = previous_; }

void observe(const char* op, const Tensor& y) {
  if (t_watcher) t_watcher(op, module_path(), y);
}

bool watching() { return static_cast<bool>(t_watcher); }

WatchScope::WatchScope(Watcher watcher) { t_watcher = std::move(watcher); }
WatchScope::~WatchScope() { t_watcher = nullptr; }

ModuleScope::ModuleScope(const std::string& name) : profiled_(name) { t_modules.push_back(name); }
ModuleScope::~ModuleScope() { t_modules.pop_back(); }

}  // namespace nuri
