#!/usr/bin/env bash
# check.sh COMPILER INCLUDE...: every header of src/ compiles alone. A header whose .cpp of the same name includes it first
# is proved by the build itself; the others are compiled here, each as a translation unit of its own.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
compiler=$1
shift
alone=()
proved=0
while read -r header; do
  source=${header%.h}.cpp
  if [ -f "$source" ]; then
    first=$(grep -m1 -E '^#include' "$source" || true)
    if [ "$first" = "#include \"${header#src/}\"" ]; then
      proved=$((proved + 1))
      continue
    fi
  fi
  alone+=("$header")
done < <(find src -name '*.h' | LC_ALL=C sort)

export compiler
compile_alone() {
  local header=$1
  shift
  echo | "$compiler" -std=c++20 -fsyntax-only -ffp-contract=off -Wall -Wextra -Wno-psabi "$@" -x c++ \
    -include "$header" - || { echo "$header does not compile alone"; return 1; }
}
export -f compile_alone
# Headers of the kernels are compiled once per level, in a namespace named after it; the portable level stands for all.
printf '%s\n' "${alone[@]}" |
  xargs -P "$(nproc)" -I{} bash -c 'compile_alone "$@"' _ {} -Isrc -DNURI_LEVEL=portable \
    -DNURI_SOURCE_DIR='"."' "$@"
echo "$proved headers proved by their own source, ${#alone[@]} compiled alone"
