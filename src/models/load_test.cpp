// A model goes to its directory and comes back to the bit.
#include "models/load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <limits>
#include <thread>

#include "base/file.h"
#include "base/machine.h"
#include "base/test_support.h"
#include "models/train_batch.h"

namespace nuri {
namespace {

DeepseekV3Config config() {
  DeepseekV3Config c;
  c.vocab_size = 50;
  c.d_model = 17;
  c.n_layers = 2;
  c.n_heads = 3;
  c.q_lora_rank = 7;
  c.kv_lora_rank = 5;
  c.qk_nope_head_dim = 3;
  c.qk_rope_head_dim = 2;
  c.v_head_dim = 4;
  c.d_ff = 11;
  c.d_ff_expert = 6;
  c.n_routed_experts = 4;
  c.n_active_experts = 2;
  c.n_expert_groups = 1;
  c.n_kept_groups = 1;
  c.n_dense_layers = 1;
  c.max_seq_len = 128;
  return c;
}

RaggedBatch batch_of(int32_t n) {
  RaggedBatch b;
  for (int32_t i = 0; i < n; ++i) {
    b.tokens.push_back((i * 7) % 50);
    b.positions.push_back(i);
  }
  b.sequences = b.rows = {0, n};
  return b;
}

class RoundTrip : public testing::TestWithParam<DType> {};

TEST_P(RoundTrip, SameBits) {
  DeepseekV3 model(config(), {.dtype = GetParam(), .trainable = true});
  model.initialise(5);
  model.router_biases()[0].value.data<float>()[1] = 0.12345f;
  const test::TempDir dir;
  save_model(model, dir.path());
  const LoadedModel back = load_model(dir.path(), {});
  EXPECT_EQ(back.model->options().dtype, GetParam());
  EXPECT_TRUE(back.model->has_mtp());
  EXPECT_TRUE(back.notes.empty());
  const auto a = model_tensors(model), b = model_tensors(*back.model);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].name, b[i].name);
    EXPECT_EQ(std::memcmp(a[i].tensor.raw(), b[i].tensor.raw(), a[i].tensor.bytes()), 0) << a[i].name;
  }
  const Tensor x = model.logits_of(model.hidden(batch_of(9))),
               y = back.model->logits_of(back.model->hidden(batch_of(9)));
  EXPECT_EQ(std::memcmp(x.raw(), y.raw(), x.bytes()), 0);
}

/// Parts of matrices that begin whole panels: packed straight from the file.
DeepseekV3Config config_of_panels() {
  DeepseekV3Config c = config();
  c.q_lora_rank = 16;
  c.d_ff = 32;
  c.d_ff_expert = 16;
  return c;
}

/// Bits of the logits of a model that serves against those of one that copies its weights.
void expect_serving_equals_copying(const std::filesystem::path& directory, LoadOptions options) {
  const auto logits = [&](bool serving) {
    options.serving = serving;
    const LoadedModel loaded = load_model(directory, options);
    return loaded.model->logits_of(loaded.model->hidden(batch_of(9))).clone();
  };
  const Tensor copied = logits(false), served = logits(true);
  EXPECT_EQ(std::memcmp(copied.raw(), served.raw(), copied.bytes()), 0);
}

TEST_P(RoundTrip, ServingGivesTheSameBits) {
  for (const DeepseekV3Config& c : {config(), config_of_panels()}) {
    DeepseekV3 model(c, {.dtype = GetParam(), .trainable = true});
    model.initialise(5);
    const test::TempDir dir;
    save_model(model, dir.path());
    for (const MlaForm form : {MlaForm::expanded, MlaForm::absorbed})
      for (const DType dtype : {DType::f32, DType::bf16})  // one of them converts
        expect_serving_equals_copying(dir.path(), {.dtype = dtype, .form = form});
    // Data that begins at an odd byte: a header one blank longer.
    const std::filesystem::path file = dir.path() / "model.safetensors";
    std::string bytes = read_file(file);
    const size_t header = 8 + static_cast<unsigned char>(bytes[0]) + 256 * static_cast<unsigned char>(bytes[1]);
    bytes.insert(header, " ");
    ++bytes[0];
    ASSERT_NE(bytes[0], 0);
    write_file_atomic(file, bytes);
    expect_serving_equals_copying(dir.path(), {});
  }
}

TEST_P(RoundTrip, ServingFromShardsGivesTheSameBits) {
  DeepseekV3 model(config_of_panels(), {.dtype = GetParam(), .trainable = true});
  model.initialise(5);
  const test::TempDir dir;
  write_file_atomic(dir.path() / "config.json", config_of(model));
  // By turns, so that parts of one matrix (q_a and kv_a, gate and up) come from different files.
  std::vector<NamedTensor> shards[3];
  std::string map;
  const std::vector<NamedTensor> all = model_tensors(model);
  for (size_t i = 0; i < all.size(); ++i) {
    shards[i % 3].push_back(all[i]);
    map += fmt::format("{}\"{}\": \"{}.safetensors\"", i ? ", " : "", all[i].name, i % 3);
  }
  for (size_t i = 0; i < 3; ++i) write_safetensors(dir.path() / fmt::format("{}.safetensors", i), shards[i]);
  write_file_atomic(dir.path() / "model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  for (const MlaForm form : {MlaForm::expanded, MlaForm::absorbed})
    expect_serving_equals_copying(dir.path(), {.form = form});
}

TEST(Serving, GivesTheSameBitsFromHalfPrecision) {  // no type that products read: through a copy
  DeepseekV3 model(config_of_panels(), {.dtype = DType::f32, .trainable = true});
  model.initialise(5);
  const test::TempDir dir;
  write_file_atomic(dir.path() / "config.json", config_of(model));
  std::vector<NamedTensor> halves = model_tensors(model);
  for (NamedTensor& t : halves) {
    if (t.name.ends_with("e_score_correction_bias")) continue;
    const Tensor half = Tensor::empty(t.tensor.shape(), DType::f16);
    for (int64_t i = 0; i < half.size(); ++i)  // patterns of finite numbers about 1/8, of both signs
      static_cast<uint16_t*>(half.raw())[i] = static_cast<uint16_t>((i % 2) << 15 | 0x3000 | (i * 37) % 1024);
    t.tensor = half;
  }
  write_safetensors(dir.path() / "model.safetensors", halves);
  for (const DType dtype : {DType::f32, DType::bf16}) expect_serving_equals_copying(dir.path(), {.dtype = dtype});
}

TEST_P(RoundTrip, ServingHoldsWeightsOnce) {
  DeepseekV3 model(config_of_panels(), {.dtype = GetParam(), .trainable = true});
  model.initialise(5);
  const test::TempDir dir;
  save_model(model, dir.path());
  const int64_t before = memory_use()[static_cast<size_t>(Owner::weights)].now;
  const LoadedModel loaded = load_model(dir.path(), {.serving = true});
  const int64_t stored = memory_use()[static_cast<size_t>(Owner::weights)].now - before;
  EXPECT_FALSE(loaded.model->has_mtp());
  int64_t values = 0;
  loaded.model->visit([&](Weight& w) {
    if (w.value.defined()) values += static_cast<int64_t>(w.value.bytes());
  });
  EXPECT_LT(values, 2000 * static_cast<int64_t>(dtype_bytes(GetParam())));  // embedding, norms
  EXPECT_LE(values, stored);
  EXPECT_LT(stored, values + 64 * 64);  // rounded up to cache lines
  const int64_t packed = memory_use()[static_cast<size_t>(Owner::packed_weights)].now;
  (void)loaded.model->logits_of(loaded.model->hidden(batch_of(9)));
  EXPECT_EQ(memory_use()[static_cast<size_t>(Owner::packed_weights)].now, packed) << "packed again by a forward";
}

/// Most anonymous memory that was resident while `work` ran, above what was before, looked at all the time.
int64_t most_anonymous(const std::function<void()>& work) {
  const int64_t before = resident_bytes().anonymous;
  std::atomic<bool> done{false};
  std::atomic<int64_t> most{0};
  std::thread watch([&] {
    while (!done) most = std::max<int64_t>(most, resident_bytes().anonymous - before);
  });
  work();
  done = true;
  watch.join();
  return std::max<int64_t>(most, resident_bytes().anonymous - before);
}

TEST_P(RoundTrip, ServingTakesMemoryForWeightsOnceAlsoWhileLoading) {
  if (test::kSanitized) GTEST_SKIP() << "the sanitizer keeps freed memory";
  DeepseekV3Config c = config_of_panels();
  c.d_model = 1024;
  c.d_ff = GetParam() == DType::bf16 ? 16384 : 8192;  // matrices of 32 MiB and more, which trim_memory() gives back
  const test::TempDir dir;
  {
    DeepseekV3 model(c, {.dtype = GetParam(), .trainable = true});
    model.initialise(5);
    save_model(model, dir.path());
  }
  trim_memory();
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(dir.path() / "model.safetensors"));
  ASSERT_GT(bytes, 90 << 20);
  LoadedModel loaded;
  const int64_t most = most_anonymous([&] {
    loaded = load_model(dir.path(), {.serving = true});
    (void)loaded.model->logits_of(loaded.model->hidden(batch_of(9)));
  });
  EXPECT_GT(most, bytes / 2);  // packed
  EXPECT_LT(most, bytes + bytes / 8) << "a second copy was held";
}

TEST_P(RoundTrip, ServingRefusesWhatIsNotANumber) {
  for (const DeepseekV3Config& c : {config(), config_of_panels()}) {
    DeepseekV3 model(c, {.dtype = GetParam(), .trainable = true});
    model.initialise(5);
    const Parameter& p = *model.parameters()[7];
    p.master.data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
    model.refresh();
    const test::TempDir dir;
    save_model(model, dir.path());
    const std::string error = test::error_of([&] { (void)load_model(dir.path(), {.serving = true}); });
    EXPECT_NE(error.find(p.name), std::string::npos) << error;
    EXPECT_NE(error.find("element 3 is NaN"), std::string::npos) << error;
  }
}

TEST(Load, RefusesQuantisedWeights) {
  DeepseekV3 model(config(), {.dtype = DType::f32, .trainable = true});
  model.initialise(5);
  const test::TempDir dir;
  save_model(model, dir.path());
  std::string text = read_file(dir.path() / "config.json");
  text.insert(text.find('{') + 1, R"("quantization_config": {"quant_method": "fp8"},)");
  write_file_atomic(dir.path() / "config.json", text);
  EXPECT_NE(test::error_of([&] { load_model(dir.path(), {}); }).find("method fp8"), std::string::npos);
}

TEST_P(RoundTrip, WithoutMtp) {
  DeepseekV3 model(config(), {.dtype = GetParam(), .trainable = true, .with_mtp = false});
  model.initialise(5);
  const test::TempDir dir;
  save_model(model, dir.path());
  EXPECT_EQ(read_config(dir.path() / "config.json").n_mtp_layers, 0);
  EXPECT_FALSE(load_model(dir.path(), {}).model->has_mtp());
}

INSTANTIATE_TEST_SUITE_P(All, RoundTrip, testing::Values(DType::f32, DType::bf16),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

TEST(Initialise, IsAFunctionOfSeedAndName) {
  DeepseekV3 with(config(), {.dtype = DType::f32, .trainable = true}),
      without(config(), {.dtype = DType::f32, .trainable = true, .with_mtp = false});
  with.initialise(5);
  without.initialise(5);
  const auto a = model_tensors(with);
  for (const NamedTensor& t : model_tensors(without))
    for (const NamedTensor& u : a) {
      if (u.name != t.name) continue;
      EXPECT_EQ(std::memcmp(u.tensor.raw(), t.tensor.raw(), t.tensor.bytes()), 0) << t.name;
    }
}

TEST(RopeConfigOfAModel, EveryKeyReachesTheLogits) {
  DeepseekV3Config base = config();
  base.qk_rope_head_dim = 8;
  base.rope.yarn = YarnConfig{.factor = 4, .original_max_position = 32, .mscale = 1, .mscale_all_dim = 0.5};
  const auto logits = [](const DeepseekV3Config& c) {
    DeepseekV3 model(c, {.dtype = DType::f32});
    model.initialise(5);
    const Tensor y = model.logits_of(model.hidden(batch_of(20)));
    return std::vector<float>(y.span<float>().begin(), y.span<float>().end());
  };
  const std::vector<float> plain = logits(base);
  EXPECT_EQ(logits(base), plain);
  const std::pair<const char*, void (*)(RopeConfig&)> changes[] = {
      {"theta", [](RopeConfig& r) { r.theta = 500; }},
      {"interleaved", [](RopeConfig& r) { r.interleaved = false; }},
      {"factor", [](RopeConfig& r) { r.yarn->factor = 8; }},
      {"original_max_position", [](RopeConfig& r) { r.yarn->original_max_position = 512; }},
      {"beta_fast", [](RopeConfig& r) { r.yarn->beta_fast = 0.2; }},
      {"beta_slow", [](RopeConfig& r) { r.yarn->beta_slow = 0.01; }},
      {"mscale", [](RopeConfig& r) { r.yarn->mscale = 0.7; }},
      {"mscale_all_dim", [](RopeConfig& r) { r.yarn->mscale_all_dim = 0; }},
      {"attention_factor", [](RopeConfig& r) { r.yarn->attention_factor = 1.25; }},
  };
  for (const auto& [name, change] : changes) {
    DeepseekV3Config other = base;
    change(other.rope);
    EXPECT_NE(logits(other), plain) << name;
  }
}

TEST(MakeTrainBatch, DocumentsAndTargets) {
  const std::vector<int32_t> tokens{1, 2, 3, 4, 5, 6}, documents{0, 0, 1, 1, 1, 1};
  const TrainBatch b = make_train_batch(tokens, documents, 1, 5, true);
  EXPECT_EQ(b.batch.sequences, (std::vector<int64_t>{0, 2, 5}));
  EXPECT_EQ(b.batch.positions, (std::vector<int32_t>{0, 1, 0, 1, 2}));
  EXPECT_EQ(b.targets, (std::vector<int32_t>{2, 3, 4, 5, 6}));
  EXPECT_EQ(b.counts, (std::vector<uint8_t>{1, 0, 1, 1, 1}));
  EXPECT_EQ(b.mtp_counts, (std::vector<uint8_t>{0, 0, 1, 1, 0}));
  EXPECT_EQ(b.n_targets(), 4);
  std::vector<int32_t> index;
  const RaggedBatch shifted = shift_for_mtp(b.batch, index);
  EXPECT_EQ(index, (std::vector<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(shifted.tokens, (std::vector<int32_t>{2, 3, 4, 5}));
  EXPECT_EQ(shifted.sequences, (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(shifted.rows, (std::vector<int64_t>{0, 4}));
  // Without the mask the row is one document.
  const TrainBatch whole = make_train_batch(tokens, documents, 1, 5, false);
  EXPECT_EQ(whole.batch.sequences, (std::vector<int64_t>{0, 5}));
  EXPECT_EQ(whole.n_targets(), 5);
}

TEST(MakeTrainBatch, OnlyWhatIsLearnedIsATarget) {
  const std::vector<int32_t> tokens{1, 2, 3, 4, 5, 6}, documents{0, 0, 0, 0, 1, 1};
  const std::vector<uint8_t> learned{1, 0, 1, 1, 1, 0};
  const TrainBatch b = make_train_batch(tokens, documents, 1, 5, true, learned);
  EXPECT_EQ(b.counts, (std::vector<uint8_t>{0, 1, 1, 0, 0}));  // token i + 1 learned, and of the same document
  EXPECT_EQ(b.mtp_counts, (std::vector<uint8_t>{1, 1, 0, 0, 0}));
  const TrainBatch all = make_train_batch(tokens, documents, 1, 5, true, std::vector<uint8_t>(6, 1));
  EXPECT_EQ(all.counts, make_train_batch(tokens, documents, 1, 5, true).counts);
}

TEST(MakeTrainBatch, RowsOfOneToken) {
  const std::vector<int32_t> tokens{1, 2, 3, 4}, documents{0, 0, 0, 0};
  const TrainBatch b = make_train_batch(tokens, documents, 2, 1, true);
  std::vector<int32_t> index;
  const RaggedBatch shifted = shift_for_mtp(b.batch, index);
  EXPECT_EQ(shifted.n_tokens(), 0);
  DeepseekV3 model(config(), {.dtype = DType::f32, .trainable = true});
  model.initialise(1);
  LossSums sums;
  EXPECT_NO_THROW(model.losses(b, {.targets_of_step = 2, .rows_of_step = 2}, sums, nullptr));
  EXPECT_GT(sums.main, 0);
  EXPECT_EQ(sums.mtp, 0);
}

}  // namespace
}  // namespace nuri
