// Embedding: rows of a table by token id.
//   ids [n_tokens]   table [vocab, d]   y [n_tokens, d]
//   y[t] = table[ids[t]], widened           dtable[ids[t]] = dtable[ids[t]] + dy[t], t ascending for each row
#pragma once

#include <cstdint>
#include <vector>

#include "autograd/weight.h"
#include "backend/kernels.h"
#include "tensor/tensor.h"

namespace nuri {

namespace reference {
void embedding(const EmbeddingArgs& args);
void embedding_grad(const EmbeddingGradArgs& args);
}  // namespace reference

/// `use` names the gradient chain of this use (Weight::grads). Error: an id outside the table.
Tensor embedding(const std::vector<int32_t>& ids, Weight& table, int use);

}  // namespace nuri
