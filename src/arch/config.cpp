#include "arch/config.h"

namespace nuri {

std::string_view role_name(TensorRole role) {
  switch (role) {
    case TensorRole::embedding:
      return "embedding";
    case TensorRole::head:
      return "head";
    case TensorRole::matrix:
      return "matrix";
    case TensorRole::router:
      return "router";
    case TensorRole::router_bias:
      return "router_bias";
    case TensorRole::norm:
      return "norm";
  }
  return "unknown";
}

int64_t TensorSpec::elements() const {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return n;
}

}  // namespace nuri
