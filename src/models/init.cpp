#include "models/init.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/threads.h"
#include "io/model_files.h"
#include "models/load.h"

namespace nuri {
namespace {

namespace fs = std::filesystem;

/// Row i of t becomes row rows[i] of a tensor of the directory; -1: it stays.
void read_rows(const ModelFiles& files, const std::string& name, const std::vector<int32_t>& rows, const Tensor& t) {
  const TensorEntry& entry = *files.find(name);
  const auto width = static_cast<size_t>(t.dim(1));
  const std::span<const std::byte> bytes = files.data(name);
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i] >= 0)
      convert_elements(bytes.data() + static_cast<size_t>(rows[i]) * width * entry.type->bytes, *entry.type, t.dim(1),
                       t.dtype(), t.rows(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1).raw());
  require_finite(t, name, files.directory());
}

/// base_id, or equal ids, checked and as long as the vocabulary of the model.
std::vector<int32_t> row_of_each_id(const std::vector<int32_t>& base_id, int64_t vocab, int64_t base_vocab) {
  std::vector<int32_t> rows(static_cast<size_t>(vocab), -1);
  for (size_t id = 0; id < rows.size(); ++id) {
    const int64_t row = base_id.empty() ? static_cast<int64_t>(id) : id < base_id.size() ? base_id[id] : -1;
    if (row >= 0 && row < base_vocab) rows[id] = static_cast<int32_t>(row);
  }
  return rows;
}

/// Keys of config.json that differ, but for what init_weights allows for.
std::string changed_keys(const DeepseekV3Config& base, const DeepseekV3Config& config) {
  const Json before = parse_json(write_config(base), "config.json"),
             after = parse_json(write_config(config), "config.json");
  std::string keys;
  for (const auto& [key, value] : after.items())
    if (key != "vocab_size" && key != "torch_dtype" && key != "num_nextn_predict_layers" &&
        (!before.contains(key) || before[key] != value))
      keys += (keys.empty() ? "" : ", ") + key;
  return keys;
}

std::string new_rows_text(const std::vector<int32_t>& rows) {
  std::string some;
  int64_t n = 0;
  for (size_t id = 0; id < rows.size(); ++id) {
    if (rows[id] >= 0) continue;
    if (++n <= 10) some += fmt::format("{}{}", n > 1 ? ", " : "", id);
  }
  return fmt::format("{} of {} rows of embedding and head are new, of the ids {}{}", n, rows.size(), some,
                     n > 10 ? ", ..." : "");
}

}  // namespace

std::vector<std::string> init_weights(DeepseekV3& model, const fs::path& directory,
                                      const std::vector<int32_t>& base_id) {
  const DeepseekV3Config base = read_config(directory / "config.json");
  NURI_CHECK(base.quantisation.empty(),
             "{}: quantization_config: found quantised weights (method {}); training begins with BF16, F16 or F32 ones",
             (directory / "config.json").string(), base.quantisation);
  const ModelFiles files(directory);
  const ModelMatch match = match_model(files, base);
  const int64_t vocab = model.config().vocab_size;
  const std::vector<int32_t> rows = row_of_each_id(base_id, vocab, base.vocab_size);
  const bool same_rows = base.vocab_size == vocab && base_id.empty();
  struct Job {
    std::string name;
    Tensor to;
    bool by_rows;
  };
  std::vector<Job> jobs;
  bool without_mtp = false;
  const auto add = [&](const std::string& name, const Tensor& to) {
    const TensorEntry* entry = files.find(name);
    if (!entry && model.has_mtp() && !match.has_mtp) {
      without_mtp = true;
      return;
    }
    NURI_CHECK(entry, "{}: {} is missing, which config.json of the run asks for; begin with a model of the same layers",
               directory.string(), name);
    const Shape shape(entry->shape);  // as base says: match_model looked
    const bool of_vocabulary = shape.rank() == 2 && to.shape().rank() == 2 && shape[0] == base.vocab_size &&
                               to.dim(0) == vocab && shape[1] == to.dim(1);
    NURI_CHECK(shape == to.shape() || of_vocabulary,
               "{}: {} is {}, config.json of the run asks for {}; only the vocabulary may differ", directory.string(),
               name, shape.text(), to.shape().text());
    jobs.push_back({name, to, of_vocabulary && !same_rows});
  };
  for (Parameter* p : model.parameters()) add(p->name, p->master.defined() ? p->master : p->value);
  for (const DeepseekV3::RouterBias& bias : model.router_biases()) add(bias.name, bias.value);
  parallel_for(static_cast<int64_t>(jobs.size()), [&](int64_t i) {
    const Job& job = jobs[static_cast<size_t>(i)];
    if (job.by_rows) return read_rows(files, job.name, rows, job.to);
    const TensorEntry& entry = *files.find(job.name);
    convert_elements(files.data(job.name).data(), *entry.type, job.to.size(), job.to.dtype(), job.to.raw());
    require_finite(job.to, job.name, files.directory());
  });
  model.refresh();
  std::vector<std::string> notes;
  if (const std::string keys = changed_keys(base, model.config()); !keys.empty())
    notes.push_back("config.json of the run differs from the directory's in " + keys);
  if (without_mtp) notes.push_back("the directory holds no MTP tensors: MTP is new");
  if (!match.unused.empty())
    notes.push_back(fmt::format("{} tensors belong to no part of the model and are ignored, first: {}",
                                match.unused.size(), match.unused[0]));
  if (std::count(rows.begin(), rows.end(), -1) > 0) notes.push_back(new_rows_text(rows));
  return notes;
}

}  // namespace nuri
