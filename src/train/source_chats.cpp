#include "base/error.h"
#include "data/chat_rows.h"
#include "train/source.h"

namespace nuri {
namespace {

class ChatSource : public TrainSource {
 public:
  ChatSource(const data::ChatFiles& files, const std::filesystem::path& tokenizer_dir, const Recipe& r,
             const std::function<void(uint64_t, uint64_t)>& progress)
      : TrainSource(tokenizer_dir),
        template_(tokenizer()),
        length_(r.length),
        chats_(data::read_chats(files, template_,
                                {.length = r.length,
                                 .learn_thought = r.learn_thought,
                                 .cut = r.too_long == "cut",
                                 .held_out_share = r.held_out_share},
                                progress)),
        rows_(chats_.train, r.length, static_cast<uint64_t>(r.seed), *tokenizer().eos_id()),
        files_(files),
        name_(files.train.front() + (files.train.size() > 1 ? " and others" : "")) {}

  data::Batch rows(uint64_t first, int64_t n_rows) override { return rows_.rows(first, n_rows); }
  uint64_t rows_within(double epochs) override { return rows_.rows_within(epochs); }
  std::unique_ptr<data::HeldOut> held_out(uint64_t max_rows) const override {
    return std::make_unique<data::HeldOutChats>(chats_.held_out, length_, *tokenizer().eos_id(), max_rows);
  }
  std::vector<int32_t> prompt(const std::string& text) const override {
    return template_.render(std::vector<Message>{{"user", text}}, true);
  }
  std::vector<std::string> questions(size_t n) const override {
    std::vector<std::string> out;
    const data::ChatSet& chats = chats_.held_out;
    for (size_t i = 0; i < n && n <= chats.size(); ++i) out.push_back(chats.question(i * chats.size() / n));
    return out;
  }
  std::string hash() const override { return data::hex(chats_.train.hash()) + data::hex(chats_.held_out.hash()); }
  std::string name() const override { return name_; }
  std::vector<std::string> places() const override {
    std::vector<std::string> out{place_text("tokenizer", tokenizer_dir())};
    for (const std::string& file : files_.train) out.push_back(place_text("chats", file));
    for (const std::string& file : files_.held_out) out.push_back(place_text("held_out", file));
    return out;
  }
  std::string kind() const override { return "sft"; }
  std::map<std::string, int64_t> counts() const override {
    const data::ChatCounts &train = chats_.train.counts(), &held_out = chats_.held_out.counts();
    return {{"chats", train.chats},
            {"chats_cut", train.cut},
            {"chats_left_out", train.left_out},
            {"held_out_chats", held_out.chats},
            {"held_out_chats_cut", held_out.cut},
            {"held_out_chats_left_out", held_out.left_out}};
  }

  std::string text() const override {
    std::string text;
    IgnoredKeys ignored;
    for (const data::ChatSet* set : {&chats_.train, &chats_.held_out}) {
      const data::ChatCounts& n = set->counts();
      for (const auto& [key, count] : n.ignored_keys) ignored[key] += count;
      text += fmt::format("{}: {} rows, {} chats, {} tokens, {} of them learned; {} cut to {} tokens, {} left out\n",
                          set == &chats_.train ? "chats to train on" : "held out", n.rows, n.chats, n.tokens, n.learned,
                          n.cut, length_ + 1, n.left_out);
    }
    if (!ignored.empty()) text += ignored_keys_text(ignored) + "\n";
    return text + fmt::format("packed into rows of {} tokens, {:.1f} % full\n", length_, 100 * rows_.fill());
  }

 private:
  ChatTemplate template_;
  int64_t length_;
  data::Chats chats_;
  data::ChatRows rows_;
  data::ChatFiles files_;
  std::string name_;
};

}  // namespace

std::unique_ptr<TrainSource> open_chats(const data::ChatFiles& files, const std::filesystem::path& tokenizer_dir,
                                        const ResolvedRecipe& recipe,
                                        const std::function<void(uint64_t, uint64_t)>& progress) {
  const Recipe& r = recipe.recipe;
  NURI_CHECK(r.weights.empty(), "weights = \"{}\" is of shards; each chat is seen once an epoch", r.weights);
  NURI_CHECK(r.document_mask, "document_mask = false: chats of one row never see each other; leave the key out");
  NURI_CHECK(r.length <= recipe.model.max_seq_len,
             "length = {} is more than the model's context of {} tokens; lower length, or raise "
             "max_position_embeddings in config.json",
             r.length, recipe.model.max_seq_len);
  return std::make_unique<ChatSource>(files, tokenizer_dir, r, progress);
}

}  // namespace nuri
