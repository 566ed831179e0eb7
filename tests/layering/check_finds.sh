#!/usr/bin/env bash
# The layering check must find what it is for: three made-up trees with one fault each, and one without.
set -euo pipefail
check=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/check.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# tree LINK_LINE_OF_UPPER INCLUDE_OF_LOWER
tree() {
  rm -rf "$scratch/src"
  mkdir -p "$scratch/src/low" "$scratch/src/mid" "$scratch/src/up"
  echo 'nuri_folder(low)' >"$scratch/src/low/CMakeLists.txt"
  echo 'nuri_folder(mid DEPENDS low)' >"$scratch/src/mid/CMakeLists.txt"
  echo "$1" >"$scratch/src/up/CMakeLists.txt"
  echo "#include \"$2\"" >"$scratch/src/low/a.h"
  echo '#include "low/a.h"' >"$scratch/src/up/c.cpp"  # allowed: mid brings low along
}
printf 'low:\nmid: low\nroom: mid\nup: room\n' >"$scratch/layers.txt"
expect() { # expect EXIT_CODE WORDS
  local code=0 out
  out=$("$check" "$scratch" "$scratch/layers.txt" 2>&1) || code=$?
  if [ "$code" -ne "$1" ] || [[ $out != *"$2"* ]]; then
    printf 'expected exit code %s and "%s", got %s:\n%s\n' "$1" "$2" "$code" "$out"
    exit 1
  fi
}
tree 'nuri_folder(up DEPENDS mid)' low/b.h
expect 0 '2 includes and 3 link lines agree'
tree 'nuri_folder(up DEPENDS mid)' mid/b.h
expect 1 'src/low/a.h:1 includes "mid/b.h"'
tree 'nuri_folder(up DEPENDS mid low)' low/b.h
expect 1 'links low, which its line of the table does not name'
tree 'nuri_folder(up)' low/b.h
expect 1 'does not link mid'
tree 'nuri_folder(up DEPENDS mid)' b.h
expect 1 'write the path from src/'
echo 'the layering check finds what it is for'
