// What a reader of a plan should not miss, in both languages.
#include <fmt/format.h>

#include "plan/plan_names.h"

namespace nuri::plan {
namespace {

void warn_of_stage(const StageResult& s, const std::string& where, std::vector<report::Label>& out) {
  const auto add = [&](const std::string& en, const std::string& ko) { out.emplace_back(where + en, where + ko); };
  const double limit = 1e9 * s.job.device.memory_gb, memory = device_memory(s.job).total();
  if (memory > limit)
    add(fmt::format("memory: {:.1f} GB a device, {:.0f} are there; {}", memory * 1e-9, limit * 1e-9,
                    s.job.offload ? "the rest lies in the host's memory" : "raise pp, tp, ep or recomputation"),
        fmt::format("메모리: 장치마다 {:.1f} GB가 필요한데 {:.0f} GB뿐이다. {}", memory * 1e-9, limit * 1e-9,
                    s.job.offload ? "나머지는 호스트 메모리에 둔다" : "pp, tp, ep를 늘리거나 재계산을 더 하라"));
  if (s.job.layout.tp > s.job.device.node)
    add("tensor parallelism leaves the node: its exchange runs over the network",
        "텐서 병렬이 노드를 넘는다. 그 교환이 네트워크를 지난다");
  if (s.cost.bubble > 0.15 * s.step_seconds)
    add("the pipeline waits more than 15 % of a step: more micro-batches, vp, or another schedule",
        "파이프라인 대기가 스텝의 15 %를 넘는다. 마이크로배치나 vp를 늘리거나 다른 스케줄을 쓰라");
  if (s.cost.experts > 0.2 * s.step_seconds) {
    if (s.job.layout.overlap_experts)
      add("the experts' exchange takes more than 20 % of a step though it is overlapped: lower ep",
          "전문가 교환이 계산과 겹치는데도 스텝의 20 %를 넘는다. ep를 줄여라");
    else
      add("the experts' exchange takes more than 20 % of a step: overlap it (dualpipe, overlap=experts) or lower ep",
          "전문가 교환이 스텝의 20 %를 넘는다. 계산과 겹치거나(dualpipe, overlap=experts) ep를 줄여라");
  }
  if (s.ruled_out && s.ruled_out->candidate.step_seconds < 0.99 * s.step_seconds) {
    const double less = 100 * (1 - s.ruled_out->candidate.step_seconds / s.step_seconds);
    const std::string layout = layout_text(s.ruled_out->candidate.layout);
    add(fmt::format("the ramp's first batch rules out the fastest layout of the full batch ({}), whose steps take "
                    "{:.1f} % less; it works from {:.0f} tokens a step on",
                    layout, less, s.ruled_out->least_batch),
        fmt::format("커지기 전의 첫 배치가 작아서, 다 커진 배치에 가장 빠른 배치 방식({})을 쓸 수 없다. 그 방식은 스텝 "
                    "시간이 {:.1f} % 짧고 스텝당 {:.0f} 토큰부터 쓸 수 있다",
                    layout, less, s.ruled_out->least_batch));
  }
}

}  // namespace

std::vector<report::Label> warnings_of(const Plan& plan) {
  std::vector<report::Label> out;
  const auto add = [&](const std::string& en, const std::string& ko) { out.emplace_back(en, ko); };
  for (const StageResult& s : plan.stages) warn_of_stage(s, plan.stages.size() > 1 ? s.stage.name + ": " : "", out);
  for (size_t i = 0; i < plan.stages.size(); ++i)
    if (const PlanStage& given = plan.request.stages[i], &got = plan.stages[i].stage;
        got.batch_tokens < given.batch_tokens)
      add(fmt::format("{}: the ramp outlasts it: the batch reaches {} of {} tokens", given.name,
                      quantity_text(got.batch_tokens), quantity_text(given.batch_tokens)),
          fmt::format("{}: 배치가 다 커지기 전에 끝난다({} 가운데 {} 토큰까지)", given.name,
                      quantity_text(given.batch_tokens), quantity_text(got.batch_tokens)));
  if (plan.days > 365) add("the run takes over a year", "학습이 한 해를 넘긴다");
  if (plan.failures > 1)
    add(fmt::format("about {:.0f} interruptions are to be expected; a checkpoint every {:.0f} min", plan.failures,
                    plan.checkpoint_minutes),
        fmt::format("중단이 약 {:.0f}번 예상된다. 체크포인트는 {:.0f}분마다", plan.failures, plan.checkpoint_minutes));
  if (plan.request.job.device.watts <= 0)
    add("no design power is known: the energy is left out, and the clock taken as that of a chip on the trend",
        "설계 전력을 알 수 없어 전력량을 빼고, 클록은 추세에 맞는 칩의 것으로 본다");
  if (plan.rent_usd <= 0)
    add("no price is known for this device: the rent is left out; give --price",
        "이 장치의 가격을 알 수 없어 임대료를 뺀다. --price로 알려 달라");
  return out;
}

}  // namespace nuri::plan
