// Drivers of Muon's passes: elements of one array, or of many matrices, shared among threads.
#include <algorithm>
#include <vector>

#include "backend/cpu/cpu.h"
#include "backend/cpu/levels.h"
#include "backend/cpu/rows.h"
#include "base/threads.h"

namespace nuri::cpu {
namespace {

constexpr int64_t kTaskElements = 8192;  // about 100 KB of memory, as in rows.cpp

const MuonKernels& muon() {
  return pick(portable::muon_kernels, avx2::muon_kernels, avx512::muon_kernels, avx512_bf16::muon_kernels);
}

/// body(matrix, begin, end) over ranges of the elements of all matrices.
template <class Matrix, class Body>
void parallel_matrices(std::span<const Matrix> matrices, Body body) {
  std::vector<int64_t> first{0};  // task of each matrix, and the number of all
  for (const Matrix& m : matrices) first.push_back(first.back() + (m.n + kTaskElements - 1) / kTaskElements);
  parallel_for(first.back(), [&](int64_t task) {
    const auto next = std::upper_bound(first.begin(), first.end(), task);
    const Matrix& m = matrices[static_cast<size_t>(next - first.begin() - 1)];
    const int64_t begin = (task - *(next - 1)) * kTaskElements;
    body(m, begin, std::min(begin + kTaskElements, m.n));
  });
}

void axpby(const AxpbyArgs& a) {
  const MuonKernels& k = muon();
  parallel_ranges(a.n, kTaskElements, [&](int64_t begin, int64_t end) {
    k.axpby(end - begin, a.a, a.x + begin, a.b, a.y ? a.y + begin : nullptr, a.out + begin);
  });
}

void momentum(const MuonMomentumArgs& a) {
  const MuonKernels& k = muon();
  parallel_matrices(a.matrices, [&](const MuonMomentumArgs::Matrix& m, int64_t begin, int64_t end) {
    k.momentum(end - begin, a.momentum, 1.0f - a.momentum, a.clip, m.grad + begin, m.m + begin, m.u + begin);
  });
}

void update(const MuonUpdateArgs& a) {
  const MuonKernels& k = muon();
  parallel_matrices(a.matrices, [&](const MuonUpdateArgs::Matrix& m, int64_t begin, int64_t end) {
    uint16_t* copy = reinterpret_cast<uint16_t*>(m.copy);
    k.update(end - begin, a.lr_decay, a.rate, m.u + begin, m.p + begin, copy ? copy + begin : nullptr);
  });
}

}  // namespace

void add_muon(KernelTable& table) {
  table.axpby = axpby;
  table.muon_momentum = momentum;
  table.muon_update = update;
}

}  // namespace nuri::cpu
