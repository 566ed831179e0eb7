#!/usr/bin/env bash
# tools/lint_x1.sh must find what it is for: one fault at a time in a made-up tree, and none in a clean one.
set -euo pipefail
lint=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../tools/lint_x1.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/src/ops" "$scratch/src/backend/cpu/kernels" "$scratch/cmake"

# expect EXIT_CODE WORDS: a tree whose faults were written by the caller
expect() {
  local code=0 out
  out=$("$lint" "$scratch" 2>&1) || code=$?
  if [ "$code" -ne "$1" ] || [[ $out != *"$2"* ]]; then
    printf 'expected exit code %s and "%s", got %s:\n%s\n' "$1" "$2" "$code" "$out"
    exit 1
  fi
}
clean() {
  echo 'add_compile_options(-ffp-contract=off)' >"$scratch/cmake/flags.cmake"
  echo 'float f(float x) { return x1::exp(x) + std::sqrt(x) + table.log(x); }  // not std::exp(x)' >"$scratch/src/ops/a.cpp"
  echo '#include <immintrin.h>' >"$scratch/src/backend/cpu/kernels/k.cpp"
}
clean
expect 0 'keep profile x1'

# fault FILE LINE WORDS
fault() {
  echo "$2" >>"$scratch/$1"
  expect 1 "$3"
  clean
}
fault src/ops/a.cpp 'float g(float x) { return std::exp(x); }' 'src/ops/a.cpp:2: float g'
fault src/ops/a.cpp 'float g(float x) { return expf(x); }' 'write x1::'
fault src/ops/a.cpp 'float g(float x) { return ::pow(x, 2); }' 'not exact'
fault src/ops/a.cpp 'float g(float x) { return __builtin_sinf(x); }' 'not exact'
fault src/ops/a.cpp 'std::normal_distribution<float> d;' 'std:: distributions'
fault src/ops/a.cpp 'std::shuffle(a, b, g);' 'std::shuffle'
fault src/ops/a.cpp '#pragma omp parallel for reduction(+ : sum)' 'depend on threads'
fault src/ops/a.cpp 'std::atomic<float> sum;' 'float atomics'
fault src/backend/cpu/kernels/k.cpp '__m128 r = _mm_rsqrt_ss(x);' 'reciprocals'
fault src/backend/cpu/kernels/k.cpp '__m512 r = _mm512_rcp14_ps(x);' 'reciprocals'
fault src/backend/cpu/kernels/k.cpp '#include <algorithm>' 'inline functions'
fault cmake/flags.cmake 'add_compile_options(-ffast-math)' 'changes the bits'
echo 'add_compile_options(-O2)' >"$scratch/cmake/flags.cmake"
expect 1 'is missing'
echo 'the lint of profile x1 finds what it is for'
