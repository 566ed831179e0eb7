// Dr. GRPO (2503.20783): without the two divisions that favour short right answers, long wrong ones, and prompts that
// are nearly always or nearly never solved.
#include "rl/loss.h"
#include "rl/statistics.h"

namespace nuri::rl {

const PolicyLoss kDrGrpo{
    .name = "dr_grpo",
    .means = "A = r - mean of the group; sum over tokens by a constant, answers x their limit of tokens; no KL",
    .defaults = "clip_low = 0.2\nclip_high = 0.2\nkl = 0.0\n",
    .advantages = [](std::span<const double> rewards) { return centred(rewards); },
    .share =
        [](int64_t, const UpdateShape& update) {
          return 1 / (static_cast<double>(update.most_tokens) * static_cast<double>(update.answers));
        }};

}  // namespace nuri::rl
