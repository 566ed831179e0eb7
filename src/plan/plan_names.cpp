#include "plan/plan_names.h"

namespace nuri::plan {

std::span<const PartName> step_parts() {
  static const PartName kParts[] = {
      {{"products", "행렬곱"}, &StepCost::products},
      {{"attention", "어텐션"}, &StepCost::attention},
      {{"elementwise", "원소별 연산"}, &StepCost::elementwise},
      {{"kernel gaps", "커널 사이의 공백"}, &StepCost::gaps},
      {{"recomputation", "재계산"}, &StepCost::recompute},
      {{"tensor exchange", "텐서 교환"}, &StepCost::tensor},
      {{"experts' exchange", "전문가 교환"}, &StepCost::experts},
      {{"data exchange", "데이터 병렬 교환"}, &StepCost::data},
      {{"pipeline bubble", "파이프라인 대기"}, &StepCost::bubble},
      {{"optimizer", "최적화기"}, &StepCost::optimizer},
      {{"offload", "호스트 메모리와 교환"}, &StepCost::offload},
      {{"waiting for the slowest", "가장 느린 장치를 기다림"}, &StepCost::straggle},
  };
  return kParts;
}

std::span<const OwnerName> memory_owners() {
  static const OwnerName kOwners[] = {
      {"weights", {"weights", "가중치"}, &DeviceMemory::weights},
      {"gradients", {"gradients", "기울기"}, &DeviceMemory::gradients},
      {"optimizer", {"optimizer", "최적화기 상태"}, &DeviceMemory::optimizer},
      {"activations", {"activations", "활성값"}, &DeviceMemory::activations},
      {"logits", {"logits", "로짓"}, &DeviceMemory::logits},
      {"workspace", {"other", "기타"}, &DeviceMemory::workspace},
  };
  return kOwners;
}

std::span<const MoneyName> money_lines() {
  static const MoneyName kLines[] = {
      {"rent", {"rent", "임대료"}, &Money::rent},
      {"purchase", {"or bought, this share", "구매할 때 이 학습의 몫"}, &Money::purchase},
      {"power", {"power where bought", "구매할 때 전기 요금"}, &Money::power},
      {"staff", {"staff", "인건비"}, &Money::staff},
      {"failed_and_trial_runs", {"failed and trial runs", "실패하거나 시험한 학습"}, &Money::failed},
  };
  return kLines;
}

report::Label time_label(double days) {
  const std::string en = time_text(days);
  const size_t blank = en.find(' ');
  const std::string unit = en.substr(blank + 1);
  return {en, en.substr(0, blank) + (unit == "days" ? "일" : unit == "hours" ? "시간" : "분")};
}

}  // namespace nuri::plan
