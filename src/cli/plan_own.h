// Plans for this machine: measured, where plans for others are modelled.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "plan/plan.h"

namespace nuri {

/// A run of a recipe on this machine: memory by the engine's own plan, time from steps of shorter models measured now.
/// tokens 0: as the recipe says. Errors: those of the recipe and of require_memory; a recipe that counts epochs.
plan::Plan own_plan(const std::string& recipe, const std::vector<std::string>& settings, double tokens,
                    const plan::Prices& prices);

void add_plan_profile(Arguments& args, const std::shared_ptr<Action>& action);

}  // namespace nuri
