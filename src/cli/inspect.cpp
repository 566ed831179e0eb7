// nuri inspect MODEL: what a model directory holds.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "arch/counts.h"
#include "arch/registry.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/verbs.h"
#include "io/model_files.h"
#include "ledger/provenance.h"
#include "ledger/run_record.h"
#include "text/tokenizer.h"

namespace nuri {
namespace {

OrderedJson config_facts(const DeepseekV3Config& config) {
  OrderedJson out;
  DeepseekV3Config::visit(config,
                          [&](const FieldInfo& info, const auto& field) { out[std::string(info.name)] = field; });
  out["rope_theta"] = config.rope.theta;
  out["rope_pairs"] = config.rope.interleaved ? "interleaved" : "half-split";
  if (config.rope.yarn) {
    out["yarn_factor"] = config.rope.yarn->factor;
    out["yarn_original_max_position"] = config.rope.yarn->original_max_position;
  }
  out["bos_id"] = config.bos_id;
  out["eos_ids"] = config.eos_ids;
  out["dtype"] = config.dtype;
  if (!config.quantisation.empty()) out["quantisation"] = config.quantisation;
  return out;
}

OrderedJson parameter_facts(const DeepseekV3Config& config) {
  const ParameterCounts n = count_parameters(config);
  const int64_t position[] = {1};
  OrderedJson out;
  out["main"] = n.main;
  out["mtp"] = n.mtp;
  out["active_per_token"] = n.active;
  out["active_per_token_of_mtp"] = n.active_mtp;
  out["embedding"] = n.embedding;
  out["attention_of_a_layer"] = n.attention;
  out["dense_mlp"] = n.dense_mlp;
  out["expert"] = n.expert;
  out["forward_flops_of_a_token"] = forward_flops(config, position, false);
  out["bf16_bytes"] = weight_bytes(config, 2, true);
  out["cache_bytes_per_token_absorbed_bf16"] = kv_bytes_per_token(config, MlaForm::absorbed, 2);
  out["cache_bytes_per_token_expanded_bf16"] = kv_bytes_per_token(config, MlaForm::expanded, 2);
  return out;
}

OrderedJson weight_facts(const ModelFiles& files, const DeepseekV3Config& config) {
  const ModelMatch match = match_model(files, config);
  std::map<std::string, uint64_t> bytes_by_type;
  for (const std::string& name : files.names()) {
    bytes_by_type[std::string(files.find(name)->type->name)] += files.find(name)->bytes;
  }
  OrderedJson out;
  out["files"] = files.n_files();
  out["tensors"] = files.names().size();
  out["bytes"] = files.bytes();
  out["bytes_by_type"] = bytes_by_type;
  out["mtp"] = match.has_mtp             ? "included"
               : config.n_mtp_layers > 0 ? "missing, though config.json announces it"
                                         : "none";
  out["copies_of_embedding_and_head"] = match.copies;
  out["unused_tensors"] = match.unused;
  return out;
}

/// One hash of all tensors: names, types, shapes and bytes in bytewise order of names. Files and shards do not show.
std::string weight_hash(const ModelFiles& files) {
  Sha256 hash;
  for (const std::string& name : files.names()) {
    const TensorEntry& entry = *files.find(name);
    const std::span<const std::byte> data = files.data(name);
    hash.add(fmt::format("{} {} {}\n", name, entry.type->name, shape_text(entry.shape)));
    hash.add(data.data(), data.size());
  }
  return hash.hex();
}

OrderedJson tensor_rows(const ModelFiles* files, const DeepseekV3Config& config) {
  OrderedJson rows = OrderedJson::array();
  for (const TensorSpec& spec : tensor_specs(config)) {
    const TensorEntry* entry = files ? files->find(spec.name) : nullptr;
    OrderedJson row;
    row["name"] = spec.name;
    row["shape"] = spec.shape;
    row["role"] = role_name(spec.role);
    row["type"] = entry ? std::string(entry->type->name) : std::string("absent");
    rows.push_back(std::move(row));
  }
  return rows;
}

OrderedJson tokenizer_facts(const fs::path& directory) {
  OrderedJson out;
  const Tokenizer tokenizer = Tokenizer::load(directory);
  out["vocab_size"] = tokenizer.vocab_size();
  out["bos_id"] = tokenizer.bos_id() ? OrderedJson(*tokenizer.bos_id()) : OrderedJson(nullptr);
  out["eos_id"] = tokenizer.eos_id() ? OrderedJson(*tokenizer.eos_id()) : OrderedJson(nullptr);
  out["chat_template"] = !tokenizer.chat_template().empty();
  out["sha256"] = sha256_file(directory / "tokenizer.json");
  return out;
}

OrderedJson provenance_facts(const fs::path& directory, const ModelFiles* files, bool hash) {
  OrderedJson out = OrderedJson::object();
  out["config_sha256"] = sha256_file(directory / "config.json");
  if (files && !files->metadata().empty()) out["metadata"] = files->metadata();
  if (files && hash) out["weights_sha256"] = weight_hash(*files);
  if (fs::exists(directory / "run.json")) {
    const RunRecord run = read_run_record(directory / "run.json");
    out["commit"] = run.commit;
    out["profile"] = run.profile;
    out["data_manifest_sha256"] = run.data_manifest;
    out["started"] = run.started;
    out["outcome"] = run.outcome;
    out["steps"] = run.steps;
    out["tokens"] = run.tokens;
    out["training_flops"] = run.flops;
  }
  return out;
}

std::string plain(const OrderedJson& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

void print_section(const std::string& name, const OrderedJson& facts) {
  fmt::print("{}\n", name);
  if (!facts.is_object()) return fmt::print("  {}\n", plain(facts));
  for (const auto& [key, value] : facts.items()) fmt::print("  {:<38} {}\n", key, plain(value));
}

OrderedJson inspect(const fs::path& directory, bool tensors, bool hash) {
  const DeepseekV3Config config = read_config(directory / "config.json");
  OrderedJson out;
  out["model"] = directory.string();
  out["architecture"] = find_architecture("deepseek_v3", "config.json").summary;
  out["config"] = config_facts(config);
  out["parameters"] = parameter_facts(config);
  std::unique_ptr<ModelFiles> files;
  if (fs::exists(directory / kWeightsName) || fs::exists(directory / kIndexName)) {
    files = std::make_unique<ModelFiles>(directory);
  }
  out["weights"] = files ? weight_facts(*files, config) : OrderedJson("none in this directory");
  const bool has_tokenizer = fs::exists(directory / "tokenizer.json");
  out["tokenizer"] = has_tokenizer ? tokenizer_facts(directory) : OrderedJson("none in this directory");
  out["provenance"] = provenance_facts(directory, files.get(), hash);
  if (tensors) out["tensors"] = tensor_rows(files.get(), config);
  return out;
}

void print_text(const OrderedJson& report) {
  for (const auto& [name, facts] : report.items()) {
    if (name != "tensors") {
      print_section(name, facts);
      continue;
    }
    fmt::print("tensors\n");
    for (const OrderedJson& row : facts) {
      fmt::print("  {:<62} {:<18} {:<12} {}\n", plain(row["name"]), plain(row["shape"]), plain(row["role"]),
                 plain(row["type"]));
    }
  }
}

}  // namespace

Action add_inspect(Arguments args) {
  auto directory = std::make_shared<std::string>();
  auto tensors = std::make_shared<bool>(false), hash = std::make_shared<bool>(false),
       json = std::make_shared<bool>(false);
  args.option("MODEL", *directory, "model directory; config.json alone is enough").required();
  args.flag("--tensors", *tensors, "list every tensor with shape, role and type");
  args.flag("--hash", *hash, "SHA-256 over all tensors, whatever files they lie in");
  args.flag("--json", *json, "print JSON");
  args.footer("example: nuri inspect recipes/v3");
  return [=] {
    const OrderedJson report = inspect(*directory, *tensors, *hash);
    if (*json) {
      fmt::print("{}", json_text(report));
    } else {
      print_text(report);
    }
    return kExitOk;
  };
}

}  // namespace nuri
