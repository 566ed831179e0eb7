// FP32 products y = x W^T of nuri, oneDNN and OpenBLAS in one process, alternating: GFLOP/s by medians of rounds, as
// JSON. Weights are packed beforehand where a library can (nuri, oneDNN); x is what it is in all. All operands of all
// three, packed weights too, lie in memory as nuri allocates it: in huge pages where they are large. Built by
// tools/bench_products.sh alone; nuri never links a peer.
#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "autograd/weight.h"
#include "backend/cpu/levels.h"
#include "backend/kernels.h"
#include "base/threads.h"
#include "nuri_commit.h"
#include "tensor/memory.h"

namespace {

constexpr int kRounds = 7;
constexpr double kRoundSeconds = 0.06;

struct Shape {
  int64_t m, n, k;
};
constexpr Shape kShapes[] = {{512, 512, 512},    {1024, 1024, 1024}, {512, 4096, 1024}, {2048, 512, 4096},
                             {2048, 2048, 2048}, {1, 4096, 1024},    {2, 4096, 1024},   {4, 4096, 1024},
                             {8, 4096, 1024},    {16, 4096, 1024},   {32, 4096, 1024},  {1, 1024, 4096},
                             {8, 1024, 1024},    {32, 1024, 1024}};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Memory of tensors, in small numbers.
class Memory {
 public:
  explicit Memory(size_t bytes)
      : bytes_(bytes), data_(static_cast<float*>(nuri::allocate(bytes, nuri::Owner::activations))) {
    for (size_t i = 0; i < bytes / sizeof(float); ++i)
      data_[i] = static_cast<float>(static_cast<int64_t>(i * 7919 % 1000) - 500) * 1e-3f;
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { nuri::release(data_, bytes_, nuri::Owner::activations); }
  float* data() const { return data_; }

 private:
  size_t bytes_;
  float* data_;
};
Memory numbers(int64_t n) { return Memory(static_cast<size_t>(n) * sizeof(float)); }

double rate(const std::function<void()>& product, double flops) {
  product();
  int64_t times = 0;
  const double begin = now();
  do {
    product();
    ++times;
  } while (now() - begin < kRoundSeconds);
  const double seconds = (now() - begin) / static_cast<double>(times);
  std::this_thread::sleep_for(
      std::chrono::milliseconds(30));  // until the threads of this library have stopped spinning
  return flops / seconds / 1e9;
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

/// oneDNN's matmul with weights in the layout it likes best.
class OneDnn {
 public:
  OneDnn(const Shape& s, float* x, float* w, float* y) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using dnnl::memory;
    const auto f32 = memory::data_type::f32;
    const memory::desc x_desc({s.m, s.k}, f32, memory::format_tag::ab), y_desc({s.m, s.n}, f32, memory::format_tag::ab);
    const memory::desc any({s.k, s.n}, f32, memory::format_tag::any), stored({s.k, s.n}, f32, memory::format_tag::ba);
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(x_desc, any, y_desc), engine_);
    memory weights(stored, engine_, w);
    room_.emplace(description.weights_desc().get_size());
    packed_ = memory(description.weights_desc(), engine_, room_->data());
    dnnl::reorder(weights, packed_).execute(stream_, weights, packed_);
    stream_.wait();
    matmul_ = dnnl::matmul(description);
    arguments_ = {{DNNL_ARG_SRC, memory(x_desc, engine_, x)},
                  {DNNL_ARG_WEIGHTS, packed_},
                  {DNNL_ARG_DST, memory(y_desc, engine_, y)}};
  }
  void run() {
    matmul_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::optional<Memory> room_;
  dnnl::memory packed_;
  dnnl::matmul matmul_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

}  // namespace

int main() {
  const nuri::FlushSubnormals flush;
  openblas_set_num_threads(nuri::thread_count());
  std::string rows;
  for (const Shape& s : kShapes) {
    const Memory x = numbers(s.m * s.k), w = numbers(s.n * s.k), y = numbers(s.m * s.n);
    const double flops = 2 * static_cast<double>(s.m * s.n * s.k);
    OneDnn onednn(s, x.data(), w.data(), y.data());
    const Memory room(nuri::packed_bytes(nuri::Precision::f32, s.k, s.n));
    nuri::PackedMatrix packed{nuri::Precision::f32, s.k, s.n, room.data()};
    const nuri::PackArgs pack{{w.data(), nuri::DType::f32, s.k, true, nullptr}, &packed};
    nuri::kernels().pack({&pack, 1});
    nuri::ProductArgs p;
    p.m = s.m, p.n = s.n, p.k = s.k;
    p.a = {.data = x.data(), .stride = s.k};
    p.packed = &packed;
    p.c = y.data(), p.c_stride = s.n;
    const auto m = static_cast<int>(s.m), n = static_cast<int>(s.n), k = static_cast<int>(s.k);
    std::vector<double> ours, dnn, blas;
    for (int round = 0; round < kRounds; ++round) {
      ours.push_back(rate([&] { nuri::kernels().products({&p, 1}); }, flops));
      dnn.push_back(rate([&] { onednn.run(); }, flops));
      blas.push_back(rate(
          [&] {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, x.data(), k, w.data(), k, 0, y.data(), n);
          },
          flops));
    }
    std::vector<double> ratios;  // of rounds: a neighbour of the machine disturbs all three of one
    for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / std::max(dnn[i], blas[i]));
    rows += fmt::format(
        "{}{{\"m\": {}, \"n\": {}, \"k\": {}, \"gflops\": {:.2f}, \"onednn\": {:.2f}, \"openblas\": {:.2f}, "
        "\"ratio\": {:.4f}}}",
        rows.empty() ? "" : ", ", s.m, s.n, s.k, median(ours), median(dnn), median(blas), median(ratios));
  }
  fmt::print("{{\"level\": \"{}\", \"threads\": {}, \"commit\": \"{}\", \"rows\": [{}]}}\n",
             nuri::cpu::level_name(nuri::cpu::active_level()), nuri::thread_count(), NURI_COMMIT, rows);
}
