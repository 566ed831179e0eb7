#!/usr/bin/env bash
# check.sh COMPILER INCLUDE...: every header of src/ compiles alone, without the precompiled headers that the build uses.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
compiler=$1
shift
mapfile -t headers < <(find src -name '*.h' | LC_ALL=C sort)

export compiler
compile_alone() {
  local header=$1
  shift
  echo | "$compiler" -std=c++20 -fsyntax-only -ffp-contract=off -Wall -Wextra -Wno-psabi "$@" -x c++ \
    -include "$header" - || { echo "$header does not compile alone"; return 1; }
}
export -f compile_alone
# Headers of the kernels are compiled once per level, in a namespace named after it; the portable level stands for all.
printf '%s\n' "${headers[@]}" |
  xargs -P "$(nproc)" -I{} bash -c 'compile_alone "$@"' _ {} -Isrc -DNURI_LEVEL=portable \
    -DNURI_SOURCE_DIR='"."' "$@"
echo "${#headers[@]} headers compiled alone"
