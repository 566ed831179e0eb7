#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace nuri {

void assertion_failed(const char* condition, const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "nuri: internal error: %s does not hold (%s:%d)%s%s\n", condition, file, line,
               message.empty() ? "" : ": ", message.c_str());
  std::abort();
}

}  // namespace nuri
