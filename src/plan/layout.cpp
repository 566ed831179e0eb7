#include "plan/layout.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>
#include <span>

#include "base/error.h"
#include "base/nearest.h"

namespace nuri::plan {
namespace {

constexpr std::string_view kRecompute[] = {"none", "selective", "ffn", "full"};
constexpr std::string_view kSchedule[] = {"1f1b", "interleaved", "zero-bubble", "dualpipe"};

size_t index_of(std::span<const std::string_view> names, std::string_view text, std::string_view key) {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return i;
  std::string list;
  for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  fail("layout: {}: found \"{}\"{}; {} are allowed", key, text.substr(0, 40), did_you_mean(text, names), list);
}

int64_t degree_of(std::string_view text, std::string_view key, int64_t low, int64_t high) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  NURI_CHECK(error == std::errc() && end == text.data() + text.size() && value >= low && value <= high,
             "layout: {}: found \"{}\"; a whole number from {} to {} is needed", key, text.substr(0, 40), low, high);
  return value;
}

/// The divisor of n nearest to `wanted`.
int64_t nearest_divisor(int64_t n, int64_t wanted) {
  int64_t best = 1;
  for (int64_t d = 1; d <= n && d <= 4 * wanted; ++d)
    if (n % d == 0 && std::abs(d - wanted) < std::abs(best - wanted)) best = d;
  return best;
}

}  // namespace

std::string_view recompute_name(Recompute recompute) { return kRecompute[static_cast<size_t>(recompute)]; }

std::string_view schedule_name(Schedule schedule) { return kSchedule[static_cast<size_t>(schedule)]; }

double Job::data_parallel() const {
  return std::max(1.0, static_cast<double>(n_devices) / static_cast<double>(layout.tp * layout.cp * layout.pp));
}

double Job::micro_batches() const {
  return std::max(1.0, batch_tokens / (static_cast<double>(seq_len * layout.micro_batch) * data_parallel()));
}

Layout parse_layout(const std::string& text) {
  constexpr std::string_view kKeys[] = {"tp",   "cp",  "pp",        "vp",       "ep",    "etp",
                                        "zero", "mbs", "recompute", "schedule", "shard", "overlap"};
  Layout l;
  bool etp_given = false;
  std::set<std::string_view> seen;
  size_t at = 0;
  while ((at = text.find_first_not_of(" ,;", at)) != std::string::npos) {
    const size_t end = std::min(text.find_first_of(" ,;", at), text.size());
    const std::string_view part = std::string_view(text).substr(at, end - at);
    at = end;
    const size_t equal = part.find('=');
    const std::string_view key = part.substr(0, equal);
    NURI_CHECK(equal != part.npos && std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys),
               "layout: found \"{}\"{}; NAME=VALUE is needed, of tp, cp, pp, vp, ep, etp, zero, shard, mbs, recompute, "
               "schedule, overlap (or `auto`)",
               part.substr(0, 40), did_you_mean(key, kKeys));
    const std::string_view value = part.substr(equal + 1);
    NURI_CHECK(seen.insert(key).second, "layout: {} is given twice; leave one out", key);
    if (key == "recompute")
      l.recompute = static_cast<Recompute>(index_of(kRecompute, value, key));
    else if (key == "schedule")
      l.schedule = static_cast<Schedule>(index_of(kSchedule, value, key));
    else if (key == "overlap")
      l.overlap_experts = index_of(std::array<std::string_view, 2>{"none", "experts"}, value, key) == 1;
    else if (key == "zero")
      l.zero = static_cast<int>(degree_of(value, key, 0, 3));
    else if (key == "shard")
      l.shard = degree_of(value, key, 1, 1 << 20);
    else if (key == "mbs")
      l.micro_batch = degree_of(value, key, 1, 1 << 16);
    else {
      int64_t& degree = key == "tp"   ? l.tp
                        : key == "cp" ? l.cp
                        : key == "pp" ? l.pp
                        : key == "vp" ? l.vp
                        : key == "ep" ? l.ep
                                      : l.etp;
      degree = degree_of(value, key, 1, 1 << 16);
      etp_given |= key == "etp";
    }
  }
  if (!etp_given) l.etp = l.ep > 1 ? 1 : l.tp;
  if (l.schedule == Schedule::dualpipe) l.overlap_experts = true;
  if (l.vp > 1 && l.schedule == Schedule::one_f_one_b) l.schedule = Schedule::interleaved;
  return l;
}

void validate(const Job& job) {
  const Layout& l = job.layout;
  const ModelShape& s = job.shape;
  const AttentionShape& a = s.attention;
  NURI_CHECK(job.device.peak(job.precision) > 0, "hardware {}: no {} peak is known; choose a precision that it has{}",
             job.device.name, precision_name(job.precision), job.device.bf16 > 0 ? ", for example bf16" : "");
  NURI_CHECK(job.device.memory_gbs > 0 && job.device.memory_gb > 0,
             "hardware {}: its memory or bandwidth is not known; give them in a file (--hardware-file)",
             job.device.name);
  NURI_CHECK(
      job.device.bf16 > 0,
      "hardware {}: no 16-bit peak is known, which attention and the head run at; give it in a file (--hardware-file)",
      job.device.name);
  NURI_CHECK(
      job.n_devices == 1 || job.device.link_gbs > 0 || job.device.network_gbs > 0,
      "hardware {}: neither link nor network is known, and {} devices exchange; give them in a file (--hardware-file)",
      job.device.name, job.n_devices);
  const int64_t copy = l.tp * l.cp * l.pp;
  NURI_CHECK(
      copy <= job.n_devices,
      "layout: tp {} x cp {} x pp {} = {} devices for one copy; there are {}: lower one of them or take more devices",
      l.tp, l.cp, l.pp, copy, job.n_devices);
  NURI_CHECK(job.n_devices % copy == 0,
             "layout: {} devices are no multiple of tp x cp x pp = {}; the nearest are {} and {}", job.n_devices, copy,
             job.n_devices / copy * copy, (job.n_devices / copy + 1) * copy);
  NURI_CHECK(a.n_heads % l.tp == 0, "layout: tp {} does not divide {} heads; the nearest that does is {}", l.tp,
             a.n_heads, nearest_divisor(a.n_heads, l.tp));
  NURI_CHECK(l.pp * l.vp <= s.n_layers, "layout: pp {} x vp {} = {} parts of {} layers; at most {} are possible", l.pp,
             l.vp, l.pp * l.vp, s.n_layers, s.n_layers);
  NURI_CHECK(l.pp > 1 || (l.vp == 1 && l.schedule == Schedule::one_f_one_b),
             "layout: vp and schedules need a pipeline; give pp > 1 or leave them out");
  NURI_CHECK(l.vp == 1 || l.schedule == Schedule::interleaved || l.schedule == Schedule::one_f_one_b,
             "layout: {} has one chunk a stage; leave vp out", schedule_name(l.schedule));
  NURI_CHECK(l.schedule != Schedule::dualpipe || l.pp % 2 == 0,
             "layout: dualpipe needs an even pp, found {}; the nearest are {} and {}", l.pp, l.pp - 1, l.pp + 1);
  NURI_CHECK(l.ep == 1 || s.n_moe_layers > 0, "layout: ep {}, but the model has no experts; leave it out", l.ep);
  NURI_CHECK(l.ep == 1 || s.experts.n_routed % l.ep == 0,
             "layout: ep {} does not divide {} experts; the nearest that does is {}", l.ep, s.experts.n_routed,
             nearest_divisor(s.experts.n_routed, l.ep));
  NURI_CHECK(l.etp == 1 || s.n_moe_layers > 0 || l.etp == l.tp,
             "layout: etp {}, but the model has no experts; leave it out", l.etp);
  NURI_CHECK(l.etp <= l.tp, "layout: etp {} is above tp {}; an expert is split over devices that share tokens", l.etp,
             l.tp);
  NURI_CHECK(l.cp == 1 || job.seq_len / l.cp >= 64,
             "layout: cp {} leaves {} tokens of a sequence to each device; at most {} is possible", l.cp,
             job.seq_len / l.cp, std::max<int64_t>(1, job.seq_len / 64));
  NURI_CHECK(l.shard == 0 || l.zero >= 1, "layout: shard {} with zero 0: nothing is sharded; leave one out", l.shard);
  NURI_CHECK((job.n_devices / l.pp) % (l.ep * l.etp) == 0,
             "layout: ep {} x etp {} does not divide the {} devices of a pipeline stage; the nearest ep is {}", l.ep,
             l.etp, job.n_devices / l.pp,
             nearest_divisor(std::gcd(job.n_devices / l.pp / std::gcd(job.n_devices / l.pp, l.etp),
                                      std::max<int64_t>(1, s.experts.n_routed)),
                             l.ep));
  NURI_CHECK(l.zero < 3 || l.pp == 1,
             "layout: ZeRO 3 gathers weights for every micro-batch of a pipeline; take zero 1 with pp, or pp 1");
  const double rows = job.batch_tokens / static_cast<double>(job.seq_len) / job.data_parallel();
  const double micros = job.micro_batches(), least = job.least_micro_batches();
  NURI_CHECK(micros >= least * (1 - 1e-9),
             "layout: {} with pp {} needs at least {:.0f} micro-batches a step, found {:.4g}; raise the batch, lower "
             "pp, or take 1f1b",
             schedule_name(l.schedule), l.pp, least, micros);
  NURI_CHECK(rows >= static_cast<double>(l.micro_batch) * (1 - 1e-9),
             "layout: a batch of {:.0f} tokens is {:.3g} sequences for each of {:.0f} replicas; micro-batches of {} "
             "need at least {:.0f} tokens a step, or fewer replicas",
             job.batch_tokens, rows, job.data_parallel(), l.micro_batch,
             static_cast<double>(l.micro_batch * job.seq_len) * job.data_parallel());
}

double Job::round_micro_batches() const {
  if (layout.vp > 1) return static_cast<double>(layout.pp);
  return layout.schedule == Schedule::dualpipe ? 2 : 1;  // as many from either end
}

double Job::whole_micro_batches() const {
  return std::ceil(micro_batches() / round_micro_batches() - 1e-9) * round_micro_batches();
}

double Job::least_micro_batches() const {
  const auto stages = static_cast<double>(layout.pp);
  return layout.vp > 1 ? stages : layout.schedule == Schedule::one_f_one_b ? 1.0 : 2.0 * stages;
}

double Job::least_batch() const {
  return static_cast<double>(seq_len * layout.micro_batch) * data_parallel() * least_micro_batches();
}

double Job::round_tokens() const {
  return static_cast<double>(seq_len * layout.micro_batch) * data_parallel() * round_micro_batches();
}

double Job::fullest_stage() const {
  const int64_t layers = shape.n_layers + shape.n_mtp_layers;
  const int64_t whole = (layers + layout.pp - 1) / layout.pp * layout.pp;
  return static_cast<double>(whole) / static_cast<double>(layers);
}

std::string layout_text(const Layout& l) {
  std::string out;
  const auto add = [&](const char* name, int64_t degree) {
    if (degree > 1) out += fmt::format("{}{} {}", out.empty() ? "" : " ", name, degree);
  };
  add("tp", l.tp);
  add("cp", l.cp);
  add("pp", l.pp);
  add("vp", l.vp);
  add("ep", l.ep);
  add("etp", l.etp);
  if (out.empty()) out = "data parallel";
  out += fmt::format(", ZeRO {}{}", l.zero, l.shard > 0 ? fmt::format(" over {}", l.shard) : "");
  out += fmt::format(", micro-batch {}, recompute {}", l.micro_batch, recompute_name(l.recompute));
  if (l.pp > 1) out += fmt::format(", {}", schedule_name(l.schedule));
  if (l.overlap_experts && l.schedule != Schedule::dualpipe) out += ", experts' exchange overlapped";
  return out;
}

}  // namespace nuri::plan
