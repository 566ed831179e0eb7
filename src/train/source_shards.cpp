#include "base/error.h"
#include "data/loader.h"
#include "train/source.h"

namespace nuri {
namespace {

class Shards : public TrainSource {
 public:
  Shards(data::Dataset dataset, data::LoaderOptions options)
      : TrainSource(dataset.tokenizer_dir()), dataset_(std::move(dataset)), loader_(dataset_, std::move(options)) {}

  data::Batch rows(uint64_t first, int64_t n_rows) override { return loader_.rows(first, n_rows); }
  uint64_t rows_within(double epochs) override {
    return static_cast<uint64_t>(epochs * static_cast<double>(loader_.rows_per_epoch()));
  }
  std::unique_ptr<data::HeldOut> held_out(uint64_t max_rows) const override {
    return std::make_unique<data::ValidationRows>(dataset_, loader_.length(), max_rows);
  }
  std::vector<int32_t> prompt(const std::string& text) const override {
    std::vector<int32_t> ids;
    if (const auto bos = tokenizer().bos_id()) ids.push_back(*bos);
    tokenizer().encode_to(text, ids);
    return ids;
  }
  std::string hash() const override { return dataset_.manifest().hash; }
  std::string name() const override { return dataset_.dir().string(); }
  std::vector<std::string> places() const override { return {place_text("data", dataset_.dir())}; }

 private:
  data::Dataset dataset_;
  data::Loader loader_;
};

}  // namespace

std::vector<std::string> TrainSource::questions(size_t) const { return {}; }

std::unique_ptr<TrainSource> open_shards(const std::filesystem::path& directory, const ResolvedRecipe& recipe) {
  const Recipe &r = recipe.recipe, usual;
  NURI_CHECK(r.learn_thought == usual.learn_thought && r.too_long == usual.too_long &&
                 r.held_out_share == usual.held_out_share,
             "learn_thought, too_long and held_out_share are of chats (`nuri sft`); shards of text have none of them");
  return std::make_unique<Shards>(
      data::Dataset::open(directory),
      data::LoaderOptions{.length = r.length, .seed = static_cast<uint64_t>(r.seed), .weights = r.source_weights()});
}

}  // namespace nuri
