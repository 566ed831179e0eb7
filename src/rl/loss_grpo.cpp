// GRPO (DeepSeekMath, section 4.1; R1): rewards of a group in units of their standard deviation, each answer the mean
// of its tokens.
#include "rl/loss.h"
#include "rl/statistics.h"

namespace nuri::rl {

const PolicyLoss kGrpo{
    .name = "grpo",
    .means =
        "A = (r - mean) / std of the group; mean over the tokens of an answer, then over answers (DeepSeekMath, R1)",
    .defaults = "clip_low = 0.2\nclip_high = 0.2\nkl = 0.001\n",
    .advantages = [](std::span<const double> rewards) { return standardised(rewards); },
    .share =
        [](int64_t tokens, const UpdateShape& update) {
          return 1 / (static_cast<double>(tokens) * static_cast<double>(update.answers));
        }};

}  // namespace nuri::rl
