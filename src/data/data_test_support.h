// Data directories made directly from token ids, for tests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/manifest.h"
#include "data/shard.h"

namespace nuri::data::test {

using Documents = std::vector<std::vector<int32_t>>;

struct TestSource {
  std::string name;
  Documents train, validation;
  double weight = 1;
};

/// Writes shards of at most `per_shard` documents and the manifest. Text bytes of a document: its number of ids.
inline void write_dataset(const fs::path& dir, const std::vector<TestSource>& sources, int64_t vocab_size,
                          size_t per_shard = 7) {
  Manifest m;
  m.vocab_size = vocab_size;
  m.begin_id = 0;
  m.end_id = 1;
  for (size_t s = 0; s < sources.size(); ++s) {
    SourceReport& report = m.sources.emplace_back();
    report.source.name = sources[s].name;
    report.source.paths = {sources[s].name + ".txt"};
    report.source.weight = sources[s].weight;
    for (const Split split : {Split::train, Split::validation}) {
      const Documents& documents = split == Split::train ? sources[s].train : sources[s].validation;
      for (size_t d = 0; d < documents.size(); d += per_shard) {
        ShardEntry e{.file = fmt::format("{}-{}-{}.shard", split_name(split), s, d),
                     .split = split,
                     .source = static_cast<int>(s),
                     .amount = {},
                     .hash = {}};
        ShardWriter writer(dir / e.file, vocab_size);
        for (size_t i = d; i < std::min(documents.size(), d + per_shard); ++i) {
          const DocumentRecord record{
              .line = i + 1, .text_bytes = documents[i].size(), .hash = i, .language = static_cast<Language>(i % 3)};
          writer.add(documents[i], record, report.source.paths[0]);
          e.amount += {1, static_cast<int64_t>(documents[i].size()), static_cast<int64_t>(documents[i].size())};
        }
        e.hash = hex(writer.finish());
        report.amounts[static_cast<size_t>(split)][0] += e.amount;
        m.shards.push_back(e);
      }
    }
  }
  write_manifest(m, dir);
}

/// n documents of pseudo-random lengths and ids in [2, vocab_size), between begin 0 and end 1.
inline Documents some_documents(int n, int64_t vocab_size, uint32_t seed, int max_length = 40) {
  Documents out;
  uint32_t state = seed * 2654435761u + 1;
  const auto next = [&](uint32_t k) { return (state = state * 1664525u + 1013904223u) / 65536 % k; };
  for (int d = 0; d < n; ++d) {
    auto& ids = out.emplace_back(1, 0);
    for (uint32_t i = 0, length = next(static_cast<uint32_t>(max_length)); i < length; ++i) {
      ids.push_back(static_cast<int32_t>(2 + next(static_cast<uint32_t>(vocab_size - 2))));
    }
    ids.push_back(1);
  }
  return out;
}

}  // namespace nuri::data::test
