#include "train/recipe.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_support.h"

namespace nuri {
namespace {

class RecipeFile : public testing::Test {
 protected:
  void SetUp() override { write_file_atomic(dir_.path() / "config.json", R"({"model_type": "deepseek_v3"})"); }
  ResolvedRecipe load(const std::string& text, const std::vector<std::string>& settings = {}) {
    write_file_atomic(dir_.path() / "r.toml", text);
    return load_recipe(dir_.path() / "r.toml", settings);
  }
  std::string error(const std::string& text, const std::vector<std::string>& settings = {}) {
    try {
      load(text, settings);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  test::TempDir dir_;
};

TEST_F(RecipeFile, ValuesAndTheirOrigins) {
  const ResolvedRecipe r =
      load("config = \"config.json\"\nlr = 1e-3\nbatch_rows = 4\n", {"length=128", "schedule=cosine", "tokens=2e6"});
  EXPECT_EQ(r.recipe.lr, 1e-3);
  EXPECT_EQ(r.recipe.batch_rows, 4);
  EXPECT_EQ(r.recipe.length, 128);
  EXPECT_EQ(r.recipe.schedule, "cosine");
  EXPECT_EQ(r.recipe.tokens, 2000000);
  EXPECT_EQ(r.origin.at("length"), "--set length=128");
  EXPECT_FALSE(r.origin.contains("beta1"));
}

TEST_F(RecipeFile, PrintedRecipeRunsAgain) {
  const ResolvedRecipe r =
      load("config = \"config.json\"\nlr = 0.00123\nsample_prompts = \"a \\\"b\\\"|안녕\"\n", {"steps=7"});
  const std::string text = recipe_text(r);
  const ResolvedRecipe again = load(text);
  EXPECT_TRUE(changed_bits(r, again).empty());
  EXPECT_EQ(again.recipe.sample_prompts, r.recipe.sample_prompts);
  EXPECT_EQ(again.recipe.steps, 7);
  EXPECT_NE(text.find("[--set steps=7]"), std::string::npos);
  EXPECT_NE(text.find("[default]"), std::string::npos);
}

TEST_F(RecipeFile, DefaultsOfAVerbStandBelowTheFile) {
  write_file_atomic(dir_.path() / "recipe.toml", "config = \"config.json\"\nlr = 1e-3\n");
  const ResolvedRecipe r =
      load_recipe(dir_.path() / "recipe.toml", {"seed=4"}, {"lr = 1.0\nepochs = 3.0\nseed = 1\n", "a verb"});
  EXPECT_EQ(r.recipe.lr, 1e-3);
  EXPECT_EQ(r.recipe.epochs, 3);
  EXPECT_EQ(r.recipe.seed, 4);
  EXPECT_EQ(r.origin.at("epochs"), "a verb");
}

TEST_F(RecipeFile, TheModelMayBeThatOfAnotherDirectory) {
  const ResolvedRecipe with = load("config = \"config.json\"\n");
  fs::create_directories(dir_.path() / "base");
  fs::copy_file(dir_.path() / "config.json", dir_.path() / "base" / "config.json");
  const ResolvedRecipe r = load("init_from = \"base\"\n");
  EXPECT_EQ(r.model.vocab_size, with.model.vocab_size);
  EXPECT_EQ(r.init_from, dir_.path() / "base");
  EXPECT_EQ(load("init_from = \"" + (dir_.path() / "base").string() + "\"\n").init_from, dir_.path() / "base");
  EXPECT_FALSE(changed_bits(with, r).empty());
}

TEST_F(RecipeFile, TheBestIsChosenAmongEqualMeasures) {
  const std::string ok = "config = \"config.json\"\n";
  for (const char* key : {"publish = \"best\"\n", "patience = 2\n"}) {
    EXPECT_NE(error(ok + key).find("eval_rows = 0"), std::string::npos);
    EXPECT_NE(error(ok + key + "eval_rows = 0\neval_every = 0\n").find("eval_every"), std::string::npos);
    const ResolvedRecipe r = load(ok + key + "eval_rows = 0\n"),
                         other = load(ok + key + "eval_rows = 0\neval_every = 7\n");
    EXPECT_EQ(changed_bits(r, other).size(), 1u);  // validations decide the end
  }
  EXPECT_TRUE(changed_bits(load(ok), load(ok + "eval_every = 7\n")).empty());
  EXPECT_NE(error(ok + "publish = \"first\"\n").find("last and best"), std::string::npos);
  EXPECT_NE(error(ok + "publish = \"best\"\neval_rows = 0\nema_decay = 0.9\n").find("ema_decay"), std::string::npos);
  EXPECT_NE(error(ok + "too_long = \"keep\"\n").find("cut and drop"), std::string::npos);
}

TEST_F(RecipeFile, KeysOfReinforcementLearning) {
  const auto policy = [&](const std::string& text) {
    write_file_atomic(dir_.path() / "r.toml", "config = \"config.json\"\nsteps = 9\ntasks = \"sort\"\n" + text);
    return load_recipe(dir_.path() / "r.toml", {}, {.policy = true});
  };
  const auto refused = [&](const std::string& text) { return test::error_of([&] { (void)policy(text); }); };
  const ResolvedRecipe r = policy("prompts = 6\nsamples = 4\nupdates = 3\nlength = 1000\n");
  EXPECT_EQ(r.recipe.batch_rows, 8);  // answers of an update
  EXPECT_EQ(r.recipe.micro_rows, 8);
  EXPECT_EQ(r.policy->answer_tokens, 500);
  EXPECT_EQ(policy("length = 1000\nsamples = 16\nmicro_rows = 2\n").recipe.micro_rows, 2);

  // What is printed can be run again, and says the same.
  write_file_atomic(dir_.path() / "again.toml", recipe_text(r));
  const ResolvedRecipe again = load_recipe(dir_.path() / "again.toml", {}, {.policy = true});
  EXPECT_TRUE(changed_bits(r, again).empty());
  EXPECT_EQ(changed_bits(r, policy("prompts = 6\nsamples = 4\nupdates = 3\nlength = 1000\nkl = 0.5\n")).size(), 1u);
  EXPECT_TRUE(changed_bits(r, policy("prompts = 6\nsamples = 4\nupdates = 3\nlength = 1000\nrollout_sequences = 3\n"
                                     "eval_problems = 7\n"))
                  .empty());
  EXPECT_NE(error("config = \"config.json\"\nsamples = 4\n").find("`nuri rl`"), std::string::npos);

  EXPECT_NE(refused("batch_rows = 3\n").find("leave it out"), std::string::npos);
  EXPECT_NE(refused("updates = 3\n").find("does not divide"), std::string::npos);
  EXPECT_NE(refused("answer_tokens = 256\n").find("no room"), std::string::npos);
  EXPECT_NE(refused("reference_every = 2\n").find("kl above 0"), std::string::npos);
  EXPECT_NE(refused("dynamic_sampling = true\nupdates = 2\n").find("updates = 1"), std::string::npos);
  EXPECT_NE(refused("problems = \"p.jsonl\"\n").find("or a file of them"), std::string::npos);
  EXPECT_NE(refused("language = \"jp\"\n").find("ko, en and both"), std::string::npos);
  EXPECT_NE(refused("samples = 1\n").find("allowed are 2"), std::string::npos);
  EXPECT_NE(refused("top_p = 0\n").find("top_p"), std::string::npos);
  EXPECT_NE(refused("ema_decay = 0.9\n").find("leave them out"), std::string::npos);
  EXPECT_NE(refused("sample = 4\n").find("samples"), std::string::npos);
}

TEST_F(RecipeFile, ErrorsNameTheKeyAndTheRemedy) {
  const std::string ok = "config = \"config.json\"\n";
  EXPECT_NE(error(ok + "learning_rat = 1\n").find("learning_rat"), std::string::npos);
  EXPECT_NE(error(ok + "warmup_step = 1\n").find("warmup_steps"), std::string::npos);
  EXPECT_NE(error(ok + "lr = \"fast\"\n").find("must be a number"), std::string::npos);
  EXPECT_NE(error(ok + "lr = nan\n").find("finite"), std::string::npos);
  EXPECT_NE(error(ok + "batch_rows = 0\n").find("allowed are 1"), std::string::npos);
  EXPECT_NE(error(ok + "batch_rows = 1.5\n").find("whole number"), std::string::npos);
  EXPECT_NE(error(ok + "grad_shards = 3\n").find("power of two"), std::string::npos);
  EXPECT_NE(error(ok + "precision = \"fp8\"\n").find("bf16 and f32"), std::string::npos);
  EXPECT_NE(error(ok + "schedule = \"linear\"\n").find("wsd"), std::string::npos);
  EXPECT_NE(error(ok + "optimizer = \"sgd\"\n").find("adamw and muon"), std::string::npos);
  EXPECT_NE(error(ok + "muon_momentum = 1\n").find("0.999999"), std::string::npos);
  EXPECT_NE(error(ok + "lr = \n").find("line 2"), std::string::npos);
  // What the library does not survive in every build: a quote inside a number, something like a date before a comment.
  EXPECT_NE(error(ok + "steps = 99'99y\xD0\xB2\n").find("quoted as a whole"), std::string::npos);
  EXPECT_NE(error(ok + "steps = 2020-01-01 # a date\n").find("inside a value"), std::string::npos);
  EXPECT_NE(error(ok + "lr = 123e-5e-78 #\n").find("inside a value"), std::string::npos);
  EXPECT_NE(error(ok + "\" 가\xC2\x85= \" \xCA\xB1x\"\n").find("write \\u0085"), std::string::npos);
  EXPECT_NE(error(ok + "lr = 7(=--=9-== 7#\n").find("line 2: found '('"), std::string::npos);
  EXPECT_NE(error("lr = 1e-3\n").find("config is missing"), std::string::npos);
  EXPECT_NE(error("config = \"absent.json\"\n").find("absent.json"), std::string::npos);
  EXPECT_NE(error(ok, {"lr"}).find("key=value"), std::string::npos);
  EXPECT_NE(error(ok + "eps = 1e-20\n").find("eps"), std::string::npos);
  for (const char* weights : {"ko=", "=1", "ko", "ko=1x", "ko=-1", "ko=nan", ",", "ko=1,,en=1"})
    EXPECT_NE(error(ok + "weights = \"" + weights + "\"\n").find("source=number"), std::string::npos) << weights;
}

TEST_F(RecipeFile, RampsAreChecked) {
  const std::string ok = "config = \"config.json\"\nlength = 100\nbatch_rows = 12\n";
  const ResolvedRecipe r = load(ok + "batch_rows_start = 4\nbatch_ramp_tokens = 3000\n");
  EXPECT_EQ(r.recipe.batch_ramp().rows_at(0), 4);
  EXPECT_EQ(r.recipe.batch_ramp().rows_at(15), 8);
  EXPECT_EQ(r.recipe.batch_ramp().rows_at(30), 12);
  EXPECT_EQ(r.recipe.rows_at_once(), 4) << "forwards of one size";
  EXPECT_EQ(load(ok).recipe.batch_ramp().rows_at(0), 12);
  EXPECT_NE(error(ok + "batch_rows_start = 4\n").find("a ramp needs both"), std::string::npos);
  EXPECT_NE(error(ok + "batch_ramp_tokens = 3000\n").find("a ramp needs both"), std::string::npos);
  EXPECT_NE(error(ok + "batch_ramp_unit = 3\n").find("without batch_rows_start"), std::string::npos);
  const std::string ramp = ok + "batch_ramp_tokens = 3000\n";
  EXPECT_NE(error(ramp + "batch_rows_start = 16\n").find("a ramp rises"), std::string::npos);
  EXPECT_NE(error(ramp + "batch_rows_start = 5\n").find("a divisor of 7"), std::string::npos);
  EXPECT_NE(error(ramp + "batch_rows_start = 2\ngrad_shards = 4\n").find("grad_shards = 4"), std::string::npos);
  EXPECT_NE(error(ok + "batch_rows_start = 4\nbatch_ramp_tokens = 99\n").find("one row"), std::string::npos);
  EXPECT_NE(error(ramp + "batch_rows_start = 4\ntokens = 399\n").find("one step of 400"), std::string::npos);
}

TEST_F(RecipeFile, AnyTextSurvivesPrinting) {
  // Control characters in a value, and in the origin that becomes a comment.
  const std::string prompts = "tab\tline\nreturn\r\r\n\v\f\x01\x7F \\\" 가 \xC2\x85 \xE2\x80\xA8\xE2\x80\xA9";
  const ResolvedRecipe r = load("config = \"config.json\"\n", {"sample_prompts=" + prompts});
  EXPECT_EQ(r.recipe.sample_prompts, prompts);
  EXPECT_EQ(load(recipe_text(r)).recipe.sample_prompts, prompts);
  ResolvedRecipe odd = r;
  odd.origin["lr"] = "a path\n\xFF\xC2\x85 = \xE2\x80\xA8.toml";
  EXPECT_EQ(load(recipe_text(odd)).recipe.lr, r.recipe.lr);
}

TEST_F(RecipeFile, TheShippedRecipesLoad) {
  for (const char* name : {"nano", "micro", "small", "v3"})
    EXPECT_NO_THROW(load_recipe(std::filesystem::path(NURI_SOURCE_DIR) / "recipes" / name / "recipe.toml", {})) << name;
}

TEST(Schedule, WarmUpStableDecay) {
  const Schedule s{.kind = ScheduleKind::wsd,
                   .peak = 1,
                   .final = 0.1,
                   .warmup_steps = 10,
                   .total_steps = 100,
                   .decay_fraction = 0.4};
  EXPECT_DOUBLE_EQ(s.at(0), 0.1);
  EXPECT_DOUBLE_EQ(s.at(9), 1);
  EXPECT_DOUBLE_EQ(s.at(59), 1);
  EXPECT_DOUBLE_EQ(s.at(60), 1);
  EXPECT_DOUBLE_EQ(s.at(80), 0.1 + 0.9 * 0.5);
  EXPECT_NEAR(s.at(99), 0.1 + 0.9 / 40, 1e-12);
  const Schedule c{.kind = ScheduleKind::cosine, .peak = 1, .final = 0, .warmup_steps = 0, .total_steps = 100};
  EXPECT_DOUBLE_EQ(c.at(0), 1);
  EXPECT_NEAR(c.at(50), 0.5, 1e-12);
}

}  // namespace
}  // namespace nuri
