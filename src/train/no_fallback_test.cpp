// A training step and decoding of the nano preset run on the chip's kernels alone: no op falls back to its reference,
// at any level this CPU has.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backend/cpu/cpu.h"
#include "backend/cpu/levels.h"
#include "base/philox.h"
#include "infer/cached_forward.h"
#include "ops/sampling.h"
#include "train/step.h"

namespace nuri {
namespace {

/// An entry of the table that counts its calls and passes them on to the CPU's.
template <class Function>
struct ArgsOf;
template <class Args>
struct ArgsOf<void (*)(Args)> {
  using type = Args;
};
template <auto Entry>
struct Counted {
  using Function = std::remove_cvref_t<decltype(std::declval<KernelTable>().*Entry)>;
  static inline int64_t calls = 0;
  static void call(typename ArgsOf<Function>::type args) {
    ++calls;
    (cpu::kernel_table().*Entry)(args);
  }
};

struct Row {
  const char* name;
  bool (*empty)(const KernelTable&);
  void (*install)(KernelTable&);
  int64_t* calls;
};
template <auto Entry>
Row row(const char* name) {
  return {name, [](const KernelTable& t) { return (t.*Entry) == nullptr; },
          [](KernelTable& t) { t.*Entry = Counted<Entry>::call; }, &Counted<Entry>::calls};
}

#define NURI_ROW(entry) row<&KernelTable::entry>(#entry)
const Row kRows[] = {NURI_ROW(pack),
                     NURI_ROW(products),
                     NURI_ROW(attention),
                     NURI_ROW(attention_grad),
                     NURI_ROW(rmsnorm),
                     NURI_ROW(rmsnorm_grad),
                     NURI_ROW(rope),
                     NURI_ROW(embedding),
                     NURI_ROW(embedding_grad),
                     NURI_ROW(swiglu),
                     NURI_ROW(swiglu_grad),
                     NURI_ROW(router),
                     NURI_ROW(router_grad),
                     NURI_ROW(combine),
                     NURI_ROW(combine_grad),
                     NURI_ROW(gather_grad),
                     NURI_ROW(log_sum_exp),
                     NURI_ROW(sampler_logits),
                     NURI_ROW(softmax_weights),
                     NURI_ROW(cross_entropy_grad),
                     NURI_ROW(add),
                     NURI_ROW(round),
                     NURI_ROW(adamw),
                     NURI_ROW(square_sum),
                     NURI_ROW(axpby),
                     NURI_ROW(muon_momentum),
                     NURI_ROW(muon_update)};
#undef NURI_ROW
static_assert(sizeof(KernelTable) == sizeof(std::string_view) + std::size(kRows) * sizeof(void*),
              "list the new entry of KernelTable here");

/// Entries whose op runs its reference.
std::vector<std::string> fallbacks(const KernelTable& table) {
  std::vector<std::string> names;
  for (const Row& r : kRows)
    if (r.empty(table)) names.push_back(r.name);
  return names;
}

std::vector<int32_t> random_ids(int64_t n, int64_t vocab) {
  const Philox random(11, Purpose::test);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i)
    ids.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(vocab), static_cast<uint64_t>(i))));
  return ids;
}

void train_one_step(DeepseekV3& model) {
  constexpr int64_t kTrainingRows = 2, kLength = 19;
  ASSERT_TRUE(model.has_mtp());
  Optimizer optimizer(model.parameters(), {.kind = OptimizerKind::muon});  // AdamW for some, Muon for the rest
  TrainStep step(model, optimizer, {.length = kLength});
  const int64_t n = kTrainingRows * (kLength + 1);
  const std::vector<int32_t> documents(static_cast<size_t>(n), 0);
  StepResult result = step.gradients(random_ids(n, model.config().vocab_size), documents, kTrainingRows);
  step.apply(result, 1e-3, 1);
}

void decode(DeepseekV3& model) {
  KvPool pool(model.config(), model.options().form, model.options().dtype, 1);
  KvSequence cache(pool);
  std::vector<int32_t> next = random_ids(5, model.config().vocab_size);
  for (uint64_t i = 0; i < 2; ++i) {  // a prompt, then one token
    std::vector<CacheStep> steps{{&cache, next}};
    const Tensor hidden = forward_cached(model, pool, steps);
    const Tensor row = model.logits_of(hidden.rows(hidden.dim(0) - 1, hidden.dim(0)));
    next = {sample(row.span<float>(), {}, 0, i).id};
  }
}

class NoFallback : public testing::TestWithParam<cpu::Level> {};

TEST_P(NoFallback, EveryOpOfTheNanoPresetRunsTheChipsKernel) {
  if (!cpu::level_available(GetParam())) GTEST_SKIP() << "this CPU lacks the level";
  const cpu::Level before = cpu::active_level();
  cpu::set_active_level(GetParam());
  EXPECT_EQ(fallbacks(kernels()), std::vector<std::string>());
  KernelTable counted{.chip = "counted"};
  for (const Row& r : kRows) r.install(counted);
  set_kernels(&counted);
  const DeepseekV3Config config = read_config(NURI_SOURCE_DIR "/recipes/nano/config.json");
  for (DType dtype : {DType::f32, DType::bf16})
    for (MlaForm form : {MlaForm::expanded, MlaForm::absorbed}) {
      for (const Row& r : kRows) *r.calls = 0;
      DeepseekV3 model(config, {.dtype = dtype, .trainable = true, .form = form});
      model.initialise(1);
      train_one_step(model);
      for (const Row& r : kRows) {
        if (dtype == DType::f32 && r.name == std::string("round")) continue;  // nothing is rounded in FP32
        if (r.name == std::string("softmax_weights") || r.name == std::string("sampler_logits")) continue;
        EXPECT_GT(*r.calls, 0) << r.name << " is not reached through the table by a step in " << dtype_name(dtype);
      }
      for (const Row& r : kRows) *r.calls = 0;
      decode(model);
      for (const Row& r : kRows)
        for (const char* name : {"products", "attention", "rmsnorm", "rope", "embedding", "swiglu", "router", "combine",
                                 "log_sum_exp", "sampler_logits", "softmax_weights", "add"})
          if (r.name == std::string(name)) {
            EXPECT_GT(*r.calls, 0) << name << " is not reached through the table by decoding in " << dtype_name(dtype);
          }
    }
  set_kernels(nullptr);
  cpu::set_active_level(before);
}

INSTANTIATE_TEST_SUITE_P(Levels, NoFallback,
                         testing::Values(cpu::Level::avx2, cpu::Level::avx512, cpu::Level::avx512_bf16),
                         [](const auto& info) { return std::string(cpu::level_name(info.param)); });

TEST(Fallbacks, AnEmptyEntryIsSeen) {
  KernelTable table = cpu::kernel_table();
  table.attention_grad = nullptr;
  table.square_sum = nullptr;
  EXPECT_EQ(fallbacks(table), (std::vector<std::string>{"attention_grad", "square_sum"}));
}

}  // namespace
}  // namespace nuri
