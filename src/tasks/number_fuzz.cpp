// Any bytes as a number, a text with a number in it, and an expression: a value that is read again from its own text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tasks/expression.h"
#include "tasks/number.h"
#include "tasks/plain_math.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nuri::tasks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string plain = plain_math(text);
  if (plain.size() > 2 * text.size()) std::abort();  // ½ is two bytes and becomes four
  const auto check = [](const Rational& value) {
    if (value.denominator < 1) std::abort();
    const std::string written = value.text();
    const auto again = number_or_expression(written).value;
    const bool fits = written.size() <= 18;  // more digits than a number may have
    if (fits && again != value) std::abort();
  };
  const auto whole = parse_number(text), part = number_in(text);
  if (whole) check(whole->value);
  if (part) check(part->value);
  if (whole && (!part || part->value != whole->value)) std::abort();
  const std::string_view last = last_number(plain);
  if (!last.empty() && (last.data() < plain.data() || last.data() + last.size() > plain.data() + plain.size()))
    std::abort();
  const Evaluated e = number_or_expression(text);
  if (e.value) check(*e.value);
  if (!e.value && e.reason.empty()) std::abort();
  return 0;
}
