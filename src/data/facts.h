// A generator of sums and simple facts in Korean and English, so that a small model has something to answer.
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"

namespace nuri::data {

struct Fact {
  std::string question, answer;  // "What is 3 plus 5?", "8"
  std::string statement;         // "3 plus 5 is 8."
};

/// Fact number `index` of a seed: a sum, difference or product of small numbers, a capital, an opposite, a word in the
/// other language, the next day or month. A function of (seed, index); even indices are Korean.
Fact make_fact(uint64_t seed, uint64_t index);

/// Row number `index` of a seed. Two of three rows are chats as the template of DeepSeek-R1 renders them, one question
/// each, with the statement as the thought; the others are some statements, one a line.
std::string make_fact_row(uint64_t seed, uint64_t index);

/// JSONL file of n_rows rows {"text"}, atomically. Read it with `markers=true`, so that the chat markers become tokens.
void write_fact_rows(const fs::path& path, uint64_t seed, int64_t n_rows);

}  // namespace nuri::data
