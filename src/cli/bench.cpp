// nuri bench [ops|step|predict|decode|rollout|policy|prefill|depth|optimizer|text].
#include "cli/bench.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/threads.h"
#include "cli/machine.h"
#include "cli/profile_text.h"
#include "cli/verbs.h"
#include "ledger/run_record.h"
#include "nuri_commit.h"

namespace nuri {

namespace {

struct Options {
  std::string what = "step";
  BenchOptions bench;
  std::vector<std::string> text;
  std::string documents_out;
  int64_t vocab_size = 32000;
  bool json = false, no_mtp = false, table = false;
};

/// After the measurements: what the machine can do, measured before and after them.
void report_machine(const Options& o, OrderedJson& j) {
  measure_products_again();
  j["cpu"] = this_machine("").cpu;
  j["level"] = active_level_text();
  j["threads"] = thread_count();
  j["commit"] = NURI_COMMIT;
  j["peak_fp32_gflops"] = machine_peaks().fp32_gflops;
  j["peak_bf16_gflops"] = machine_peaks().bf16_gflops;
  j["peak_gflops"] = machine_peaks().bf16_gflops;  // of the default precision; a step in FP32 puts its own
  j["read_gbps"] = machine_peaks().read_gbps;
  j["handover_ns"] = machine_peaks().handover_ns;
  if (!o.json)
    fmt::print(
        "{}, {} threads, level {}, commit {}; peak FP32 {:.1f}, BF16 {:.1f} GFLOP/s, read {:.1f} GB/s, handover {:.0f} "
        "ns\n",
        j["cpu"].get<std::string>(), thread_count(), active_level_text(), NURI_COMMIT, machine_peaks().fp32_gflops,
        machine_peaks().bf16_gflops, machine_peaks().read_gbps, machine_peaks().handover_ns);
}

void run_ops(const Options& o, OrderedJson& j) {
  const std::vector<BenchRow> rows = bench_ops(o.bench);
  report_machine(o, j);
  for (const BenchRow& r : rows) {
    const double of_peak = r.gflops / product_peak(machine_peaks(), r.bf16);
    j["rows"].push_back(
        {{"what", r.what}, {"kernel", r.kernel}, {"ms", 1e3 * r.seconds}, {"gflops", r.gflops}, {"of_peak", of_peak}});
    if (!o.json)
      fmt::print("{:<48} {:<18} {:>9.3f} ms {:>8.1f} GFLOP/s {:>6.1f} %\n", r.what, r.kernel, 1e3 * r.seconds, r.gflops,
                 100 * of_peak);
  }
}

void run_step(const Options& o, OrderedJson& j) {
  const StepBench s = bench_step(o.bench);
  report_machine(o, j);
  const double peak = product_peak(machine_peaks(), o.bench.precision != "f32"), mfu = s.flops / s.seconds / 1e9 / peak;
  j["preset"] = o.bench.preset;
  j["precision"] = o.bench.precision;
  j["mtp"] = o.bench.with_mtp;
  j["recompute"] = o.bench.recompute;
  j["activations_bytes"] = s.activations;
  j["rows"] = s.rows;
  j["length"] = s.length;
  j["step_ms"] = 1e3 * s.seconds;
  j["tokens_per_s"] = s.tokens_per_s;
  j["flops"] = s.flops;
  j["mfu"] = mfu;
  j["peak_gflops"] = peak;
  if (!o.json)
    fmt::print(
        "{} {} x {}, {}, MTP {}: {:.1f} ms a step, {:.0f} tokens/s, {:.1f} % of {:.1f} GFLOP/s, {:.1f} MB of "
        "activations\n",
        o.bench.preset, s.rows, s.length, o.bench.precision, o.bench.with_mtp ? "on" : "off", 1e3 * s.seconds,
        s.tokens_per_s, 100 * mfu, peak, static_cast<double>(s.activations) / 1e6);
  j["breakdown"] = breakdown_json(breakdown_of(s.recording));
  if (o.json) return;
  if (o.table)
    fmt::print("{}", profile_table(s.recording, machine_peaks(), 60));
  else
    fmt::print("{}\n", breakdown_text(breakdown_of(s.recording)));
}

void run_decode(const Options& o, OrderedJson& j) {
  const std::vector<DecodeBench> rows = o.what == "rollout" ? bench_rollout(o.bench) : bench_decode(o.bench);
  report_machine(o, j);
  j["preset"] = o.bench.preset;
  for (const DecodeBench& d : rows) {
    j["decode"].push_back({{"sequences", d.sequences},
                           {"context", d.context},
                           {"tokens_per_s", d.tokens_per_s},
                           {"bytes_per_step", d.bytes_per_step},
                           {"flops_per_step", d.flops_per_step},
                           {"read_gbps", d.read_gbps},
                           {"of_read", d.of_read},
                           {"of_roofline", d.of_roofline},
                           {"of_parts", d.of_parts}});
    if (o.what == "rollout") {
      j["decode"].back()["mean_context"] = d.mean_context;
      j["decode"].back()["evictions"] = d.evictions;
      j["decode"].back()["shares"] = {{"forward", d.shares.forward},
                                      {"logits", d.shares.logits},
                                      {"draw", d.shares.draw},
                                      {"engine", d.shares.engine}};
    }
    if (!o.json)
      fmt::print(
          "{} {:>3} sequences, context {:>4}: {:>7.1f} tokens/s, {:>6.1f} MB and {:>6.1f} GFLOP a step, {:.1f} % "
          "of the roofline, {:.1f} % of its parts' (read {:.1f} GB/s meanwhile)\n",
          o.bench.preset, d.sequences, d.context, d.tokens_per_s, d.bytes_per_step / 1e6, d.flops_per_step / 1e9,
          100 * d.of_roofline, 100 * d.of_parts, d.read_gbps);
    if (!o.json && o.what == "rollout")
      fmt::print("  of a step: layers {:.1f} %, logits {:.1f} %, draw {:.1f} %, the rest of the engine {:.1f} %\n",
                 100 * d.shares.forward, 100 * d.shares.logits, 100 * d.shares.draw, 100 * d.shares.engine);
  }
  if (!rows.empty()) j["tokens_per_s"] = rows[0].tokens_per_s;
  if (o.what != "rollout") return;
  j["of_one"] = rows[0].tokens_per_s / rows[1].tokens_per_s;
  if (!o.json) fmt::print("together {:.1f} times the tokens/s of one\n", rows[0].tokens_per_s / rows[1].tokens_per_s);
}

void run_policy(const Options& o, OrderedJson& j) {
  const PolicyBench b = bench_policy(o.bench);
  report_machine(o, j);
  j["preset"] = o.bench.preset;
  j["precision"] = o.bench.precision;
  j["prompts"] = b.prompts;
  j["samples"] = b.samples;
  j["prompt_tokens"] = b.prompt_tokens;
  j["new_tokens"] = b.new_tokens;
  j["step_seconds"] = b.step_seconds();
  j["rollout_seconds"] = b.rollout_seconds;
  j["train_seconds"] = b.train_seconds;
  j["train_expanded_seconds"] = b.train_expanded_seconds;
  j["price"] = b.price();
  j["sampler_difference"] = b.sampler_difference;
  if (!o.json)
    fmt::print(
        "{} {}, {} prompts x {} answers of {} tokens behind {}: {:.3f} s a step, {:.3f} of it answers and {:.3f} "
        "training ({:.3f} expanded, so exactness costs {:.2f}x); sampler and trainer differ by {}\n",
        o.bench.preset, o.bench.precision, b.prompts, b.samples, b.new_tokens, b.prompt_tokens, b.step_seconds(),
        b.rollout_seconds, b.train_seconds, b.train_expanded_seconds, b.price(), b.sampler_difference);
}

void run_prefill(const Options& o, OrderedJson& j) {
  const std::vector<PrefillBench> rows = bench_prefill(o.bench);
  report_machine(o, j);
  j["preset"] = o.bench.preset;
  for (const PrefillBench& p : rows) {
    const double of_peak = p.flops / p.seconds / 1e9 / product_peak(machine_peaks(), o.bench.precision != "f32");
    j["prefill"].push_back({{"tokens", p.tokens},
                            {"tokens_per_s", static_cast<double>(p.tokens) / p.seconds},
                            {"flops", p.flops},
                            {"of_peak", of_peak}});
    if (!o.json)
      fmt::print("{} prompt of {} tokens: {:.1f} tokens/s, {:.1f} % of the peak\n", o.bench.preset, p.tokens,
                 static_cast<double>(p.tokens) / p.seconds, 100 * of_peak);
  }
}

void run_depth(const Options& o, OrderedJson& j) {
  const std::vector<DepthBench> rows = bench_depth(o.bench);
  report_machine(o, j);
  for (const DepthBench& d : rows) {
    const double of_peak = d.flops / d.seconds / 1e9 / product_peak(machine_peaks(), o.bench.precision != "f32");
    const double gbps = d.bytes / d.seconds / 1e9;
    j["depth"].push_back({{"context", d.context}, {"ms", 1e3 * d.seconds}, {"of_peak", of_peak}, {"gbps", gbps}});
    if (!o.json)
      fmt::print("attention of one token over {} latents, 16 heads: {:.3f} ms, {:.1f} % of the peak, {:.1f} GB/s\n",
                 d.context, 1e3 * d.seconds, 100 * of_peak, gbps);
  }
}

void run_predict(const Options& o, OrderedJson& j) {
  const PredictBench p = bench_predict(o.bench);
  report_machine(o, j);
  j["preset"] = o.bench.preset;
  j["predicted_ms"] = 1e3 * p.predicted;
  j["measured_ms"] = 1e3 * p.measured;
  j["ratio"] = p.ratio;
  j["measuring_s"] = p.measuring;
  if (!o.json)
    fmt::print("{} a step: {:.1f} ms predicted from shorter models in {:.1f} s, {:.1f} ms measured: {:+.1f} %\n",
               o.bench.preset, 1e3 * p.predicted, p.measuring, 1e3 * p.measured, 100 * (p.ratio - 1));
}

void run_optimizer(const Options& o, OrderedJson& j) {
  const OptimizerBench b = bench_optimizer(o.bench);
  report_machine(o, j);
  const double gbps = b.bytes / b.seconds / 1e9;
  j["parameters"] = b.parameters;
  j["ms"] = 1e3 * b.seconds;
  j["gbps"] = gbps;
  j["copy_gbps"] = b.copy_gbps;
  j["of_copy"] = gbps / b.copy_gbps;
  if (!o.json)
    fmt::print("AdamW of {} parameters: {:.2f} ms, {:.1f} GB/s, {:.1f} % of a copy ({:.1f} GB/s read and written)\n",
               b.parameters, 1e3 * b.seconds, gbps, 100 * gbps / b.copy_gbps, b.copy_gbps);
}

void run_text(const Options& o, OrderedJson& j) {
  NURI_CHECK(!o.text.empty(),
             "bench text needs --text PATH or PATH::name=NAME (may be repeated): the text to measure on, one row for "
             "each name");
  const TextBench t = bench_text(o.text, o.vocab_size, o.documents_out);
  report_machine(o, j);
  j["vocab_size"] = o.vocab_size;
  j["megabytes"] = t.megabytes;
  j["train_seconds"] = t.train_seconds;
  j["train_mb_per_s"] = t.megabytes / t.train_seconds;
  j["shards_seconds"] = t.shards_seconds;
  j["shards_mb_per_s"] = t.megabytes / t.shards_seconds;
  for (const TextSourceBench& s : t.sources)
    j["sources"].push_back({{"name", s.name},
                            {"megabytes", s.megabytes},
                            {"documents", s.documents},
                            {"tokens", s.tokens},
                            {"encode_mb_per_s", s.megabytes / s.encode_seconds},
                            {"encode_threads_mb_per_s", s.megabytes / s.encode_threads_seconds}});
  if (o.json) return;
  fmt::print("{:<40} {:>9} {:>11} {:>9} {:>10}\n", "MB of cleaned text, 10^6 bytes", "MB", "tokens", "seconds", "MB/s");
  const auto row = [](const std::string& what, double megabytes, const std::string& tokens, double seconds) {
    fmt::print("{:<40} {:>9.1f} {:>11} {:>9.2f} {:>10.1f}\n", what, megabytes, tokens, seconds, megabytes / seconds);
  };
  row(fmt::format("training of {} ids, {} threads", o.vocab_size, thread_count()), t.megabytes, "", t.train_seconds);
  for (const TextSourceBench& s : t.sources) {
    row(fmt::format("encoding {}, one thread", s.name), s.megabytes, std::to_string(s.tokens), s.encode_seconds);
    row(fmt::format("encoding {}, {} threads", s.name, thread_count()), s.megabytes, std::to_string(s.tokens),
        s.encode_threads_seconds);
  }
  row(fmt::format("cleaning, tokenising to shards, {} threads", thread_count()), t.megabytes, "", t.shards_seconds);
}

int run(Options o) {
  o.bench.with_mtp = !o.no_mtp;
  if (o.bench.seconds <= 0)
    o.bench.seconds = o.what == "step" || o.what == "predict" ? 5 : o.what == "prefill" ? 3 : 0.3;
  OrderedJson j;
  machine_peaks();
  if (o.what == "ops") run_ops(o, j);
  if (o.what == "step") run_step(o, j);
  if (o.what == "decode" || o.what == "rollout") run_decode(o, j);
  if (o.what == "policy") run_policy(o, j);
  if (o.what == "prefill") run_prefill(o, j);
  if (o.what == "depth") run_depth(o, j);
  if (o.what == "predict") run_predict(o, j);
  if (o.what == "optimizer") run_optimizer(o, j);
  if (o.what == "text") run_text(o, j);
  if (o.json) fmt::print("{}", json_text(j));
  return kExitOk;
}

}  // namespace

Action add_bench(Arguments args) {
  auto o = std::make_shared<Options>();
  args.option("WHAT", o->what,
              "ops, step (default), predict, decode, rollout, policy, prefill, depth, optimizer or text")
      .one_of({"ops", "step", "predict", "decode", "rollout", "policy", "prefill", "depth", "optimizer", "text"});
  args.option("--preset", o->bench.preset, "nano (default), micro or small; read from recipes/")
      .one_of({"nano", "micro", "small"});
  args.option("--precision", o->bench.precision, "bf16 (default) or f32").one_of({"bf16", "f32"});
  args.option("--rows", o->bench.rows, "rows of a step (default: nano 8, micro 4, small 4); of policy: prompts (8)");
  args.option("--length", o->bench.length,
              "tokens of a row (default: nano 256, micro 512, small 1024); of policy: of an answer (64)");
  args.option("--recompute", o->bench.recompute, "in the backward of a step: none (default), selective or blocks")
      .one_of({"none", "selective", "blocks"});
  args.option("--sequences", o->bench.sequences, "that decode together (default: 1, 4, 16, 64, 512; of rollout 512)")
      .between(1, 4096);
  args.option("--seconds", o->bench.seconds, "per measurement (default 0.3, of prompts 3, of a step 5)");
  args.flag("--no-mtp", o->no_mtp, "leave the MTP module out of the step");
  args.option("--text", o->text,
              "text for `bench text`: PATH or PATH::name=NAME (may be repeated); sources of one name "
              "make one row")
      .one_value_each();
  args.option("--vocab-size", o->vocab_size, "ids of `bench text` (default 32000)");
  args.option(
      "--documents-out", o->documents_out,
      "file for the documents of `bench text` as JSONL (source, text), for another program to do the same work");
  args.flag("--table", o->table, "the kernels of a step, not only how its time is shared");
  args.flag("--json", o->json, "print JSON");
  return [o] { return run(*o); };
}

}  // namespace nuri
