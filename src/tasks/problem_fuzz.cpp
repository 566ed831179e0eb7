// Any bytes as a row of problems: an error or a problem whose own row gives it again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "tasks/problem_row.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nuri::tasks;
  try {
    const Problem p = parse_problem({reinterpret_cast<const char*>(data), size}, "row");
    const Problem again = parse_problem(problem_row(p), "row");
    if (again.prompt != p.prompt || again.answer != p.answer || again.numbers != p.numbers || again.target != p.target)
      std::abort();
  } catch (const nuri::Error&) {
  }
  return 0;
}
