#include "train/state.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "base/threads.h"
#include "io/checkpoint.h"
#include "io/model_files.h"
#include "io/model_write.h"
#include "io/safetensors.h"
#include "models/load.h"
#include "ops/not_finite.h"
#include "train/step.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxStateBytes = 1 << 20;

std::vector<NamedTensor> trainer_tensors(DeepseekV3& model, Optimizer& optimizer) {
  std::vector<NamedTensor> out;
  for (const Parameter* p : model.parameters())
    if (p->value.dtype() != DType::f32) out.push_back({"master." + p->name, p->master});
  for (const Optimizer::State& s : optimizer.states()) out.push_back({s.name, s.tensor});
  return out;
}

void require_finite_state(const std::vector<NamedTensor>& tensors, int64_t step) {
  parallel_for(static_cast<int64_t>(tensors.size()), [&](int64_t i) {
    const NamedTensor& t = tensors[static_cast<size_t>(i)];
    NURI_CHECK(find_not_finite(t.tensor) < 0,
               "step {}: {} holds NaN or Inf after the update; nothing was saved. Lower lr or weight_decay, or raise "
               "warmup_steps, and resume from the last checkpoint",
               step, t.name);
  });
}

std::vector<NamedTensor> copies_of(const std::vector<NamedTensor>& tensors) {
  std::vector<NamedTensor> out;
  for (const NamedTensor& t : tensors)
    out.push_back({t.name, Tensor::empty(t.tensor.shape(), t.tensor.dtype(), Owner::saving)});
  if (meta_active()) return out;
  parallel_for(static_cast<int64_t>(tensors.size()), [&](int64_t i) {
    const Tensor &from = tensors[static_cast<size_t>(i)].tensor, &to = out[static_cast<size_t>(i)].tensor;
    std::memcpy(to.raw(), from.raw(), from.bytes());
  });
  return out;
}

/// Bit for bit, from a file into memory that is there.
void copy_in(const SafetensorsFile& file, const NamedTensor& t) {
  const TensorEntry& entry = file.at(t.name);
  NURI_CHECK(entry.bytes == t.tensor.bytes() && entry.type->dtype == t.tensor.dtype(),
             "{}: {} is {} {}; this run needs {} {}: the checkpoint is of another model or precision",
             file.path().string(), t.name, entry.type->name, shape_text(entry.shape), dtype_name(t.tensor.dtype()),
             t.tensor.shape().text());
  std::memcpy(t.tensor.raw(), file.bytes(entry).data(), entry.bytes);
  require_finite(t.tensor, t.name, file.path());
}

}  // namespace

uint64_t checkpoint_bytes(DeepseekV3& model, Optimizer& optimizer) {
  const uint64_t models = optimizer.ema() ? 2 : 1;
  return models * safetensors_bytes(model_tensors(model)) + safetensors_bytes(trainer_tensors(model, optimizer)) +
         (8 << 20);
}

uint64_t Snapshot::bytes() const {
  uint64_t total = 0;
  for (const std::vector<NamedTensor>* tensors : {&model, &average, &trainer})
    for (const NamedTensor& t : *tensors) total += t.tensor.bytes();
  return total;
}

Snapshot take_snapshot(DeepseekV3& model, Optimizer& optimizer, const TrainState& state, const ResolvedRecipe& recipe,
                       const fs::path& tokenizer_dir, SnapshotOf of, const std::vector<NamedTensor>& kept) {
  Snapshot s{.state = state, .config = config_of(model), .recipe = recipe_text(recipe), .tokenizer_dir = tokenizer_dir};
  s.model = model_tensors(model);
  s.trainer = trainer_tensors(model, optimizer);
  s.trainer.insert(s.trainer.end(), kept.begin(), kept.end());
  for (const std::vector<NamedTensor>* tensors : {&s.model, &s.trainer}) require_finite_state(*tensors, state.step);
  if (of == SnapshotOf::copies) {
    s.model = copies_of(s.model);
    s.trainer = copies_of(s.trainer);
  }
  if (optimizer.ema() && meta_active()) {
    s.average = copies_of(s.model);
  } else if (optimizer.ema()) {
    const AverageScope average(model, optimizer);
    s.average = copies_of(model_tensors(model));
  }
  return s;
}

fs::path write_snapshot(const fs::path& root, const Snapshot& s) {
  CheckpointWriter writer(root, s.state.step);
  const auto write_model_directory = [&](const std::string& inside, const std::vector<NamedTensor>& tensors) {
    writer.write(inside + "config.json", s.config);
    write_model_weights(writer.directory() / inside, tensors);
    if (!fs::is_directory(s.tokenizer_dir)) return;
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
      if (fs::exists(s.tokenizer_dir / name)) writer.copy(s.tokenizer_dir / name, inside + name);
  };
  write_model_directory("", s.model);
  if (!s.average.empty()) {
    fs::create_directories(writer.directory() / kEmaDirectory);
    write_model_directory(std::string(kEmaDirectory) + "/", s.average);
  }
  write_safetensors(writer.directory() / "trainer" / "optimizer.safetensors", s.trainer);
  writer.write("trainer/recipe.toml", s.recipe);
  OrderedJson j;
  j["step"] = s.state.step;
  j["tokens"] = s.state.tokens;
  j["rows"] = s.state.rows;
  j["profile"] = s.state.profile;
  j["data_manifest"] = s.state.data_manifest;
  j["best_bits_per_byte"] = s.state.best_bits;
  j["best_step"] = s.state.best_step;
  j["evals_since_best"] = s.state.evals_since_best;
  j["finished"] = s.state.finished;
  writer.write("trainer/state.json", json_text(j));
  return writer.commit();
}

fs::path save_checkpoint(const fs::path& root, DeepseekV3& model, Optimizer& optimizer, const TrainState& state,
                         const ResolvedRecipe& recipe, const fs::path& tokenizer_dir) {
  return write_snapshot(root, take_snapshot(model, optimizer, state, recipe, tokenizer_dir, SnapshotOf::live));
}

TrainState read_state(const fs::path& checkpoint) {
  const fs::path path = checkpoint / "trainer" / "state.json";
  return parse_state(read_file(path, kMaxStateBytes), path.string());
}

TrainState parse_state(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, {.max_bytes = kMaxStateBytes, .max_depth = 8, .max_values = 1000});
  const JsonObject j(json, where);
  TrainState s;
  s.step = j.integer("step", 0, int64_t(1) << 50);
  s.tokens = j.integer("tokens", 0, int64_t(1) << 60);
  s.rows = j.has("rows") ? j.integer("rows", -1, int64_t(1) << 60) : -1;
  s.profile = j.text("profile");
  s.data_manifest = j.text("data_manifest");
  s.best_bits = j.number("best_bits_per_byte", 0, 1e6);
  s.best_step = j.integer("best_step", 0, int64_t(1) << 50);
  s.evals_since_best = j.integer_or("evals_since_best", 0, 0, int64_t(1) << 50);
  s.finished = j.boolean("finished");
  return s;
}

void load_checkpoint(const fs::path& checkpoint, DeepseekV3& model, Optimizer& optimizer,
                     const std::vector<NamedTensor>& kept) {
  const ModelFiles files(checkpoint);
  (void)match_model(files, model.config());
  for (const NamedTensor& t : model_tensors(model)) {
    const TensorEntry& entry = *files.find(t.name);
    NURI_CHECK(entry.type->dtype == t.tensor.dtype() && entry.bytes == t.tensor.bytes(),
               "{}: {} is stored as {}; this run keeps {}: resume with the precision of the run",
               files.directory().string(), t.name, entry.type->name, dtype_name(t.tensor.dtype()));
    std::memcpy(t.tensor.raw(), files.data(t.name).data(), entry.bytes);
    require_finite(t.tensor, t.name, files.directory());
  }
  const SafetensorsFile trainer(checkpoint / "trainer" / "optimizer.safetensors");
  for (const NamedTensor& t : trainer_tensors(model, optimizer)) copy_in(trainer, t);
  for (const NamedTensor& t : kept) copy_in(trainer, t);
  model.visit([](Weight& w) { w.invalidate(); });
}

}  // namespace nuri
