// DAPO (2503.14476): every token of the update weighs the same, the upper clip is wider, and groups without a
// difference are drawn again (dynamic_sampling). Its overlong shaping is the scorer length(max, soft).
#include "rl/loss.h"
#include "rl/statistics.h"

namespace nuri::rl {

const PolicyLoss kDapo{
    .name = "dapo",
    .means = "A = (r - mean) / std of the group; mean over all tokens; clip-higher, dynamic sampling, no KL",
    .defaults = "clip_low = 0.2\nclip_high = 0.28\nkl = 0.0\ndynamic_sampling = true\n",
    .advantages = [](std::span<const double> rewards) { return standardised(rewards); },
    .share = [](int64_t, const UpdateShape& update) { return 1 / static_cast<double>(update.tokens); }};

}  // namespace nuri::rl
