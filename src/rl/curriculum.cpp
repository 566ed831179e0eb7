#include "rl/curriculum.h"

#include <algorithm>

#include "base/error.h"

namespace nuri::rl {

Curriculum::Curriculum(const Prompts& prompts, int64_t drop_after) : prompts_(prompts), drop_after_(drop_after) {
  if (drop_after > 0) unvaried_ = Tensor::zeros({prompts.file_size()}, DType::f32, Owner::optimizer);
}

bool Curriculum::is_dropped(size_t problem) const {
  return drop_after_ > 0 && unvaried_.span<float>()[problem] >= static_cast<float>(drop_after_);
}

std::vector<uint64_t> Curriculum::next(int64_t& cursor, int64_t n, int64_t& too_long) const {
  constexpr int64_t kMostPassedOver = 10000;
  std::vector<uint64_t> numbers;
  int64_t passed_over = 0;
  while (static_cast<int64_t>(numbers.size()) < n && !exhausted()) {
    const auto number = static_cast<uint64_t>(cursor++);
    if (drop_after_ > 0 && is_dropped(prompts_.place(number))) continue;
    if (prompts_.fits(number)) {
      numbers.push_back(number);
      passed_over = 0;
      continue;
    }
    ++too_long;
    NURI_CHECK(++passed_over < kMostPassedOver,
               "{}: {} problems in a row were too long for a prompt; raise length, or lower answer_tokens",
               prompts_.name(), passed_over);
  }
  return numbers;
}

bool Curriculum::exhausted() const { return drop_after_ > 0 && dropped() == prompts_.file_size(); }

void Curriculum::see(const Group& group) {
  if (drop_after_ == 0) return;
  const auto right =
      std::count_if(group.rollouts.begin(), group.rollouts.end(), [](const Rollout& r) { return r.answer.right(); });
  const bool varied = right > 0 && right < static_cast<int64_t>(group.rollouts.size());
  float& visits = unvaried_.span<float>()[prompts_.place(group.number)];
  visits = varied ? 0 : std::min(visits + 1, static_cast<float>(drop_after_));
}

int64_t Curriculum::dropped() const {
  int64_t n = 0;
  for (size_t i = 0; drop_after_ > 0 && i < unvaried_.span<float>().size(); ++i) n += is_dropped(i);
  return n;
}

std::vector<NamedTensor> Curriculum::tensors() const {
  if (drop_after_ == 0) return {};
  return {{"policy.unvaried_visits", unvaried_}};
}

std::vector<float> Curriculum::visits() const {
  if (drop_after_ == 0) return {};
  const auto values = unvaried_.span<float>();
  return {values.begin(), values.end()};
}

void Curriculum::restore(const std::vector<float>& visits) {
  if (drop_after_ > 0) std::copy(visits.begin(), visits.end(), unvaried_.span<float>().begin());
}

}  // namespace nuri::rl
