// nuri ledger verify --replay: steps of a run made again, and compared to the bit.
#pragma once

#include <vector>

#include "cli/findings.h"
#include "cli/ledger_verify.h"
#include "ledger/run_record.h"
#include "train/chain.h"
#include "train/recipe.h"

namespace nuri {

struct ReplayedRun {
  const RunRecord& record;
  const ResolvedRecipe& recipe;
  const std::vector<ChainRow>& rows;
  bool from_beginning = false;  ///< its first weights can be made again
};

/// Makes options.replay steps again, in a directory of their own, from the beginning or a checkpoint that is still
/// there: every number of their log rows but times and, where a checkpoint of the chain is reached, its files must come
/// out the same. Errors: data or tokenizer not where they were; a kind of run that has no steps; no place to begin at.
void replay_steps(const VerifyOptions& options, const ReplayedRun& run, Findings& found);

}  // namespace nuri
