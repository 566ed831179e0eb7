// Any bytes as a row of multiple choice: an Error, or a question whose gold is one of its endings.
#include <cstdlib>

#include "base/error.h"
#include "eval/choices.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const nuri::ChoiceQuestion q =
        nuri::parse_choice(std::string_view(reinterpret_cast<const char*>(data), size), "choices.jsonl: line 1");
    const size_t contexts = q.contexts.size();
    if (q.gold >= q.endings.size() || (contexts != 1 && contexts != q.endings.size())) std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
