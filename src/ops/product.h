// C [m, n] (+)= A [m, k] B [k, n]: the matrix product under linear, the output head and their gradients.
//   C[i,j] = chain over k ascending of c = fma(A[i,k], B[k,j], c), from +0 or from C[i,j]
// In BF16 precision A and B are rounded once to BF16 before; the chain is the same FP32 one (profile x1, rule 3).
#pragma once

#include <span>

#include "backend/kernels.h"

namespace nuri {

namespace reference {

/// One element's chain, started at c. T = float: the definition; T = double: the accuracy check, in which FP32 inputs
/// are not rounded (those of a packed BF16 matrix already are).
template <class T>
T chain(const ProductArgs& args, int64_t row, int64_t column, T c);

/// All elements of all items; in double, each rounded to FP32 where it is stored.
template <class T>
void products(std::span<const ProductArgs> items);

}  // namespace reference

/// Independent products, run as one by the chip. A dry run only counts their scratch memory. Items with m = 0 or n = 0
/// do nothing; k = 0 gives +0 (or leaves C, accumulating).
void products(std::span<const ProductArgs> items);

}  // namespace nuri
