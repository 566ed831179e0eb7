// What a job leaves open, filled in without any fitted constant: fewest devices for a copy, then the largest
// micro-batch and the least recomputation that fit into memory.
#pragma once

#include <string>
#include <vector>

#include "plan/layout.h"

namespace nuri::plan {

struct OpenInputs {
  bool layout = false;        ///< pp and ep are not given
  bool tensor = false;        ///< nor is tp
  bool interleaving = false;  ///< nor vp
  bool recompute = false;     ///< nor recomputation
};

/// Returns whether it searched for a layout. Zero fields of the job (devices, sequence length, batch, micro-batch) are
/// open too. `assumed` gets a line for each.
bool fill_defaults(Job& job, const OpenInputs& open, std::vector<std::string>& assumed);

}  // namespace nuri::plan
