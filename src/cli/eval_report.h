// nuri eval --report FILE: an evaluation as one page.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "report/page.h"

namespace nuri {

/// figures: what `--json` prints ("all", "by_category", "by_language": objects of numbers; others are facts). samples:
/// some questions with their answers.
std::string eval_page(const std::string& model, const OrderedJson& figures, const std::vector<report::Sample>& samples);

}  // namespace nuri
