// Tokenizers and shards: made, and noted in the ledger.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/build.h"
#include "text/tokenizer_train.h"

namespace nuri {

/// train_tokenizer_to, of documents of these sources (data/source.h).
TokenizerTrainReport make_tokenizer(const std::vector<std::string>& sources,
                                    const std::function<bool(std::string&)>& next, const TokenizerTrainOptions& options,
                                    const std::filesystem::path& out);

/// build_dataset, whose options' sources are these.
data::Manifest make_shards(const std::vector<std::string>& sources, const data::BuildOptions& options,
                           const std::function<void(const data::BuildProgress&)>& progress);

}  // namespace nuri
