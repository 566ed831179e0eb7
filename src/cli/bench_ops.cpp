// Products, grouped expert products, attention and row operations, each as a share of the measured peak.
#include <algorithm>

#include "arch/deepseek_v3.h"
#include "base/clock.h"
#include "base/median.h"
#include "base/philox.h"
#include "cli/bench.h"
#include "cli/documents.h"
#include "cli/machine.h"
#include "ops/combine.h"
#include "ops/linear.h"
#include "ops/product.h"

namespace nuri {

double median_seconds(const std::function<void()>& call, double budget) {
  call();
  std::vector<double> times;
  const double begin = seconds_now();
  while (seconds_now() - begin < budget || times.size() < 5) {
    const double start = seconds_now();
    call();
    times.push_back(seconds_now() - start);
  }
  return median(std::move(times));
}

namespace {

Tensor random_tensor(Shape shape, uint64_t stream) {
  Tensor t = Tensor::empty(shape);
  const Philox random(1, Purpose::test, stream);
  for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = random.uniform(static_cast<uint64_t>(i)) - 0.5f;
  return t;
}

class OpsBench {
 public:
  explicit OpsBench(const BenchOptions& options) : options_(options) {}

  /// Three rounds through all rows, so that what disturbs the machine for some seconds disturbs few of a row's.
  std::vector<BenchRow> run() {
    constexpr size_t kRounds = 3;
    std::vector<std::vector<BenchRow>> rounds;
    while (rounds.size() < kRounds) {
      round_ = fmt::format("round {} of {}", rounds.size() + 1, kRounds);
      rounds.push_back(run_once());
    }
    progress_.end();
    std::vector<BenchRow> rows = rounds[0];
    for (size_t i = 0; i < rows.size(); ++i) {
      std::vector<double> seconds, gflops;
      for (const std::vector<BenchRow>& round : rounds)
        seconds.push_back(round[i].seconds), gflops.push_back(round[i].gflops);
      rows[i].seconds = median(std::move(seconds));
      rows[i].gflops = median(std::move(gflops));
    }
    return rows;
  }

 private:
  std::vector<BenchRow> run_once() {
    rows_.clear();
    for (Precision p : {Precision::f32, Precision::bf16}) {
      precision_ = p;
      for (auto [m, n, k] : {std::array<int64_t, 3>{512, 512, 512}, {1024, 1024, 1024}, {2048, 1024, 2816}})
        product(m, n, k);
      for (int64_t m : {1, 4, 16, 32}) product(m, 4096, 4096);
      for (const char* preset : {"nano", "micro", "small"}) experts(preset);
    }
    return rows_;
  }

  void add(std::string what, double seconds, double flops) {
    progress_.show(fmt::format("{}: {}", round_, what));
    rows_.push_back({what + ", " + std::string(precision_name(precision_)),
                     std::string(kernels().products ? kernels().chip : "reference") + "/" + active_level_text(),
                     seconds, flops / seconds / 1e9, precision_ == Precision::bf16});
  }

  void product(int64_t m, int64_t n, int64_t k) {
    Weight w({{"w", {n, k}}}, DType::f32, false);
    const Tensor values = random_tensor({n, k}, 1);
    std::copy_n(values.data<float>(), values.size(), w.value.data<float>());
    const Tensor x = random_tensor({m, k}, 2);
    const double s = median_seconds([&] { (void)linear(x, w, precision_); }, options_.seconds);
    add(fmt::format("product {} x {} x {}", m, n, k), s, 2.0 * static_cast<double>(m * n * k));
  }

  /// The tokens of the utilisation figures: nano 8 x 256, micro 4 x 512, small 1 x 1,024.
  void experts(const std::string& preset) {
    const DeepseekV3Config c = read_config("recipes/" + preset + "/config.json");
    const int64_t tokens = preset == "small" ? 1024 : 2048, k = c.n_active_experts;
    Tensor chosen = Tensor::empty({tokens, k}, DType::i32);
    const Philox random(3, Purpose::test);
    for (int64_t t = 0; t < tokens; ++t) {  // k different experts, ascending
      std::vector<int32_t> ids;
      for (uint64_t draw = 0; static_cast<int64_t>(ids.size()) < k; ++draw) {
        const auto e = static_cast<int32_t>(
            random.below(static_cast<uint64_t>(c.n_routed_experts), static_cast<uint64_t>(t) * 1000 + draw));
        if (std::find(ids.begin(), ids.end(), e) == ids.end()) ids.push_back(e);
      }
      std::sort(ids.begin(), ids.end());
      std::copy(ids.begin(), ids.end(), chosen.data<int32_t>() + t * k);
    }
    const Dispatch slots = dispatch(chosen, c.n_routed_experts);
    grouped(preset + " gate_up", c, slots, tokens, c.d_model, 2 * c.d_ff_expert, true);
    grouped(preset + " down", c, slots, tokens, c.d_ff_expert, c.d_model, false);
  }

  void grouped(const std::string& what, const DeepseekV3Config& c, const Dispatch& slots, int64_t tokens, int64_t in,
               int64_t out, bool gather) {
    std::vector<std::unique_ptr<Weight>> weights;
    std::vector<Weight*> pointers;
    for (int64_t e = 0; e < c.n_routed_experts; ++e) {
      weights.push_back(std::make_unique<Weight>(std::vector<Weight::Part>{{"w", {out, in}}}, DType::f32, true));
      const Tensor values = random_tensor({out, in}, static_cast<uint64_t>(e));
      std::copy_n(values.data<float>(), values.size(), weights.back()->value.data<float>());
      pointers.push_back(weights.back().get());
    }
    const int64_t n_slots = tokens * c.n_active_experts;
    const Tensor x = random_tensor({gather ? tokens : n_slots, in}, 77), dy = random_tensor({n_slots, out}, 78);
    const double flops = 2.0 * static_cast<double>(n_slots * in * out);
    add("grouped forward, " + what,
        median_seconds([&] { (void)grouped_linear(x, pointers, slots, gather, precision_); }, options_.seconds), flops);
    Weight::pack_all(pointers, precision_, false);
    Tensor dx = Tensor::empty({n_slots, in});
    auto items = [&](bool to_x) {
      std::vector<ProductArgs> work;
      for (size_t e = 0; e < pointers.size(); ++e) {
        const int64_t begin = slots.offsets[e], count = slots.offsets[e + 1] - begin;
        const Operand dy_e{dy.data<float>() + begin * out, DType::f32, out, !to_x, nullptr};
        ProductArgs a{precision_, to_x ? count : out, in, to_x ? out : count, dy_e};
        if (to_x)
          a.packed = &pointers[e]->packed_backward(precision_);
        else
          a.b = gather ? Operand{x.data<float>(), DType::f32, in, false, slots.token_of_slot.data() + begin}
                       : Operand{x.data<float>() + begin * in, DType::f32, in, false, nullptr};
        a.c = to_x ? dx.data<float>() + begin * in : pointers[e]->grads[0].data<float>();
        a.c_stride = in;
        a.accumulate = !to_x;
        work.push_back(a);
      }
      return work;
    };
    add("grouped input gradient, " + what, median_seconds([&] { products(items(true)); }, options_.seconds), flops);
    add("grouped weight gradient, " + what, median_seconds([&] { products(items(false)); }, options_.seconds), flops);
  }

  BenchOptions options_;
  Precision precision_ = Precision::f32;
  std::vector<BenchRow> rows_;  // of this round
  std::string round_;
  ProgressPrinter progress_;
};

}  // namespace

std::vector<BenchRow> bench_ops(const BenchOptions& options) { return OpsBench(options).run(); }

}  // namespace nuri
