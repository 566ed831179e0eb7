#include "train/state.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "io/checkpoint.h"
#include "io/model_files.h"
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

fs::path save_checkpoint(const fs::path& root, DeepseekV3& model, Optimizer& optimizer, const TrainState& state,
                         const ResolvedRecipe& recipe, const fs::path& tokenizer_dir) {
  for (const std::vector<NamedTensor>& tensors : {model_tensors(model), trainer_tensors(model, optimizer)})
    for (const NamedTensor& t : tensors)
      NURI_CHECK(find_not_finite(t.tensor) < 0,
                 "step {}: {} holds NaN or Inf after the update; nothing was saved. Lower lr or weight_decay, or raise "
                 "warmup_steps, and resume from the last checkpoint",
                 state.step, t.name);
  CheckpointWriter writer(root, state.step);
  const auto write_model_directory = [&](const std::string& inside) {
    save_model(model, writer.directory() / inside);
    if (!fs::is_directory(tokenizer_dir)) return;
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"})
      if (fs::exists(tokenizer_dir / name)) writer.copy(tokenizer_dir / name, inside + name);
  };
  write_model_directory("");
  if (optimizer.ema()) {
    fs::create_directories(writer.directory() / kEmaDirectory);
    const AverageScope average(model, optimizer);
    write_model_directory(std::string(kEmaDirectory) + "/");
  }
  write_safetensors(writer.directory() / "trainer" / "optimizer.safetensors", trainer_tensors(model, optimizer));
  writer.write("trainer/recipe.toml", recipe_text(recipe));
  OrderedJson j;
  j["step"] = state.step;
  j["tokens"] = state.tokens;
  j["rows"] = state.rows;
  j["profile"] = state.profile;
  j["data_manifest"] = state.data_manifest;
  j["best_bits_per_byte"] = state.best_bits;
  j["best_step"] = state.best_step;
  j["finished"] = state.finished;
  writer.write("trainer/state.json", json_text(j));
  return writer.commit();
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
  s.finished = j.boolean("finished");
  return s;
}

void load_checkpoint(const fs::path& checkpoint, DeepseekV3& model, Optimizer& optimizer) {
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
  model.visit([](Weight& w) { w.invalidate(); });
}

}  // namespace nuri
