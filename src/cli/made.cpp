#include "cli/made.h"

#include "base/file.h"
#include "cli/documents.h"
#include "cli/machine.h"
#include "cli/verbs.h"
#include "data/hash.h"
#include "ledger/noted_run.h"

namespace nuri {

TokenizerTrainReport make_tokenizer(const std::vector<std::string>& sources,
                                    const std::function<bool(std::string&)>& next, const TokenizerTrainOptions& options,
                                    const std::filesystem::path& out) {
  NotedRun noted("tokenizer", command_line(), {.out = out, .places = text_places(sources)}, active_level_text());
  const TokenizerTrainReport report = noted.watch([&] { return train_tokenizer_to(next, options, out); });
  noted.record().hashes[kTokenizerHash] = data::hex(data::hash128(read_file(out / "tokenizer.json")));
  noted.record().results["bytes"] = static_cast<double>(report.bytes);
  noted.finish();
  return report;
}

data::Manifest make_shards(const std::vector<std::string>& sources, const data::BuildOptions& options,
                           const std::function<void(const data::BuildProgress&)>& progress) {
  NotedRun noted("data", command_line(), {.out = options.out, .places = text_places(sources)}, active_level_text());
  const data::Manifest manifest = noted.watch([&] { return data::build_dataset(options, progress); });
  RunRecord& r = noted.record();
  r.data_manifest = manifest.hash;
  r.hashes[kTokenizerHash] = manifest.tokenizer_hash;
  r.tokens = manifest.total(data::Split::train).tokens + manifest.total(data::Split::validation).tokens;
  noted.finish();
  return manifest;
}

}  // namespace nuri
