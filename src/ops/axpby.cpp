#include "ops/axpby.h"

#include "base/x1.h"

namespace nuri {

namespace reference {

void axpby(const AxpbyArgs& a) {
  for (int64_t i = 0; i < a.n; ++i) {
    const float ax = a.a * a.x[i];
    a.out[i] = a.y ? x1::fma(a.b, a.y[i], ax) : ax;
  }
}

}  // namespace reference

void axpby(const AxpbyArgs& args) { run(kernels().axpby, reference::axpby, args); }

}  // namespace nuri
