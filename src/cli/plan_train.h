// nuri plan train.
#pragma once

#include <memory>

#include "cli/verbs.h"

namespace nuri {

void add_plan_train(Arguments& args, const std::shared_ptr<Action>& action);

}  // namespace nuri
