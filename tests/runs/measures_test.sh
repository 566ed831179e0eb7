#!/usr/bin/env bash
# The verbs that measure print what other programs script against: --json parses, has its keys, its shares add up.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
command -v jq >/dev/null || { echo "SKIPPED: jq is not installed"; exit 77; }
nuri=$(realpath "$nuri")
cd "$(dirname "$0")/../.." # bench reads the presets of recipes/
prepare
train "$work/run" --set steps=4 >/dev/null
printf '12 더하기 3은 15이다.' >"$work/line.txt"

# The machine, and what a run would take on it.
json 0 "$(numbers cores_allowed threads memory_allowed_bytes fp32_gflops bf16_gflops read_gbps copy_gbps handover_ns) and
  .profile == \"x1\" and has(\"cpu\") and has(\"level\") and has(\"levels\") and has(\"commit\") and has(\"huge_pages\")" \
  info --seconds 0.1 --json
json 0 "$(numbers read_gbs copy_gbs disk_gbs fp32_gflops seconds) and (.products | length) == 18 and all(.products[]; .gflops > 0 and .of_peak > 0)" plan profile --disk "$work" --out "$work/profile.json" --json
json 0 '.stages[0].step_seconds > 0 and .stages[0].steps == 8 and .memory_bytes_per_device.total > 0 and .predicted' \
  plan train "$work/recipe.toml" --hardware this --tokens 1700 --json
# MFU is of the peak in the record, the better one of before and after the run (steps differ by half a percent).
json 0 '.mfu > 0' train "$work/recipe.toml" --data "$work/data" --out "$work/measured" --set steps=4 --json
jq -e --slurpfile run "$work/measured/run.json" '(.mfu * $run[0].results.peak_gflops * 1e9 / .tokens_per_s) / (.flops / .tokens) | . > 0.99 and . < 1.01' \
  "$work/out" >/dev/null || fail "MFU is not of the peak: $(cat "$work/out")"
code 0 plan train "$work/recipe.toml" --hardware this --set steps=7 --price 0.1
json 0 "$(numbers steps tokens flops step_seconds_predicted seconds_predicted tokens_per_s_predicted memory_planned_bytes measuring_seconds) and .steps == 4" \
  train "$work/recipe.toml" --data "$work/data" --set steps=4 --predict --json
code 0 train "$work/recipe.toml" --data "$work/data" --set steps=4 --predict
grep -q '^4 steps, .* tokens, .* FLOP: .* without validation' "$work/out" || fail "--predict: $(cat "$work/out")"

# Benchmarks.
machine='has("cpu") and has("commit") and has("level") and .peak_gflops > 0 and .read_gbps > 0'
json 0 "$machine and .tokens_per_s > 0 and .mfu > 0 and .step_ms > 0 and (.breakdown | keys | length) == 7 and ([.breakdown[]] | add | . > 0.999 and . < 1.001) and .breakdown.product > 0 and
  .recompute == \"selective\"" bench step --rows 1 --length 16 --seconds 0.05 --recompute selective --json
json 0 "$machine and .predicted_ms > 0 and .measured_ms > 0 and .ratio > 0 and .measuring_s > 0" \
  bench predict --rows 1 --length 16 --seconds 0.05 --json
code 0 bench step --rows 1 --length 16 --seconds 0.05 --table
grep -q 'adamw .* tensors' "$work/out" || fail "bench step --table: $(head -c 2000 "$work/out")"
json 0 "$machine and .tokens_per_s > 0 and (.decode | length) > 0 and
  (.decode | map(.sequences) | unique) == [1, 4, 16, 64, 512] and
  all(.decode[]; .context > 0 and .tokens_per_s > 0 and .bytes_per_step > 0 and .flops_per_step > 0 and .read_gbps > 0 and
    .of_read > 0 and .of_roofline >= .of_read and .of_parts >= .of_roofline - 1e-9)" bench decode --preset nano --json
json 0 "(.decode | map(.sequences) | unique) == [3]" bench decode --preset nano --sequences 3 --seconds 0.01 --json
json 0 "$machine and (.decode | map(.context)) == [256, 256] and .decode[0].sequences == 3 and .of_one > 0 and
  all(.decode[]; .tokens_per_s > 0 and .bytes_per_step > 0 and .of_roofline >= .of_read and .evictions == 0 and .mean_context > 200 and .mean_context < 345 and
    (.shares | keys) == [\"draw\", \"engine\", \"forward\", \"logits\"] and all(.shares[]; . > 0) and (([.shares[]] | add) - 1 | fabs) < 1e-9)" \
  bench rollout --preset nano --sequences 3 --seconds 0.01 --json
json 0 "$machine and .sampler_difference == 0 and .step_seconds > 0 and .price > 0 and .prompts == 1 and .new_tokens == 8" \
  bench policy --preset nano --rows 1 --length 8 --json
json 0 "$machine and (.prefill | length) > 0 and all(.prefill[]; .tokens > 0 and .tokens_per_s > 0 and .of_peak > 0)" \
  bench prefill --preset nano --seconds 0.1 --json
json 0 "$machine and (.depth | map(.context)) == [4096, 16384] and all(.depth[]; .ms > 0 and .of_peak > 0 and .gbps > 0)" \
  bench depth --seconds 0.1 --json
json 0 "$machine and .parameters > 0 and .gbps > 0 and .copy_gbps > 0 and .of_copy > 0" bench optimizer --seconds 0.1 --json
json 0 "$machine and .train_mb_per_s > 0 and .shards_mb_per_s > 0 and .megabytes > 0 and (.sources | map(.name)) == [\"a\", \"b\"] and
  all(.sources[]; .megabytes > 0 and .tokens > 0 and .encode_mb_per_s > 0 and .encode_threads_mb_per_s > 0)" \
  bench text --text "$work/text.jsonl::name=a" --text "$work/line.txt::name=b" --vocab-size 400 --json

# A profile: shares of the threads' time that add up, a trace whose kernels lie inside its steps, the verb's own output.
json 0 true generate "$work/run" --prompt "1 더하기" --max-tokens 5 --temperature 0 --json
cp "$work/out" "$work/alone"
code 0 profile --skip 1 --steps 2 --trace "$work/trace.json" --json "$work/rows.json" -- \
  generate "$work/run" --prompt "1 더하기" --max-tokens 5 --temperature 0 --json
[ "$(cat "$work/out")" = "$(cat "$work/alone")" ] || fail "profile changes what a verb prints"
jq -e '([.breakdown[]] | add) as $sum | $sum > 0.999 and $sum < 1.001 and .steps == 2 and all(.breakdown[]; . >= -0.001) and
  (.kernels | length) > 5 and all(.kernels[]; (.level | length) > 0 and (.idle_ms | length) == 2 and all(.idle_ms[]; . >= -0.001) and
  ((.busy_ms + (.idle_ms | add) - 2 * .ms) | fabs) < 0.001 and .bytes_fresh <= .bytes_taken) and any(.kernels[]; .kernel == "attention" and .gflops > 0 and (.shape | test("2 heads")))' \
  "$work/rows.json" >/dev/null || fail "profile --json: $(cat "$work/rows.json")"
jq -e '[.traceEvents[] | select(.ph == "X")] as $x | [$x[] | select(.name | startswith("forward "))] as $steps |
  ($steps | length) == 2 and ([$x[] | select(.args.shape) | .ts + .dur] | max) <= ($steps[1].ts + $steps[1].dur) and
  any($x[]; .name == "product" and .args.module != "" and .args.of_peak > 0 and (.args.level | length) > 0 and (.args.idle_us | length) == 2 and has("tid"))' "$work/trace.json" >/dev/null ||
  fail "profile --trace: $(head -c 2000 "$work/trace.json")"

code 0 profile --steps 1 --skip 1 --json "$work/rows.json" --trace "$work/trace.json" -- train "$work/recipe.toml" --data "$work/data" --out "$work/profiled" --set steps=4 --quiet
jq -e '.steps == 1 and ([.kernels[] | .kernel] | contains(["attention_grad", "adamw", "product"])) and any(.kernels[]; .pass == "backward")' \
  "$work/rows.json" >/dev/null || fail "profile of train: $(cat "$work/rows.json")"
grep -q 'idle within them: thread 0 .* thread 1 ' "$work/err" || fail "idle time of each thread: $(cat "$work/err")"
code 0 profile --steps 0 --rows 2 --trace "$work/trace.json" -- score "$work/run" --tokens 1,2,3
grep -q 'more rows' "$work/err" || fail "profile --rows 2 of a whole verb: $(cat "$work/err")"
echo "the verbs that measure print what they promise"
