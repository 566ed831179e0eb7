#include "train/chain.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "ledger/provenance.h"

namespace nuri {
namespace {

constexpr uint64_t kMaxBytes = 256 << 20;

std::string row_text(const ChainRow& row) {
  return Json{{"step", row.step}, {"facts", row.facts}, {"link", row.link}}.dump() + "\n";
}

}  // namespace

std::string chain_link(const std::string& before, const ChainRow& row) {
  Sha256 hash;
  hash.add(before + "\n" + std::to_string(row.step) + "\n");
  for (const auto& [name, value] : row.facts) hash.add(std::to_string(name.size()) + " " + name + "\n" + value + "\n");
  return hash.hex();
}

std::map<std::string, std::string> checkpoint_facts(const fs::path& checkpoint) {
  std::map<std::string, std::string> out;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(checkpoint)) {
    const std::string name = fs::relative(entry.path(), checkpoint).generic_string();
    if (entry.is_regular_file() && (name.ends_with(".safetensors") || name == "trainer/state.json"))
      out[name] = sha256_file(entry.path());
  }
  NURI_CHECK(!out.empty(), "{}: no checkpoint: it holds no tensors", checkpoint.string());
  return out;
}

std::vector<ChainRow> parse_chain(std::string_view text, const std::string& file) {
  std::vector<ChainRow> rows;
  int64_t line = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == text.npos) break;  // cut by a kill
    ++line;
    const std::string where = fmt::format("{}:{}", file, line);
    const Json json =
        parse_json(text.substr(0, end), where, {.max_bytes = 1 << 20, .max_depth = 4, .max_values = 10'000});
    const JsonObject object(json, where);
    ChainRow row;
    row.step = object.integer("step", 0, int64_t(1) << 50);
    row.link = object.text("link");
    const JsonObject facts = object.object("facts");
    for (const auto& [name, unused] : json.at("facts").items()) row.facts[name] = facts.text(name);
    NURI_CHECK(rows.empty() || row.step > rows.back().step, "{}: step {} behind step {}; rows must ascend", where,
               row.step, rows.back().step);
    rows.push_back(std::move(row));
    text.remove_prefix(end + 1);
  }
  return rows;
}

std::vector<ChainRow> read_chain(const fs::path& run) {
  const fs::path file = run / kChainFile;
  NURI_CHECK(fs::exists(file), "{}: there is no chain; only runs begun by this version or a later one have one",
             file.string());
  return parse_chain(read_file(file, kMaxBytes), file.string());
}

Chain::Chain(const fs::path& run, int64_t step, std::map<std::string, std::string> beginning)
    : file_(run / kChainFile) {
  if (step > 0 && fs::exists(file_)) {
    try {
      rows_ = read_chain(run);
    } catch (const Error& error) {
      damage_ = error.what();
      fs::rename(file_, run / (std::string(kChainFile) + ".damaged"));
    }
    std::erase_if(rows_, [&](const ChainRow& row) { return row.step > step; });
  }
  if (rows_.empty()) {
    if (step > 0) beginning[kChainBroken] = std::to_string(step);
    rows_.push_back({0, std::move(beginning), ""});
    rows_.back().link = chain_link("", rows_.back());
  }
  write();
}

void Chain::add(int64_t step, std::map<std::string, std::string> facts) {
  if (step <= rows_.back().step) return;  // saved twice: the same
  ChainRow row{step, std::move(facts), ""};
  row.link = chain_link(link(), row);
  rows_.push_back(std::move(row));
  write();
}

void Chain::write() {
  std::string text;
  for (const ChainRow& row : rows_) text += row_text(row);
  write_file_atomic(file_, text);
}

}  // namespace nuri
