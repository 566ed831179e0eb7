#include "eval/choices.h"

#include <gtest/gtest.h>

#include "arch/arch_test_support.h"
#include "base/error.h"
#include "base/test_support.h"
#include "infer/score.h"
#include "text/tokenizer_train.h"

namespace nuri {
namespace {

TEST(ParseChoice, KnownShapes) {
  const ChoiceQuestion a =
      parse_choice(R"({"choices": ["x", "y"], "query": "Question: why?", "gold": 1, "id": 7})", "f");
  EXPECT_EQ(a.contexts, std::vector<std::string>{"Question: why?\nAnswer:"});
  EXPECT_EQ(a.endings, (std::vector<std::string>{" x", " y"}));
  EXPECT_EQ(a.gold, 1u);
  EXPECT_EQ(a.id, "7");
  EXPECT_EQ(parse_choice(R"({"choices": ["x", "y"], "query": "Question: a\nAnswer:", "gold": 0})", "f").contexts[0],
            "Question: a\nAnswer:");
  EXPECT_EQ(parse_choice(R"({"choices": ["x", "y"], "query": "to save money, they", "gold": 0})", "f").contexts[0],
            "to save money, they");
  const ChoiceQuestion b = parse_choice(
      R"({"context": "만났다.", "question": "누가 왔습니까?", "choices": ["손자", "알 수 없음"], "answer": "알 수 없음", "category": "Age"})",
      "f");
  EXPECT_EQ(b.contexts[0], "만났다.\n누가 왔습니까?\n정답:");
  EXPECT_EQ(b.gold, 1u);
  EXPECT_EQ(b.category, "Age");
  const ChoiceQuestion c =
      parse_choice(R"({"context_options": ["so Ann", "so Eve"], "continuation": "won.", "gold": 0})", "f");
  EXPECT_EQ(c.contexts, (std::vector<std::string>{"so Ann", "so Eve"}));
  EXPECT_EQ(c.endings, (std::vector<std::string>{" won.", " won."}));
}

TEST(ParseChoice, LetteredOptions) {
  const ChoiceQuestion q =
      parse_choice(R"x({"question": "Q?", "options": ["A)6", "B) 18", "C)a)b"], "correct": "B"})x", "f");
  EXPECT_EQ(q.endings, (std::vector<std::string>{" 6", " 18", " a)b"}));
  EXPECT_EQ(q.gold, 1u);
  // Letters of all options only: a text may begin so.
  EXPECT_EQ(parse_choice(R"x({"question": "Q?", "options": ["1) only", "1) and 2) only", "3)"], "correct": "B"})x", "f")
                .endings,
            (std::vector<std::string>{" 1) only", " 1) and 2) only", " 3)"}));
  EXPECT_EQ(parse_choice(R"x({"question": "Q?", "options": ["A)6", "C)7"], "correct": "B"})x", "f").endings,
            (std::vector<std::string>{" A)6", " C)7"}));
  for (const char* correct : {"D", "", "AB", "b"})
    EXPECT_THROW(
        parse_choice(fmt::format(R"({{"question": "Q?", "options": ["A)6", "B)7"], "correct": "{}"}})", correct), "f"),
        Error)
        << correct;
}

TEST(ParseChoice, ShapesOfKnownBenchmarks) {
  const auto read = [](const char* row) {
    const ChoiceQuestion q = parse_choice(row, "f");
    std::string endings;
    for (const std::string& e : q.endings) endings += "[" + e + "]";
    return fmt::format("{}|{}|{}|{}", q.contexts[0], endings, q.gold, q.category);
  };
  // MMLU, MMLU-Pro, KMMLU, ARC (both), HellaSwag (both), MedQA, OpenBookQA.
  EXPECT_EQ(read(R"({"question": "q", "subject": "law", "choices": ["a", "b", "c", "d"], "answer": 2})"),
            "q\nAnswer:|[ a][ b][ c][ d]|2|law");
  EXPECT_EQ(read(R"({"question": "q", "options": ["a", "b", "c"], "answer": "C", "answer_index": 2})"),
            "q\nAnswer:|[ a][ b][ c]|2|");
  EXPECT_EQ(
      read(R"({"question": "무엇입니까?", "answer": 4, "A": "가", "B": "나", "C": "다", "D": "라", "Category": "법"})"),
      "무엇입니까?\n정답:|[ 가][ 나][ 다][ 라]|3|법");
  EXPECT_EQ(read(R"({"question": "q", "answer": "B", "A": "x", "B": 7})"), "q\nAnswer:|[ x][ 7]|1|");
  EXPECT_EQ(
      read(R"({"id": "m", "question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"})"),
      "q\nAnswer:|[ x][ y]|1|");
  EXPECT_EQ(
      read(
          R"({"question": {"stem": "q", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]}, "answerKey": "B"})"),
      "q\nAnswer:|[ x][ y]|1|");
  EXPECT_EQ(read(R"({"ctx": "He sat", "endings": ["down.", "up."], "label": "1", "activity_label": "a"})"),
            "He sat|[ down.][ up.]|1|");
  EXPECT_EQ(read(R"({"ctx_a": "He came.", "ctx_b": "he", "endings": ["sat.", "up."], "label": 0})"),
            "He came. he|[ sat.][ up.]|0|");
  EXPECT_EQ(read(R"({"question": "q", "options": {"A": "x", "B": "y"}, "answer": "y", "answer_idx": "B"})"),
            "q\nAnswer:|[ x][ y]|1|");
  EXPECT_EQ(read(R"({"question_stem": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "A"})"),
            "q\nAnswer:|[ x][ y]|0|");
  EXPECT_EQ(read(R"x({"paragraph": "p", "question": "q", "choices": ["x", "y"], "answer": "(B)"})x"),
            "p\nq\nAnswer:|[ x][ y]|1|");
  // Of columns a number from 1 goes before a text, as text too; a number that is no place is a text.
  EXPECT_EQ(read(R"({"question": "q", "A": "4", "B": "3", "C": "2", "D": "1", "answer": "2"})"),
            "q\nAnswer:|[ 4][ 3][ 2][ 1]|1|");
  EXPECT_EQ(read(R"({"question": "q", "A": "4", "B": "3", "C": "2", "D": "1", "answer": 2})"),
            "q\nAnswer:|[ 4][ 3][ 2][ 1]|1|");
  EXPECT_EQ(read(R"({"question": "q", "A": "8", "B": "9", "answer": "9"})"), "q\nAnswer:|[ 8][ 9]|1|");
  EXPECT_EQ(read(R"({"question": "q", "choices": ["2", "1", "0"], "answer": "1"})"), "q\nAnswer:|[ 2][ 1][ 0]|1|");
  EXPECT_EQ(read(R"({"question": "q", "A": "1", "B": "0", "gold": "1"})"), "q\nAnswer:|[ 1][ 0]|1|");
  // A choice's own text goes before a letter.
  EXPECT_EQ(read(R"({"question": "q", "choices": ["B", "A"], "answer": "A"})"), "q\nAnswer:|[ B][ A]|1|");
  for (const char* bad :
       {R"({"question": "q", "A": "x", "B": "y", "answer": 0})",
        R"({"question": "q", "A": "x", "B": "y", "answer": 3})", R"({"question": "q", "A": "x", "answer": 1})",
        R"({"question": "q", "choices": ["x", "y"], "answer": 2})",
        R"({"question": "q", "choices": ["x", "y"], "answer": "2"})",
        R"({"ctx": "c", "endings": ["x", "y"], "label": ""})", R"({"ctx": "c", "endings": ["x", "y"], "label": "2"})",
        R"({"question": "q", "choices": {"text": ["x", "y"], "label": ["A"]}, "answerKey": "A"})",
        R"({"question": "q", "choices": [{"text": "x"}, {"text": "y"}], "answerKey": "A"})",
        R"({"question": {"choices": ["x", "y"]}, "answer": 0})", R"({"question": "q", "choices": 5, "answer": 0})"})
    EXPECT_NE(test::error_of([&] { parse_choice(bad, "file: line 3"); }).find("file: line 3"), std::string::npos)
        << bad;
  const std::string shapes = test::error_of([] { parse_choice(R"({"text": "t", "label": 1})", "f"); });
  for (const char* part : {"choices", "endings", "columns A, B", "answerKey", "context_options"})
    EXPECT_NE(shapes.find(part), std::string::npos) << shapes;
}

TEST(ChoiceProblem, AsksForALetter) {
  const auto asked = [](const char* row) { return choice_problem(parse_choice(row, "f")); };
  const tasks::Problem a = asked(R"({"choices": ["x", "y"], "query": "Question: why?", "gold": 1, "category": "c"})");
  EXPECT_EQ(a.prompt, "Question: why?\nA. x\nB. y\nAnswer with the letter of the right choice alone.");
  EXPECT_EQ(a.answer, "B");
  EXPECT_EQ(a.category, "c");
  const tasks::Problem b = asked(R"({"question": "누가 왔습니까?", "choices": ["손자", "할머니"], "answer": "손자"})");
  EXPECT_EQ(b.prompt, "누가 왔습니까?\nA. 손자\nB. 할머니\n맞는 것의 글자만 답하세요.");
  EXPECT_EQ(b.language, "ko");
  // A query that lists its choices keeps its own list.
  EXPECT_EQ(asked(R"({"query": "Question: q\nA. m\nB. n\nAnswer:", "choices": ["A", "B"], "gold": 0})").prompt,
            "Question: q\nA. m\nB. n\nAnswer with the letter of the right choice alone.");
  EXPECT_EQ(asked(R"({"context_options": ["He ran", "She ran"], "continuation": "home.", "gold": 1})").prompt,
            "A. He ran home.\nB. She ran home.\nAnswer with the letter of the right choice alone.");
}

TEST(ParseChoice, ErrorsNameTheRow) {
  for (const char* bad :
       {"", "[]", "{}", R"({"query": "q", "choices": ["x"], "gold": 0})",
        R"({"query": "q", "choices": ["x", 1], "gold": 0})", R"({"query": "q", "choices": ["x", "y"], "gold": 2})",
        R"({"query": "q", "choices": ["x", "y"]})", R"({"question": "q", "choices": ["x", "y"], "answer": "z"})",
        R"({"context_options": ["a", "b"], "gold": 0})"})
    EXPECT_NE(test::error_of([&] { parse_choice(bad, "file: line 3"); }).find("file: line 3"), std::string::npos)
        << bad;
}

TEST(Choose, IsTheSumOfLogProbabilities) {
  TokenizerTrainOptions options;
  options.vocab_size = 300;
  const auto trained = train_tokenizer(
      [n = 0](std::string& document) mutable { return document = "who was it? it was me, 누리", n++ < 4; }, options);
  const Tokenizer tokenizer = Tokenizer::from_json(trained.tokenizer_json, trained.tokenizer_config_json);
  DeepseekV3Config c = test::tiny_config();
  c.vocab_size = tokenizer.vocab_size();
  c.initializer_range = 0.3;
  DeepseekV3 model(c, {.dtype = DType::f32, .trainable = true});
  model.initialise(2);
  std::vector<ChoiceQuestion> questions;
  for (int i = 0; i < 150; ++i)  // more than one forward
    questions.push_back({std::to_string(i),
                         "",
                         {"who was it? " + std::string(static_cast<size_t>(i % 30), 'a')},
                         {" me", " 누리 was it", ""},
                         0});
  questions.push_back({"long", "", {std::string(500, 'q')}, {" me", " it"}, 1});
  questions.push_back({"apart", "", {"it was", ""}, {" me", " me"}, 1});
  int64_t last = -1;
  const std::vector<Chosen> found = choose(model, tokenizer, questions, [&](int64_t done) {
    EXPECT_GE(done, last);
    last = done;
  });
  EXPECT_EQ(last, static_cast<int64_t>(questions.size()));
  for (size_t i = 0; i < questions.size(); ++i) {
    const ChoiceQuestion& q = questions[i];
    for (size_t e = 0; e < q.endings.size(); ++e) {
      std::vector<int32_t> ids{*tokenizer.bos_id()};
      tokenizer.encode_to(q.contexts[q.contexts.size() > 1 ? e : 0], ids);
      size_t first = ids.size();
      tokenizer.encode_to(q.endings[e], ids);
      if (ids.size() > 65) {
        first -= ids.size() - 65;
        ids.erase(ids.begin(), ids.end() - 65);
      }
      double sum = 0;
      const std::vector<float> p = score_tokens(model, ids);
      for (size_t t = first; t < ids.size(); ++t) sum += static_cast<double>(p[t - 1]);
      EXPECT_EQ(found[i].log_likelihoods[e], sum) << q.id << ", " << e;
      EXPECT_LE(found[i].log_likelihoods[e], found[i].log_likelihoods[found[i].most]);
    }
  }
  EXPECT_EQ(found[0].most, 2u);  // an empty ending is certain
  questions = {{"huge", "", {"q"}, {std::string(400, 'x'), "y"}, 0}};
  EXPECT_NE(test::error_of([&] { choose(model, tokenizer, questions); }).find("huge"), std::string::npos);
}

}  // namespace
}  // namespace nuri
