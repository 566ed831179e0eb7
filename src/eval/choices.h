// Multiple choice by likelihood: which ending of a text a model finds likeliest.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/deepseek_v3.h"
#include "tasks/problem.h"
#include "text/tokenizer.h"

namespace nuri {

struct ChoiceQuestion {
  std::string id, category;
  std::vector<std::string> contexts;  ///< one for all endings, or one for each
  std::vector<std::string> endings;   ///< as they follow their context, blank included
  size_t gold = 0;
};

/// The question as one that is answered in writing, by the letter of a choice (scorer "choice"). Error: over 26 of
/// them.
tasks::Problem choice_problem(const ChoiceQuestion& question);

/// A row of a known set. The question: query, question (a text, or ARC's {"stem", "choices"}), question_stem, problem,
/// prompt, or HellaSwag's ctx; context, passage or paragraph may stand before it. The choices: a list choices, options
/// or endings, of texts or of {"text", "label"}, {"text": [...], "label": [...]}, {"A": ..., "B": ...}, or KMMLU's
/// columns A, B, C, D. The right one: gold, label, answer_index, answer_idx from 0; correct, answerKey by label; answer
/// by its text, its label, or a number, from 0 (MMLU), of columns from 1 (KMMLU). Also {"context_options",
/// "continuation", "gold"}. A query that begins with "Question:" gets a line "Answer:" where it has none, a question
/// "Answer:" or, in Korean, "정답:". Errors, naming `where`: another shape, an answer that is none of the choices.
ChoiceQuestion parse_choice(std::string_view row, const std::string& where);
/// Rows of JSONL (also .gz, .zst), at most `most` of them (0: all); a row without id has the number of its line.
/// Errors: those of parse_choice, none at all.
std::vector<ChoiceQuestion> read_choices(const std::string& path, int64_t most);

struct Chosen {
  std::vector<double> log_likelihoods;  ///< of each ending, in nats
  size_t most = 0, most_per_byte = 0;   ///< the likeliest ending, and by the mean over its bytes; the first of equals
};

/// The endings of each question. A text longer than the model's context loses its beginning. `progress` is told how
/// many questions are done. Error: an ending longer than the context.
std::vector<Chosen> choose(DeepseekV3& model, const Tokenizer& tokenizer, const std::vector<ChoiceQuestion>& questions,
                           const std::function<void(int64_t questions)>& progress = {});

}  // namespace nuri
