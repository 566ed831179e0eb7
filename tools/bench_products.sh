#!/usr/bin/env bash
# bench_products.sh: FP32 products of nuri beside those of oneDNN and OpenBLAS, in one process, alternating; medians with CPU
# and commit into docs/numbers/LEVEL/products.json, from which tools/update_numbers.sh fills the tables. The two libraries are
# Debian's (libdnnl-dev, libopenblas-dev), installed where they are missing; nothing of the product links them.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
need build peers
build_with_peers nuri nuri_peer_products
machine=$(build/nuri info --json)
threads=$(jq .threads <<<"$machine")
found=$(OMP_NUM_THREADS=$threads OMP_WAIT_POLICY=passive OPENBLAS_THREAD_TIMEOUT=10 build/src/nuri_peer_products)
file=docs/numbers/$(jq -r '.level | split(" ")[0]' <<<"$machine")/products.json
mkdir -p "$(dirname "$file")"
jq -S --arg cpu "$(jq -r .cpu <<<"$machine")" '. + {cpu: $cpu}' <<<"$found" >"$file.new"
mv "$file.new" "$file"
say "$file: $(jq -c '[.rows[] | {m, n, k, ratio}]' "$file")"
